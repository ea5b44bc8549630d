"""A TownWorld whose feed is read, and the tables as its feed tells them."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from boomtown.actors.town.commands_of_feed import ReadFeed
from boomtown.actors.town.feed_map import TRACKED, Tracked
from boomtown.actors.town.feed_views import FeedEventView, FeedPageView
from boomtown.actors.town.questions import QuestionRequest
from boomtown.errors import error_from_refusal
from boomtown.testing.manual_clock import run_passes
from boomtown.wire import iso_from_ms
from support.town_world import OPERATOR, TownWorld

Told = dict[tuple[str, str], dict[str, Any]]  # (topic, id) -> what is shown


class FeedTownWorld(TownWorld):
    """Reads the feed as the front does."""

    async def next_changes(
        self, *, after: int, wait_ms: int, topic: str | None = None
    ) -> FeedPageView:
        request = QuestionRequest(
            question=ReadFeed(after=after, limit=1_000, topic=topic), caller=OPERATOR
        )
        answer = await self._stub().next_changes(request, wait_ms)
        if answer.refusal is not None:
            raise error_from_refusal(answer.refusal)
        page: FeedPageView = answer.view
        return page

    async def follow(
        self, *, after: int, wait_ms: int, topic: str | None = None
    ) -> asyncio.Task[FeedPageView]:
        """The same question, under way."""
        waiting = self.next_changes(after=after, wait_ms=wait_ms, topic=topic)
        task = asyncio.create_task(waiting)
        await run_passes()
        return task

    async def feed(self, *, after: int = 0) -> list[FeedEventView]:
        found: list[FeedEventView] = []
        while True:
            page = await self.next_changes(after=after, wait_ms=0)
            found += page.events
            if page.next == page.head:
                return found
            after = page.next

    async def stored(self) -> Told:
        """What the tracked tables hold, as the feed would show it."""
        held: Told = {}
        for tracked in TRACKED:
            columns = tracked.key + tracked.shown
            query = f"SELECT {', '.join(columns)} FROM {tracked.table}"
            for row in await self.rows(query):
                values = dict(zip(columns, row, strict=True))
                entity_id = "/".join(str(values[name]) for name in tracked.key)
                held[tracked.topic, entity_id] = _shown(tracked, values)
        return held


def _shown(tracked: Tracked, values: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for name, value in values.items():
        if name in tracked.json:
            shown[name] = msgspec.json.decode(value)
        elif name.startswith("is_"):
            shown[name] = bool(value)
        elif name.endswith("_ms"):
            shown[name.removesuffix("_ms")] = None if value is None else iso_from_ms(value)
        else:
            shown[name] = value
    return shown


def replayed(events: list[FeedEventView]) -> tuple[Told, list[str]]:
    """(the tables as a reader of the feed has them at its end, what in it does not fit)."""
    held: Told = {}
    misfits: list[str] = []
    for event in events:
        entity, _, verb = event.topic.partition(".")
        key = (entity, event.entity_id)
        payload = dict(event.payload)
        before: dict[str, Any] = payload.pop("before", None) or {}
        if verb == "created":
            if key in held:
                misfits.append(f"{event.seq}: {key} was created twice")
            held[key] = payload
        elif verb == "deleted":
            if held.pop(key, None) is None:
                misfits.append(f"{event.seq}: {key} was deleted and never created")
        elif verb == "updated":
            known = held.get(key, {})
            if before != {name: known.get(name) for name in before}:
                misfits.append(f"{event.seq}: {key} was {known}, and the feed says {before}")
            held[key] = payload
        elif verb == "rolled_back":
            held.pop(key, None)  # a tombstone
    return held, misfits
