"""Looking into the objects of a host from outside: which there are, what they hold, what is due.

Theory of operation. For an operator of this host, never for an object's caller: whoever may ask
may read everything. What is in memory and which files and alarms there are is told without
waking anything; an object's own tables are read by an event of the object, which wakes it as a
call would, so that its gates and its uncommitted writes are respected. An object that has
neither file nor instance is not there, and is not made by looking. Nothing is kept here.

A query runs under the same rules as the object's own SQL, and does not write unless it may.
"""

from __future__ import annotations

from typing import Any

import msgspec

from boomtown.actors.runtime.durable_object import DurableObject
from boomtown.actors.runtime.host import Host
from boomtown.actors.runtime.instance import LiveObject
from boomtown.actors.runtime.namespace import DurableObjectStub, connection_of
from boomtown.actors.runtime.ports import ObjectKey
from boomtown.actors.runtime.sqlite_surface import SqlValue

_TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name"
_HIDDEN = ("_cf_", "sqlite_")
_HEX_DIGITS_OF_ID = 64


class ObjectSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One object, without waking it."""

    class_name: str
    id: str
    name: str | None  # where it is known: of one in memory, or with an alarm
    is_live: bool


class ObjectDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One object, asked itself."""

    class_name: str
    id: str
    name: str | None
    was_live: bool  # before it was asked
    web_sockets: int
    database_bytes: int
    tables: tuple[str, ...]
    keys: tuple[str, ...]  # of its storage, the first ones
    has_more_keys: bool
    alarm_at_ms: int | None


class ObjectAlarm(msgspec.Struct, frozen=True, kw_only=True):
    """One alarm that is set."""

    class_name: str
    id: str
    name: str | None
    scheduled_at_ms: int


class SqlAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a query gave."""

    columns: tuple[str, ...]
    rows: tuple[tuple[SqlValue, ...], ...]
    rows_written: int
    has_more_rows: bool


class ObjectInspector:
    """Looks into one host."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def list_objects(self, class_name: str | None = None) -> list[ObjectSummary]:
        """Every object that has a file or is in memory, by class and id; none of a class that is
        not registered."""
        names = self._host.class_names() if class_name is None else [class_name]
        known = {(row.class_name, row.id): row.name for row in self.list_alarms()}
        found: list[ObjectSummary] = []
        for name in names:
            if name not in self._host.class_names():
                continue
            live = {
                one.key.object_id: one
                for one in self._host.live_objects()
                if one.key.class_name == name
            }
            for object_id in sorted({*self._host.list_object_ids(name), *live}):
                instance = live.get(object_id)
                told = known.get((name, object_id)) if instance is None else instance.name
                found.append(
                    ObjectSummary(
                        class_name=name, id=object_id, name=told, is_live=instance is not None
                    )
                )
        return found

    def list_alarms(self) -> list[ObjectAlarm]:
        """Every alarm that is set, the earliest first."""
        return [
            ObjectAlarm(
                class_name=row.key.class_name,
                id=row.key.object_id,
                name=row.name,
                scheduled_at_ms=row.scheduled_at_ms,
            )
            for row in self._host.list_alarms()
        ]

    async def find_object(
        self, class_name: str, name: str, *, keys_max: int
    ) -> ObjectDetail | None:
        """What an object holds, named or by its 64 hex digits; None where it is not there.
        Raises DurableObjectError where it cannot start."""
        stub = self._find(class_name, name)
        if stub is None:
            return None
        key = connection_of(stub).key
        was_live = self._host.find_live(key) is not None

        async def look(instance: DurableObject) -> ObjectDetail:
            ctx = instance.ctx
            keys = list(await ctx.storage.list(limit=keys_max + 1))
            tables = [str(row["name"]) for row in ctx.storage.sql.exec(_TABLES)]
            return ObjectDetail(
                class_name=key.class_name,
                id=key.object_id,
                name=ctx.id.name,
                was_live=was_live,
                web_sockets=len(ctx.get_web_sockets()),
                database_bytes=ctx.storage.sql.database_size,
                tables=tuple(table for table in tables if not table.startswith(_HIDDEN)),
                keys=tuple(keys[:keys_max]),
                has_more_keys=len(keys) > keys_max,
                alarm_at_ms=await ctx.storage.get_alarm(),
            )

        detail: ObjectDetail = await self._run(stub, look)
        return detail

    async def find_rows(
        self,
        class_name: str,
        name: str,
        *,
        query: str,
        bindings: tuple[SqlValue, ...],
        may_write: bool,
        rows_max: int,
    ) -> SqlAnswer | None:
        """Run a query in an object; None where it is not there. Raises SqlError for what SQLite,
        or the object's rules, refuse, and for a statement that writes and may not."""
        stub = self._find(class_name, name)
        if stub is None:
            return None

        def run(instance: DurableObject) -> SqlAnswer:
            sql = instance.ctx.storage.sql
            cursor = (sql.exec if may_write else sql.exec_reading)(query, *bindings)
            rows: list[tuple[SqlValue, ...]] = []
            for row in cursor.raw():
                rows.append(tuple(row))
                if len(rows) > rows_max:
                    cursor.close()
                    break
            return SqlAnswer(
                columns=tuple(cursor.column_names),
                rows=tuple(rows[:rows_max]),
                rows_written=cursor.rows_written,
                has_more_rows=len(rows) > rows_max,
            )

        def write(instance: DurableObject) -> SqlAnswer:
            try:
                return run(instance)
            finally:  # of several statements the first may have written, and the last failed
                edited = getattr(instance, "storage_edited", None)
                if edited is not None:
                    edited()

        answer: SqlAnswer = await self._run(stub, write if may_write else run)
        return answer

    def _find(self, class_name: str, name: str) -> DurableObjectStub | None:
        if class_name not in self._host.class_names():
            return None
        namespace = self._host.namespace(class_name)
        object_id = namespace.id_from_name(name)
        if len(name) == _HEX_DIGITS_OF_ID:
            try:
                object_id = namespace.id_from_string(name)
            except TypeError:
                object_id = namespace.id_from_name(name)
        is_live = self._host.find_live(ObjectKey(class_name, str(object_id))) is not None
        is_there = is_live or str(object_id) in self._host.list_object_ids(class_name)
        return namespace.get(object_id) if is_there else None

    async def _run(self, stub: DurableObjectStub, function: Any) -> Any:
        live: LiveObject = self._host.connect(connection_of(stub))
        is_done, value = live.invoke_function(function)
        return value if is_done else await value
