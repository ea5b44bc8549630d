"""`ctx.storage`: what an object's code does with its database (durable-actors 4).

Theory of operation. Every operation happens when it is called, inline, and what it returns is
awaitable only for the sake of Cloudflare's surface: awaiting it does not yield to the loop, so
no other event can come between two of them (durable-actors 0.3). `sync` and `transaction` do
wait. Each first asks the gate whether this is a turn of this object, and raises what broke the
object if it is broken. Atomicity, durability and the output gate: transactions.py.

The runtime calls, outside the object's own code: `start` once, `commit` at each turn's end where
it was asked for, the `*_alarm` four around a delivery, `shut` at a reset, `close` at the end.
After `shut` every operation raises its reason; code that goes on cannot write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar, overload

import msgspec

from boomtown.actors.runtime.bookmarks import Bookmarks
from boomtown.actors.runtime.closed_logs import ClosedLogs
from boomtown.actors.runtime.database import Database
from boomtown.actors.runtime.instants import instant_ms
from boomtown.actors.runtime.object_alarm import AlarmStart, MetadataRow, ObjectAlarm
from boomtown.actors.runtime.ports import AlarmRegistry, CommitPath, ObjectGate, ObjectKey
from boomtown.actors.runtime.runtime_errors import reset_error
from boomtown.actors.runtime.schedules import ObjectSchedules
from boomtown.actors.runtime.sql import Sql
from boomtown.actors.runtime.stored_values import decode_value, encode_value
from boomtown.actors.runtime.sync_kv import KeyValueTable, ListOptions, SyncKv
from boomtown.actors.runtime.transactions import Frame, Transactions
from boomtown.clock import Clock
from boomtown.limits import RuntimeLimits

T = TypeVar("T")


class Ready(Generic[T]):
    """Something that has happened: awaiting it gives its value without yielding."""

    __slots__ = ("_value",)

    def __init__(self, value: T) -> None:
        self._value = value

    def __await__(self) -> Generator[Any, None, T]:
        return self._value
        yield  # makes this a generator function


class Storage:
    """`ctx.storage`: one live object's keys, tables and alarm; for the object's own turns.

    Each operation has happened when it returns; `await` only unpacks its answer, without letting
    another event in. What is written before the next wait for anything else is one commit, also
    where the handler then raises, and nothing that the object says leaves it before that commit is
    durable. A write with `allow_unconfirmed` is in the same commit, but holds nothing back.

    Any operation raises OutsideTurnError in code that is not a turn of the object, and the reason
    of the reset once the object was reset.
    """

    def __init__(
        self,
        *,
        database: Database,
        key: ObjectKey,
        name: str | None,
        gate: ObjectGate,
        commit_path: CommitPath,
        alarms: AlarmRegistry,
        wakes: AlarmRegistry,
        closed_logs: ClosedLogs,
        has_alarm: bool,
        clock: Clock,
        limits: RuntimeLimits,
    ) -> None:
        """`has_alarm`: whether the class has a handler, without which none may be set. `wakes`:
        the registry of when schedules wake the object."""
        self._database = database
        self._key = key
        self._closed_logs = closed_logs
        self._ends_in_commit = False  # the log, as it was opened, and that commit is durable
        self._gate = gate
        self._commit_path = commit_path
        self._has_alarm = has_alarm
        self._transactions = Transactions(
            database=database,
            key=key,
            gate=gate,
            commit_path=commit_path,
            wal_bytes_checkpoint=limits.wal_bytes_checkpoint,
        )
        self._table = KeyValueTable(database, self._transactions)
        self._alarm = ObjectAlarm(
            database=database,
            transactions=self._transactions,
            key=key,
            name=name,
            registry=alarms,
            clock=clock,
        )
        wake = ObjectAlarm(
            database=database,
            transactions=self._transactions,
            key=key,
            name=name,
            registry=wakes,
            clock=clock,
            row=MetadataRow.WAKE,
        )
        self.schedules: ObjectSchedules = ObjectSchedules(
            database=database,
            transactions=self._transactions,
            wake=wake,
            object_id=key.object_id,
            clock=clock,
            limits=limits,
        )
        self._bookmarks = Bookmarks(database, self._transactions)
        self.kv: SyncKv = SyncKv(self._table, self._transactions)
        self.sql: Sql = Sql(database, self._transactions)
        for participant in (self._table, self._alarm, wake, self.schedules, self.sql):
            self._transactions.join(participant)
        self._alarms = (self._alarm, wake)
        for alarm in self._alarms:
            self._transactions.join_alarm(alarm)

    @overload
    def get(self, key: str, /) -> Ready[Any]: ...
    @overload
    def get(self, key: Sequence[str], /) -> Ready[dict[str, Any]]: ...
    def get(self, key: str | Sequence[str], /) -> Ready[Any]:
        """A fresh copy of the value, None where there is none; for several keys a dict in the
        order of the keys, without the missing ones."""
        self._transactions.check("storage.get")
        if isinstance(key, str):
            data = self._table.get(key)
            return Ready(None if data is None else decode_value(data))
        found = ((each, self._table.get(each)) for each in sorted(dict.fromkeys(key)))
        return Ready({each: decode_value(data) for each, data in found if data is not None})

    @overload
    def put(
        self, key: str, value: object, /, *, allow_unconfirmed: bool = False
    ) -> Ready[None]: ...
    @overload
    def put(
        self, entries: Mapping[str, object], /, *, allow_unconfirmed: bool = False
    ) -> Ready[None]: ...
    def put(
        self,
        key: str | Mapping[str, object],
        value: object = msgspec.UNSET,
        /,
        *,
        allow_unconfirmed: bool = False,
    ) -> Ready[None]:
        """Write one key, or all entries of a mapping or none. Entries whose value is
        msgspec.UNSET are skipped; a mapping without entries is a write too, as in workerd. The
        value is copied now. Raises DataCloneError where one cannot be kept, TypeError for a key
        that is no text."""
        self._transactions.check("storage.put")
        if isinstance(key, str):
            if value is msgspec.UNSET:
                raise TypeError("put takes a key and a value, or a mapping")
            self._table.put(key, encode_value(value), is_confirmed=not allow_unconfirmed)
            return Ready(None)
        if value is not msgspec.UNSET:
            raise TypeError("put takes a key and a value, or a mapping")
        entries = {
            each: encode_value(item) for each, item in key.items() if item is not msgspec.UNSET
        }
        self._table.put_all(entries, is_confirmed=not allow_unconfirmed)
        return Ready(None)

    def delete(self, key: str | Sequence[str], /, *, allow_unconfirmed: bool = False) -> Ready[int]:
        """Forget keys; answers how many were there, for one key as a bool."""
        self._transactions.check("storage.delete")
        is_confirmed = not allow_unconfirmed
        if isinstance(key, str):
            return Ready(self._table.delete((key,), is_confirmed=is_confirmed) > 0)
        return Ready(self._table.delete(tuple(key), is_confirmed=is_confirmed))

    def list(
        self,
        *,
        start: str | None = None,
        start_after: str | None = None,
        end: str | None = None,
        prefix: str | None = None,
        reverse: bool = False,
        limit: int | None = None,
    ) -> Ready[dict[str, Any]]:
        """The entries of a range in the order of their keys' UTF-8 bytes, `reverse` from its
        end. Raises TypeError for both starts at once, or a limit below 1."""
        self._transactions.check("storage.list")
        options = ListOptions(
            start=start,
            start_after=start_after,
            end=end,
            prefix=prefix,
            reverse=reverse,
            limit=limit,
        )
        entries = self._table.entries(options)
        return Ready({key: decode_value(value) for key, value in entries})

    def sync(self) -> asyncio.Future[None]:
        """Done when every write before this call, confirmed or not, is durable; fails where the
        object is broken. Awaiting it lets other events in."""
        self._gate.check_turn("storage.sync")
        return self._transactions.sync()

    async def transaction(self, callback: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run `callback` as a critical section whose writes, through `txn` or through storage,
        are one commit. Its exception rolls back and is raised here; the object is not reset."""
        self._transactions.check("storage.transaction")
        return await self._transactions.run(
            lambda frame: callback(Transaction(self, self._transactions, frame))
        )

    def transaction_sync(self, callback: Callable[[], T]) -> T:
        """Run `callback`, a plain function, in a savepoint: its exception rolls back to it, alarm
        and schedules included, and is raised here. May be nested."""
        self._transactions.check("storage.transaction_sync")
        return self._transactions.run_sync(callback)

    def get_current_bookmark(self) -> Ready[str]:
        """A name for this moment, greater as text than every earlier one of this object; that is
        all it is good for (bookmarks.py)."""
        self._transactions.check("storage.get_current_bookmark")
        return Ready(self._bookmarks.next())

    def get_bookmark_for_time(self, at_ms: float | datetime) -> Ready[str]:
        """DurableObjectError: there is no point-in-time recovery here."""
        self._transactions.check("storage.get_bookmark_for_time")
        instant_ms(at_ms)
        raise self._bookmarks.refuse()

    def on_next_session_restore_bookmark(self, bookmark: str) -> Ready[str]:
        """DurableObjectError: there is no point-in-time recovery here."""
        self._transactions.check("storage.on_next_session_restore_bookmark")
        raise self._bookmarks.refuse()

    def wait_for_bookmark(self, bookmark: str) -> Ready[None]:
        """At once: an object is never behind its own bookmarks."""
        self._transactions.check("storage.wait_for_bookmark")
        return Ready(None)

    def get_alarm(self) -> Ready[int | None]:
        """The alarm's instant in ms since the epoch, None where none is set (or while its
        handler runs and has set no other)."""
        self._transactions.check("storage.get_alarm")
        return Ready(self._alarm.get())

    def set_alarm(
        self, at_ms: int | float | datetime, *, allow_unconfirmed: bool = False
    ) -> Ready[None]:
        """Have `alarm` called at that instant, in place of any other; one in the past is now.

        Raises TypeError for an instant that is not after the epoch, for a datetime without a
        zone, and where the class has no `alarm`.
        """
        self._transactions.check("storage.set_alarm")
        alarm_at_ms = instant_ms(at_ms)
        if not self._has_alarm:
            raise TypeError("set_alarm needs a class with an alarm handler")
        self._alarm.set(alarm_at_ms, is_confirmed=not allow_unconfirmed)
        return Ready(None)

    def delete_alarm(self, *, allow_unconfirmed: bool = False) -> Ready[None]:
        """Have no alarm; harmless where there is none. In the handler this also gives up a
        retry."""
        self._transactions.check("storage.delete_alarm")
        self._alarm.set(None, is_confirmed=not allow_unconfirmed)
        return Ready(None)

    def delete_all(self) -> Ready[None]:
        """Empty the object: keys, tables, alarm, and what this turn had not committed. It is a
        commit of its own. Raises RuntimeError in a transaction; open cursors end."""
        self._transactions.check("storage.delete_all")
        if self._transactions.is_in_savepoint:
            raise RuntimeError("delete_all is not allowed in a transaction")
        for alarm in self._alarms:
            alarm.look()
        self._transactions.erase()
        return Ready(None)

    # What follows is the runtime's.

    def start(self) -> None:
        """Hold the first replies until what a killed process left in the log is durable."""
        closed_end = self._closed_logs.take(self._key)
        self._ends_in_commit = closed_end == self._database.wal_end
        self._transactions.start(is_durable=self._ends_in_commit)

    def commit(self) -> None:
        """Commit the turn's writes; harmless where there are none. Never raises: a commit that
        fails resets the object through its gate."""
        self._transactions.commit()

    def begin_alarm(self, scheduled_at_ms: int) -> AlarmStart:
        """Judge a delivery, before the handler is called; RUN is followed by one of the next
        two."""
        return self._alarm.begin(scheduled_at_ms)

    def finish_alarm(self) -> asyncio.Future[None]:
        """The handler succeeded: delete its alarm unless it set its own. Done when that, and all
        that the handler wrote, is durable; only then may success be reported."""
        self._alarm.finish()
        self._transactions.commit()
        return self._transactions.sync()

    def fail_alarm(self) -> None:
        """The handler failed: its alarm is set as before."""
        self._alarm.fail()

    def end_schedules(self) -> asyncio.Future[None]:
        """A delivery of the schedules' wake has run what was due. Done when that is durable."""
        self._transactions.commit()
        return self._transactions.sync()

    def abandon_alarm(self, scheduled_at_ms: int) -> asyncio.Future[None]:
        """The scheduler gives up on that alarm: delete it if it is still set. Done when that is
        durable."""
        self._alarm.abandon(scheduled_at_ms)
        self._transactions.commit()
        return self._transactions.sync()

    def shut(self, reason: Exception | None = None) -> None:
        """Discard the open transaction now, and have every later operation raise `reason`.
        Idempotent; the file stays open until `close`."""
        self._transactions.shut(reason or reset_error("The object was reset"))

    async def close(self) -> None:
        """Close the file once everything committed is durable. Nothing may use the storage any
        more."""
        if not self._transactions.is_broken:
            self._transactions.commit()
            await self._transactions.sync()
        is_whole = not self._transactions.is_broken
        self._transactions.shut(
            RuntimeError("storage is no longer accessible: the object has ended")
        )
        await self._commit_path.close_database(
            self._database.close,
            self._database.wal_path,
            checkpoint=self._database.checkpoint if is_whole else None,
        )
        if is_whole and (self._ends_in_commit or self._database.has_committed):
            self._closed_logs.note(self._key, self._database.wal_end)


class Transaction:
    """What `storage.transaction` gives its callback: the same operations until it ends."""

    def __init__(self, storage: Storage, transactions: Transactions, frame: Frame) -> None:
        self._storage = storage
        self._transactions = transactions
        self._frame = frame

    def _inside(self) -> Storage:
        if not self._frame.is_open:
            raise RuntimeError("The transaction has ended; its operations moved outside of it")
        return self._storage

    def get(self, key: str, /) -> Ready[Any]:
        """As Storage.get, for one key."""
        return self._inside().get(key)

    def put(self, key: str, value: object, /, *, allow_unconfirmed: bool = False) -> Ready[None]:
        """As Storage.put, for one key; a value that cannot be kept is refused first."""
        if value is msgspec.UNSET:
            raise TypeError("put takes a key and a value")
        if not self._frame.is_open:
            encode_value(value)
        return self._inside().put(key, value, allow_unconfirmed=allow_unconfirmed)

    def delete(self, key: str, /, *, allow_unconfirmed: bool = False) -> Ready[int]:
        """As Storage.delete, for one key."""
        return self._inside().delete(key, allow_unconfirmed=allow_unconfirmed)

    def list(self, *, prefix: str | None = None, limit: int | None = None) -> Ready[dict[str, Any]]:
        """As Storage.list."""
        return self._inside().list(prefix=prefix, limit=limit)

    def get_alarm(self) -> Ready[int | None]:
        """As Storage.get_alarm."""
        return self._inside().get_alarm()

    def set_alarm(self, at_ms: int | float | datetime) -> Ready[None]:
        """As Storage.set_alarm."""
        return self._inside().set_alarm(at_ms)

    def delete_alarm(self) -> Ready[None]:
        """As Storage.delete_alarm."""
        return self._inside().delete_alarm()

    def delete_all(self) -> Ready[None]:
        """Always refused (RuntimeError)."""
        return self._inside().delete_all()

    def rollback(self) -> None:
        """Undo what was written in the transaction and end it; its callback goes on and its
        value counts. Harmless when repeated."""
        self._transactions.roll_back(self._frame)
