"""What a foreman does by hand in a simulated town, and a reader who keeps up with its feed.

The foreman spawns sessions and lets them be, kills and restores them, or rolls them back, whatever
the machine and the network do meanwhile; each deed is repeated until it is answered. Refusals that
his own timing explains are no findings; what he leaves held he closes. The reader pages through
the feed from a cursor of his own and keeps what he was told: no restart may take a change back
that somebody has seen, repeat one, or leave one out.
"""

from __future__ import annotations

from typing import Any

from boomtown.clock import Clock
from boomtown.sim.choices import Choices
from boomtown.sim.workload import Person, Refused

ROUND_MS = 150_000
WAIT_MS = 10_000
READ_MS = 20_000
WAITS_MAX = 60
PAGE_MAX = 200
TOO_LATE = frozenset(
    {
        "SESSION_INCOMPLETE_HANDLE",  # killed before it had a worktree
        "SESSION_NOT_RESTORABLE",
        "BEAD_NOT_HOOKABLE",  # it was handed in before
        "BEAD_ALREADY_HOOKED",
        "AGENT_BUSY",
    }
)
DEEDS = ("let be", "kill", "roll back")


class Foreman:
    """Deals with sessions of one rig."""

    def __init__(self, person: Person, *, town: str, rig: str, clock: Clock, choices: Choices):
        self._person = person
        self._town = f"/api/towns/{town}"
        self._rig = rig
        self._clock = clock
        self._choices = choices

    async def work(self, *, until_ms: int) -> None:
        """A session each round, and what is done about it."""
        number = 0
        while self._clock.now_ms() < until_ms:
            number += 1
            recipe = f"create hand-{number}.txt hand\nsleep 30\ncommit By hand\ndone\n"
            wish = {"rig_id": self._rig, "prompt": f"By hand\n```recipe\n{recipe}```\n"}
            session = await self._person.ask("POST", f"{self._town}/sessions", wish)
            await self._person.pause(1 + self._choices.pick(60_000, label="by_hand_ms"))
            match DEEDS[self._choices.pick(len(DEEDS), label="by_hand")]:
                case "kill":
                    await self._kill(session)
                case "roll back":
                    await self._roll_back(session)
                case _:
                    pass
            await self._person.pause(ROUND_MS)

    async def _kill(self, session: dict[str, Any]) -> None:
        one = f"{self._town}/sessions/{session['id']}"
        killed = await self._person.ask("POST", f"{one}/kill", {"force": True})
        for _ in range(WAITS_MAX):
            if killed["state"] == "ended":
                break
            await self._person.pause(WAIT_MS)
            killed = await self._person.ask("GET", one)
        if killed["end_reason"] != "killed":
            return  # it had ended by itself
        try:
            await self._person.ask("POST", f"{one}/restore")
        except Refused as error:
            if error.code not in TOO_LATE:
                raise
            await self._close(session["bead_id"])

    async def _roll_back(self, session: dict[str, Any]) -> None:
        one = f"{self._town}/sessions/{session['id']}"
        outcome = await self._person.ask("POST", f"{one}/rollback", {"reason": "changed my mind"})
        if outcome["deleted"]:
            return
        if not outcome["killed"] and not await self._was_rolled_back(one):
            return  # it had ended by itself
        await self._close(session["bead_id"])

    async def _was_rolled_back(self, one: str) -> bool:
        """Whether an earlier try did it, whose answer was lost."""
        try:
            seen = await self._person.ask("GET", one)
        except Refused as error:
            if error.code != "SESSION_NOT_FOUND":
                raise
            return False
        return bool(seen["end_reason"] == "rolled_back")

    async def _close(self, bead_id: str) -> None:
        await self._person.ask("POST", f"{self._town}/rigs/{self._rig}/beads/{bead_id}/close", {})


class FeedReader:
    """Reads the feed of one town from its beginning."""

    def __init__(self, person: Person, *, town: str) -> None:
        self.told: dict[int, str] = {}  # seq -> topic and entity
        self.cursor = 0
        self.double: int | None = None  # a change that came twice
        self._person = person
        self._path = f"/api/towns/{town}/feed"

    async def follow(self) -> None:
        """For ever; what came is in `told`."""
        while True:
            query = f"after={self.cursor}&limit={PAGE_MAX}"
            page = await self._person.ask("GET", f"{self._path}?{query}")
            for event in page["events"]:
                if event["seq"] in self.told:
                    self.double = event["seq"]
                self.told[event["seq"]] = f"{event['topic']} {event['entity_id']}"
            self.cursor = page["next"]
            if page["next"] == page["head"]:
                await self._person.pause(READ_MS)
