"""A town's tables in memory with their feed, and rows to put into them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from boomtown.actors.town.commands_of_feed import ReadFeed
from boomtown.actors.town.feed_log import head_of, read_page
from boomtown.actors.town.feed_speaker import FeedSpeaker
from boomtown.actors.town.feed_triggers import install_feed
from boomtown.actors.town.feed_views import FeedEventView
from boomtown.actors.town.transaction import Sql, SqlCursor, TownTransaction
from boomtown.limits import TownLimits
from support.town_database import open_town_transaction


class CountingSql:
    """Counts statements on their way to the database."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql
        self.statements: list[str] = []

    def exec(self, query: str, /, *bindings: Any) -> SqlCursor:
        self.statements.append(query)
        return self._sql.exec(query, *bindings)


def open_feed(
    *, limits: TownLimits | None = None, notify: Callable[[], None] = lambda: None
) -> TownTransaction:
    """An empty town database whose feed is installed; `operator:ann` speaks."""
    plain = open_town_transaction(limits=limits)
    tx = msgspec.structs.replace(
        plain,
        sql=CountingSql(plain.sql),
        feed=FeedSpeaker(notify),
        actor="operator:ann",
        reason="test",
    )
    install_feed(tx)
    return tx


def told(tx: TownTransaction, *, after: int = 0) -> list[FeedEventView]:
    """Everything after a cursor."""
    return list(read_page(tx, ReadFeed(after=after, limit=1_000)).events)


def topics(tx: TownTransaction, *, after: int = 0) -> list[str]:
    return [event.topic for event in told(tx, after=after)]


def head(tx: TownTransaction) -> int:
    return head_of(tx)


def insert(tx: TownTransaction, table: str, **columns: Any) -> None:
    """A row, past all commands."""
    names, marks = ", ".join(columns), ", ".join("?" for _ in columns)
    tx.run(f"INSERT INTO {table} ({names}) VALUES ({marks})", *columns.values())


def insert_agent(tx: TownTransaction, agent_id: str = "a1") -> None:
    insert(
        tx,
        "agents",
        agent_id=agent_id,
        role="polecat",
        name=agent_id,
        identity=agent_id,
        employment="hired",
        created_at_ms=tx.now_ms,
    )


def insert_session(tx: TownTransaction, session_id: str, *, agent_id: str = "a1") -> None:
    insert(
        tx,
        "sessions",
        session_id=session_id,
        agent_id=agent_id,
        bead_id=f"bead-of-{session_id}",
        rig_id="r1",
        kind="work",
        state="claimed",
        phase="seed",
        generation=1,
        harness="scripted",
        branch="b",
        target_branch="main",
        claimed_at_ms=tx.now_ms,
    )


def insert_bead(tx: TownTransaction, bead_id: str, *, body: str | None = None) -> None:
    insert(
        tx,
        "beads",
        bead_id=bead_id,
        type="issue",
        kind="work",
        title="Fix it",
        body=body,
        rig_id="r1",
        created_at_ms=tx.now_ms,
        updated_at_ms=tx.now_ms,
    )


def insert_thread(tx: TownTransaction, thread_id: str, *, is_resolved: int = 0) -> None:
    """As a poll stores it: an upsert."""
    tx.run(
        "INSERT INTO pr_threads (pr_url, thread_id, is_resolved, is_bot, body)"
        " VALUES ('u', ?, ?, 0, 'please') ON CONFLICT (pr_url, thread_id)"
        " DO UPDATE SET is_resolved = excluded.is_resolved, body = excluded.body",
        thread_id,
        is_resolved,
    )


def insert_pr(tx: TownTransaction) -> None:
    insert(
        tx,
        "prs",
        url="u",
        forge="f",
        repo_owner="o",
        repo_name="n",
        number=1,
        title="t",
        author="a",
        branch="b",
        base_branch="main",
        head_sha="s",
        head_since_ms=1,
        state="open",
        opened_at_ms=1,
        observed_at_ms=1,
    )
