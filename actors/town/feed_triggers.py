"""The triggers that write the feed, made from the map (feed_map.py).

Theory of operation. The town's constructor calls `install_feed` beside its schema. The stored
digest names the triggers that stand; when the map, or a table's presence, makes other ones, all
are dropped and made anew in one savepoint, so that a crash leaves the old set or the new one.
A trigger's row belongs to the statement that fired it: it is committed, or undone, with the change.

Who speaks, why, and when, a trigger reads from the one row of `feed_speaker`, which the
transaction writes before a statement that may fire one (feed_speaker.py).

REPLACE fires no delete trigger and makes an insert of an update: tracked tables are never written
with it (roster.md I9; a test reads the source).
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib import resources

from boomtown.actors.town.feed_map import TRACKED, Tracked
from boomtown.actors.town.transaction import TownTransaction

TRIGGER_PREFIX = "feed_of_"

_LIST_TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name"
_LIST_TRIGGERS = (
    "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND substr(name, 1, ?) = ? ORDER BY name"
)
_FIND_DIGEST = "SELECT triggers_digest FROM feed_state"
_KEEP_DIGEST = "UPDATE feed_state SET triggers_digest = ?"
_ISO = "strftime('%Y-%m-%dT%H:%M:%fZ', {column} / 1000.0, 'unixepoch')"


def list_tables(tx: TownTransaction) -> frozenset[str]:
    """The names of the tables that are there."""
    return frozenset(name for (name,) in tx.rows(_LIST_TABLES))


def install_feed(tx: TownTransaction) -> None:
    """Bring the feed's tables and triggers to what this program says; mostly there is nothing
    to do, and nothing is written."""
    tables = list_tables(tx)
    if "feed_state" not in tables:
        tx.in_savepoint(lambda: _create(tx, tables))
        return
    row = tx.find_row(_FIND_DIGEST)
    assert row is not None, "the schema makes the row"
    if row[0] != digest_of(trigger_statements(tables)):
        tx.in_savepoint(lambda: _remake(tx, tables))


def _create(tx: TownTransaction, tables: frozenset[str]) -> None:
    folder = resources.files("boomtown.actors.town")
    tx.run(folder.joinpath("feed_schema.sql").read_text("utf-8"))
    _remake(tx, tables)


def _remake(tx: TownTransaction, tables: frozenset[str]) -> None:
    for (name,) in tx.rows(_LIST_TRIGGERS, len(TRIGGER_PREFIX), TRIGGER_PREFIX):
        tx.run(f"DROP TRIGGER {name}")
    statements = trigger_statements(tables)
    for statement in statements:
        tx.run(statement)
    tx.run(_KEEP_DIGEST, digest_of(statements))


@lru_cache(maxsize=16)
def digest_of(statements: tuple[str, ...]) -> str:
    """What `feed_state` keeps of a set of triggers."""
    return hashlib.sha256("\n".join(statements).encode()).hexdigest()


@lru_cache(maxsize=16)  # one per set of tables: every town of a server has the same
def trigger_statements(tables: frozenset[str]) -> tuple[str, ...]:
    """CREATE TRIGGER for every tracked table among `tables`, in the order of the map."""
    made: list[str] = []
    for tracked in TRACKED:
        if tracked.table not in tables:
            continue
        made.append(_trigger(tracked, "created", "AFTER INSERT", "NEW"))
        if tracked.watched:
            columns = ", ".join(tracked.watched)
            made.append(_trigger(tracked, "updated", f"AFTER UPDATE OF {columns}", "NEW"))
        if tracked.tells_deletion:
            made.append(_trigger(tracked, "deleted", "AFTER DELETE", "OLD"))
    return tuple(made)


def _trigger(tracked: Tracked, verb: str, moment: str, row: str) -> str:
    is_update = verb == "updated"
    condition = ""
    if is_update:
        changes = (f"OLD.{name} IS NOT NEW.{name}" for name in tracked.watched)
        condition = f"\nWHEN {' OR '.join(changes)}"
    entity_id = " || '/' || ".join(f"{row}.{name}" for name in tracked.key)
    fields = ", ".join(
        f"{row}.{name}" if name is not None else "NULL"
        for name in (tracked.rig, tracked.agent, tracked.session)
    )
    payload = _object(tracked, row, tracked.key + tracked.shown)
    if is_update:
        known = tuple(name for name in tracked.watched if name in tracked.shown)
        payload = f"json_set({payload}, '$.before', {_object(tracked, 'OLD', known)})"
    return (
        f"CREATE TRIGGER {TRIGGER_PREFIX}{tracked.table}_{verb} {moment} ON {tracked.table}"
        f"{condition}\nBEGIN\n"
        "INSERT INTO feed_log (topic, entity, entity_id, rig_id, agent_id, session_id, actor,"
        " reason, payload, created_at_ms)\n"
        f"SELECT '{tracked.topic}.{verb}', '{tracked.topic}', {entity_id}, {fields}, actor,"
        f" reason, {payload}, now_ms FROM feed_speaker;\nEND"
    )


def _object(tracked: Tracked, row: str, columns: tuple[str, ...]) -> str:
    pairs: list[str] = []
    for column in dict.fromkeys(columns):
        name, value = column, f"{row}.{column}"
        if column in tracked.json:
            value = f"json({value})"
        elif column.startswith("is_"):
            value = f"json(iif({value}, 'true', 'false'))"
        elif column.endswith("_ms"):
            name, value = column.removesuffix("_ms"), _ISO.format(column=value)
        pairs.append(f"'{name}', {value}")
    return f"json_object({', '.join(pairs)})"
