"""The rows of a town's database, read from a copy of the simulated disk's files.

The copy is what a process would find now, page cache included; the living disk is not touched and
no fault strikes a checker.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import apsw
import msgspec

from boomtown.actors.runtime.sqlite_surface import SqliteConnection
from boomtown.sim.checkers.file_images import open_images
from boomtown.sim.disk import ROOT, Disk

TOWN_FOLDER = "/data/actors/Town"
ALARMS_FILE = f"{TOWN_FOLDER}/alarms.sqlite"
EVERY_COLUMN = "*"
# What is read of each. Of those that only grow, and whose rows are wide, what is checked.
TABLES = {
    "agents": "agent_id, name",
    "bead_dependencies": EVERY_COLUMN,
    "bead_events": "seq, bead_id, event_type, old_value, new_value",
    "beads": EVERY_COLUMN,
    "counters": "name, value",
    "effects": "effect_id, kind, session_id",
    "escalations": EVERY_COLUMN,
    "feed_log": "seq, topic, entity_id",
    "reviews": EVERY_COLUMN,
    "rigs": "rig_id, name",
    "sessions": EVERY_COLUMN,
}
CACHE_KIB = 32_768  # the whole of a town, so that the check of its indexes reads each page once
FINAL = ("closed", "failed")
WORKED_ON = ("issue", "merge_request", "convoy", "molecule")

Row = dict[str, Any]


class TownRows(msgspec.Struct, frozen=True, kw_only=True):
    """One town: its tables by name, rows in the order of their keys."""

    object_id: str
    tables: dict[str, list[Row]]
    alarm_at_ms: int | None  # in the object's own database
    indexed_at_ms: int | None  # in the index of alarms

    def live_work(self) -> list[Row]:
        """The beads that somebody is to do something about."""
        return [
            bead
            for bead in self.tables["beads"]
            if bead["type"] in WORKED_ON and bead["status"] not in FINAL
        ]

    def restless(self) -> list[Row]:
        """Those of them that do not wait for a person: no live escalation is about them, or, for
        a convoy, about one of its beads."""
        live = {row["bead_id"] for row in self.tables["escalations"] if row["is_live"]}
        about = {bead["subject"] for bead in self.tables["beads"] if bead["bead_id"] in live}
        for edge in self.tables["bead_dependencies"]:
            if edge["type"] == "tracks" and edge["bead_id"] in about:
                about.add(edge["depends_on_bead_id"])
        return [bead for bead in self.live_work() if bead["bead_id"] not in about]

    def at_work(self) -> list[str]:
        """The beads whose session, with a body of the town's own, starts or runs."""
        return [
            str(session["bead_id"])
            for session in self.tables["sessions"]
            if session["kind"] == "work"
            and session["state"] in ("starting", "running")
            and session["harness"] != "external"
        ]

    def statuses(self) -> dict[str, int]:
        """How many beads have each type and status."""
        counts: dict[str, int] = {}
        for bead in self.tables["beads"]:
            name = f"{bead['type']} {bead['status']}"
            counts[name] = counts.get(name, 0) + 1
        return dict(sorted(counts.items()))


class TownReader:
    """Reads the first town on a disk, and reads it again only when the disk has changed."""

    def __init__(self) -> None:
        self._seen: tuple[Disk, int] | None = None
        self._rows: TownRows | None = None

    def find_rows(self, disk: Disk, *, is_final: bool = False) -> TownRows | None:
        """As find_town_rows; nobody may change what is answered. What damages a file is an outage:
        its pages are gone through once in each life of the disk, and at the end."""
        is_new_life = self._seen is None or self._seen[0] is not disk
        if is_new_life or is_final or self._seen != (disk, disk.changes):
            self._rows = find_town_rows(disk, checks_pages=is_new_life or is_final)
            self._seen = (disk, disk.changes)
        return self._rows


def find_town_rows(disk: Disk, *, checks_pages: bool) -> TownRows | None:
    """The first town on the disk; None where there is none yet. Raises apsw.Error where a file is
    no database any more, AssertionError where pages do not fit together."""
    with open_images(disk, _files(disk, TOWN_FOLDER)) as vfs:
        indexed = _read_index(vfs.name) if ALARMS_FILE in vfs.paths else {}
        for path in vfs.paths:
            if path.endswith(".sqlite") and path != ALARMS_FILE:
                rows = _read_town(path, vfs.name, indexed, checks_pages=checks_pages)
                if rows is not None:
                    return rows
    return None


def _read_town(
    path: str, vfs: str, indexed: dict[str, int], *, checks_pages: bool
) -> TownRows | None:
    connection = _open(path, vfs)
    try:
        if checks_pages:
            check = connection.execute("PRAGMA integrity_check").fetchall()
            assert check == [("ok",)], f"{path} is damaged: {check[:3]}"
        found = {
            str(name) for (name,) in connection.execute("SELECT name FROM sqlite_schema").fetchall()
        }
        if "town" not in found or not connection.execute("SELECT 1 FROM town").fetchall():
            return None
        alarm_at_ms = None
        if "_cf_METADATA" in found:
            values = connection.execute("SELECT value FROM _cf_METADATA WHERE key = 1").fetchall()
            alarm_at_ms = cast(int, values[0][0]) if values else None
        object_id = path.rpartition("/")[2].removesuffix(".sqlite")
        return TownRows(
            object_id=object_id,
            tables={name: _read_table(connection, name, what) for name, what in TABLES.items()},
            alarm_at_ms=alarm_at_ms,
            indexed_at_ms=indexed.get(object_id),
        )
    finally:
        connection.close()


def _read_index(vfs: str) -> dict[str, int]:
    connection = _open(ALARMS_FILE, vfs)
    try:
        if not connection.execute("SELECT 1 FROM sqlite_schema").fetchall():
            return {}
        rows = connection.execute("SELECT object_id, scheduled_at_ms FROM _cf_ALARM").fetchall()
        return {str(object_id): cast(int, at_ms) for object_id, at_ms in rows}
    finally:
        connection.close()


def _read_table(connection: SqliteConnection, name: str, what: str) -> list[Row]:
    columns = what.split(", ")
    if what == EVERY_COLUMN:
        described = connection.execute(f"PRAGMA table_info({name})").fetchall()
        columns = [str(column[1]) for column in described]
    rows = connection.execute(f"SELECT {what} FROM {name} ORDER BY 1, 2").fetchall()
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _open(path: str, vfs: str) -> SqliteConnection:
    connection = cast("SqliteConnection", apsw.Connection(path, vfs=vfs))
    connection.execute("PRAGMA locking_mode = exclusive").fetchall()
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}").fetchall()
    # The image is thrown away: moving its log into its file would be for nothing.
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    return connection


def _files(disk: Disk, folder: str) -> Iterator[str]:
    if folder == ROOT or not disk.exists(folder):
        return
    for name in disk.listdir(folder):
        path = f"{folder}/{name}"
        if disk.is_dir(path):
            yield from _files(disk, path)
        else:
            yield path
