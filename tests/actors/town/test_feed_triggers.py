"""The feed's triggers: one row per change, none without one, and nothing that is secret."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

import boomtown.actors.town.town as town_module
from boomtown.actors.town.feed_map import EXCLUDED, TRACKED, Tracked
from boomtown.actors.town.feed_speaker import SPEAK, may_be_told
from boomtown.actors.town.feed_triggers import install_feed
from boomtown.actors.town.transaction import TownTransaction
from support.feed_rows import (
    CountingSql,
    head,
    insert,
    insert_agent,
    insert_bead,
    insert_pr,
    insert_session,
    insert_thread,
    open_feed,
    told,
    topics,
)
from support.town_database import later

NEVER_SHOWN = re.compile(r"body|prompt|token|secret|checkpoint|config|git_url|log_tail|metadata")
TOWN_FOLDER = Path(town_module.__file__).parent
REPLACES = re.compile(r"(?:INSERT\s+OR\s+REPLACE|\bREPLACE)\s+INTO\s+(\w+)", re.IGNORECASE)


@pytest.fixture
def tx() -> TownTransaction:
    return open_feed()


def columns_of(tx: TownTransaction, table: str) -> dict[str, int]:
    """Name to place in the primary key."""
    return {row[1]: row[5] for row in tx.rows(f"PRAGMA table_info({table})")}


def test_every_table_is_tracked_or_excluded_with_its_reason(tx: TownTransaction) -> None:
    tables = {
        name
        for (name,) in tx.rows("SELECT name FROM sqlite_schema WHERE type = 'table'")
        if not name.startswith("sqlite_")
    }
    tracked = {row.table for row in TRACKED}
    assert tracked | set(EXCLUDED) == tables
    assert not tracked & set(EXCLUDED)
    assert all(EXCLUDED.values())


@pytest.mark.parametrize("row", TRACKED, ids=lambda row: row.table)
def test_the_map_names_columns_of_its_table(tx: TownTransaction, row: Tracked) -> None:
    columns = columns_of(tx, row.table)
    named = [*row.key, *row.watched, *row.shown, *row.json]
    named += [name for name in (row.rig, row.agent, row.session) if name is not None]
    assert set(named) <= set(columns)
    assert row.json <= set(row.shown)
    if row.table != "town":  # its one row is known by its town
        assert {name for name, place in columns.items() if place} == set(row.key)


@pytest.mark.parametrize("row", TRACKED, ids=lambda row: row.table)
def test_nothing_secret_is_shown(row: Tracked) -> None:
    assert [name for name in row.key + row.shown if NEVER_SHOWN.search(name)] == []


def test_topics_are_unique() -> None:
    names = [row.topic for row in TRACKED]
    assert len(set(names)) == len(names)


def test_i9_no_source_replaces_rows_of_a_tracked_table() -> None:
    tracked = {row.table for row in TRACKED}
    replaced = {
        (path.name, table)
        for path in sorted(TOWN_FOLDER.glob("*.py"))
        for table in REPLACES.findall(path.read_text())
    }
    assert {(name, table) for name, table in replaced if table in tracked} == set()
    assert ("idempotency.py", "idempotency") in replaced, "the search finds what there is"


def test_an_insert_an_update_and_a_deletion_are_one_row_each(tx: TownTransaction) -> None:
    insert_bead(tx, "b1", body="a secret plan")
    tx.run("UPDATE beads SET status = 'in_progress', body = 'more' WHERE bead_id = 'b1'")
    tx.run("DELETE FROM beads WHERE bead_id = 'b1'")
    events = told(tx)
    assert [event.topic for event in events] == ["bead.created", "bead.updated", "bead.deleted"]
    updated = events[1]
    assert (updated.entity, updated.entity_id, updated.rig_id) == ("bead", "b1", "r1")
    assert (updated.actor, updated.reason, updated.created_at) == (
        "operator:ann",
        "test",
        tx.now_ms,
    )
    assert updated.payload["status"] == "in_progress"
    assert updated.payload["before"]["status"] == "open"
    assert updated.payload["labels"] == []
    assert "secret" not in msgspec.json.encode(events).decode()


def test_i10_an_identical_observation_tells_nothing(tx: TownTransaction) -> None:
    insert_bead(tx, "b1")
    before = head(tx)
    tx.run("UPDATE beads SET status = 'open', title = 'Fix it' WHERE bead_id = 'b1'")
    tx.run("UPDATE beads SET dispatch_attempts = 3 WHERE bead_id = 'b1'")
    assert head(tx) == before


def test_i10_a_change_that_is_undone_tells_nothing(tx: TownTransaction) -> None:
    def work() -> None:
        insert_bead(tx, "b1")
        raise ValueError("undone")

    with pytest.raises(ValueError, match="undone"):
        tx.in_savepoint(work)
    assert told(tx) == []


def test_a_cascade_tells_each_row_that_it_takes(tx: TownTransaction) -> None:
    insert_bead(tx, "b1")
    insert(
        tx,
        "escalations",
        bead_id="b1",
        severity="high",
        is_live=1,
        is_acknowledged=0,
    )
    before = head(tx)
    tx.run("DELETE FROM beads WHERE bead_id = 'b1'")
    assert sorted(topics(tx, after=before)) == ["bead.deleted", "escalation.deleted"]


def test_instants_and_switches_are_shown_as_the_wire_shows_them(tx: TownTransaction) -> None:
    insert_agent(tx)
    tx.run("UPDATE agents SET stalled_at_ms = 1800000000123 WHERE agent_id = 'a1'")
    payload = told(tx)[-1].payload
    assert payload["stalled_at"] == "2027-01-15T08:00:00.123Z"
    assert payload["before"]["stalled_at"] is None
    insert_pr(tx)
    assert told(tx)[-1].payload["is_draft"] is False


@pytest.mark.parametrize("ms", [0, 1, 999, 1_800_000_000_001, 1_800_000_000_999, 1_799_999_999_507])
def test_no_millisecond_is_lost_on_the_way_to_text(tx: TownTransaction, ms: int) -> None:
    insert_agent(tx)
    tx.run("UPDATE agents SET waiting_since_ms = ? WHERE agent_id = 'a1'", ms)
    assert told(tx)[-1].payload["waiting_since"].endswith(f".{ms % 1000:03d}Z")


def test_stmt_c05_a_thread_is_added_once_and_resolved_once(tx: TownTransaction) -> None:
    insert_pr(tx)
    before = head(tx)
    insert_thread(tx, "t1")
    insert_thread(tx, "t2")
    insert_thread(tx, "t1", is_resolved=1)  # the second poll, whole: t2 is gone
    tx.run("DELETE FROM pr_threads WHERE thread_id NOT IN ('t1')")
    insert_thread(tx, "t1", is_resolved=1)  # the third sees what the second saw
    events = told(tx, after=before)
    assert [(event.topic, event.entity_id) for event in events] == [
        ("pr_thread.created", "u/t1"),
        ("pr_thread.created", "u/t2"),
        ("pr_thread.updated", "u/t1"),
        ("pr_thread.deleted", "u/t2"),
    ]
    assert events[2].payload["is_resolved"] is True
    assert events[2].payload["before"] == {"is_resolved": False}


def test_a_heartbeat_costs_no_statement_more(tx: TownTransaction) -> None:
    insert_agent(tx)
    insert_session(tx, "s1")
    asked = later(tx, 5)
    sql = asked.sql
    assert isinstance(sql, CountingSql)
    sql.statements.clear()
    heartbeat = (
        "UPDATE sessions SET last_heartbeat_at_ms = ?, probe_misses = 0 WHERE session_id = ?"
    )
    asked.run(heartbeat, 1, "s1")
    insert(asked, "counters", name="n", value=1)
    assert SPEAK not in sql.statements
    assert len(sql.statements) == 2


def test_the_speaker_is_written_once_per_transaction_and_speaker(tx: TownTransaction) -> None:
    sql = tx.sql
    assert isinstance(sql, CountingSql)
    insert_agent(tx)
    sql.statements.clear()
    moved = later(tx, 5)
    insert_bead(moved, "b1")
    insert_bead(moved, "b2")
    assert sql.statements.count(SPEAK) == 1
    insert_bead(msgspec.structs.replace(moved, actor="session:s"), "b3")
    assert sql.statements.count(SPEAK) == 2
    assert [event.actor for event in told(tx)][-2:] == ["operator:ann", "session:s"]


def test_an_undone_speaker_speaks_again(tx: TownTransaction) -> None:
    moved = later(tx, 5)

    def work() -> None:
        insert_bead(moved, "b1")
        raise ValueError("undone")

    insert_agent(tx)
    with pytest.raises(ValueError, match="undone"):
        moved.in_savepoint(work)
    insert_bead(moved, "b2")
    assert told(tx)[-1].created_at == moved.now_ms


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("INSERT INTO beads (bead_id) VALUES (?)", True),
        ("  update beads SET status = ? WHERE bead_id = ?", True),
        ("UPDATE beads SET updated_at_ms = ? WHERE bead_id = ?", False),
        ("DELETE FROM mail WHERE bead_id = ?", True),
        ("INSERT OR IGNORE INTO watches (watch_id) VALUES (?) RETURNING watch_id", True),
        ("INSERT INTO inbox (kind) VALUES (?)", False),
        ("SELECT status FROM beads", False),
    ],
)
def test_only_what_may_fire_a_trigger_is_announced(query: str, expected: bool) -> None:
    assert may_be_told(query) is expected


def test_installing_again_writes_nothing(tx: TownTransaction) -> None:
    sql = tx.sql
    assert isinstance(sql, CountingSql)
    sql.statements.clear()
    install_feed(tx)
    assert [query for query in sql.statements if not query.startswith("SELECT")] == []


def test_triggers_of_another_map_are_made_anew(tx: TownTransaction) -> None:
    tx.run("DROP TRIGGER feed_of_beads_created")
    tx.run(
        "CREATE TRIGGER feed_of_inbox_created AFTER INSERT ON inbox BEGIN"
        " INSERT INTO feed_log (topic, entity, entity_id, actor, payload, created_at_ms)"
        " VALUES ('inbox.created', 'inbox', NEW.seq, 'x', '{}', 0); END"
    )
    tx.run("UPDATE feed_state SET triggers_digest = 'of an older map'")
    install_feed(tx)
    insert(tx, "inbox", kind="k", payload="{}", created_at_ms=1)
    insert_bead(tx, "b1")
    assert topics(tx) == ["bead.created"]
