"""What a live town forgets of its tables, by the text of each statement."""

from __future__ import annotations

import re
from importlib import resources

import msgspec
import pytest

from boomtown.actors.town.model import Town, TownConfig
from boomtown.actors.town.schema_files import SCHEMA_FILES
from boomtown.actors.town.store_snapshot import read_snapshot
from boomtown.actors.town.store_town import find_town, insert_town
from boomtown.actors.town.table_memory import CASCADING, WATCHED, Part, TableMemory, touched_by
from boomtown.ids import TownId
from support.feed_rows import insert_bead, open_feed

EVERYTHING = tuple(Part)
TOWN = Town(
    town_id=TownId("t1"),
    name="boom",
    owner_user_id="ann",
    config=TownConfig(),
    is_paused=False,
    is_draining=False,
    drain_nonce=None,
    drain_started_at_ms=None,
    drain_instance_id=None,
    created_at_ms=1,
    updated_at_ms=1,
)


def _schema() -> str:
    folder = resources.files("boomtown.actors.town")
    return "\n".join(folder.joinpath(name).read_text("utf-8") for name in SCHEMA_FILES)


@pytest.mark.parametrize(
    ("query", "parts"),
    [
        ("SELECT * FROM beads", ()),
        ("\n select 1", ()),
        ("UPDATE sessions SET lease_until_ms = ? WHERE session_id = ?", (Part.SESSIONS,)),
        ("INSERT INTO counters (name, value) VALUES (?, ?)", ()),
        ("UPDATE town SET config = ? WHERE only_row = ?", (Part.TOWN,)),
        ("insert or ignore into Watches (watch_id) values (?)", (Part.WATCHES,)),
        ("DELETE FROM effects WHERE key = ?", (Part.EFFECTS,)),
        ("DELETE FROM beads WHERE bead_id = ?", EVERYTHING),
        ("CREATE TABLE more (id TEXT)", EVERYTHING),
        ("WITH a AS (SELECT 1) UPDATE beads SET title = 'x'", EVERYTHING),
        ("SELECT 1; DELETE FROM agents", EVERYTHING),
        ("-- a comment first\nSELECT 1", EVERYTHING),
    ],
)
def test_a_statement_touches_what_it_may_change(query: str, parts: tuple[Part, ...]) -> None:
    assert touched_by(query) == parts


def test_a_session_that_ends_touches_the_beads_that_are_seen_by_it() -> None:
    touched = touched_by("UPDATE sessions SET state = ?, ended_at_ms = ? WHERE session_id = ?")
    seen = {Part.SESSIONS, Part.REST, Part.LIVE_BEADS}
    assert set(touched) == seen | {Part.CONTAINER_ENDS, Part.LINGERING, Part.UNLOGGED}


def test_a_bead_that_changes_its_status_touches_convoys_and_one_that_is_renamed_does_not() -> None:
    renamed = touched_by("UPDATE beads SET title = ? WHERE bead_id = ?")
    moved = touched_by("UPDATE beads SET status = ? WHERE bead_id = ?")
    assert renamed == (Part.LIVE_BEADS,)
    assert moved == (Part.REST, Part.LIVE_BEADS, Part.CONVOYS)


def test_every_watched_table_and_column_exists() -> None:
    schema = _schema()
    for tables in WATCHED.values():
        for table, columns in tables.items():
            found = re.search(rf"CREATE TABLE {table} \((.*?)\n\) STRICT", schema, re.DOTALL)
            assert found is not None, table
            for column in columns or ():
                assert re.search(rf"^ +{column} ", found[1], re.MULTILINE), (table, column)


def test_every_table_whose_rows_take_others_along_is_known() -> None:
    parents = re.findall(r"REFERENCES (\w+)(?: \(\w+\))? ON DELETE", _schema())
    assert set(parents) == CASCADING


def test_a_part_is_read_once_until_it_is_touched() -> None:
    memory, read = TableMemory(), iter(range(9))
    assert [memory.recall(Part.RIGS, lambda: next(read)) for _ in range(3)] == [0, 0, 0]
    memory.before("UPDATE agents SET name = ? WHERE agent_id = ?")
    assert memory.recall(Part.RIGS, lambda: next(read)) == 0
    memory.before("UPDATE rigs SET name = ? WHERE rig_id = ?")
    assert memory.recall(Part.RIGS, lambda: next(read)) == 1
    memory.forget()
    assert memory.recall(Part.RIGS, lambda: next(read)) == 2


def test_what_is_absent_is_remembered_too() -> None:
    memory, read = TableMemory(), iter((None, "a town"))
    assert [memory.recall(Part.TOWN, lambda: next(read)) for _ in range(2)] == [None, None]


def test_a_savepoint_that_is_undone_is_forgotten() -> None:
    living = msgspec.structs.replace(open_feed(), memory=TableMemory())
    insert_town(living, TOWN)
    insert_bead(living, "b1")
    before = read_snapshot(living)

    def fail() -> None:
        insert_bead(living, "b2")
        assert set(read_snapshot(living).beads) == {"b1", "b2"}
        raise RuntimeError("changed my mind")

    with pytest.raises(RuntimeError):
        living.in_savepoint(fail)
    assert read_snapshot(living) == before
    assert find_town(living) == TOWN
