"""The transactions of one object: the implicit one of a turn, savepoints, critical sections.

Theory of operation. At most one SQLite transaction is open. The first write of a turn opens the
**implicit** one; `commit`, which the gate calls when the turn ends, commits it, so all writes
between two waits are one atomic commit. A handler's exception changes nothing of that; only a
reset, or a commit that fails, discards. An **explicit** one (`run`) belongs to a critical
section: the implicit one is committed first, turns may end inside, nested ones are savepoints.
`run_sync` is a savepoint in whichever is open, opening the implicit one.

What a reply waits for is a `hold`: a promise given to the output gate at the first confirmed
write of an implicit transaction, or at the commit of an explicit one that had any. It is done
when the commit path says so. A commit that fails, at COMMIT or at its sync, breaks the object,
confirmed or not (durable-actors 3.3, 3.4).

The alarm is part of the database, and of the host's index, which must never know a later instant
than the database (5.6). So a commit that moves the alarm to an earlier instant first waits until
the index is durable, with the transaction open: later turns' writes join it, still one commit.

A critical SQLite error rolls the transaction back by itself: storage is shut with that error and
every later operation raises it, even if the code that met it went on.

A crash before COMMIT leaves nothing of a transaction; after it and before the sync, all or
nothing, and nobody was told. After a kill, the log of a file that is opened again may hold
commits that are on no disk: the first replies wait until it is synced.

Does not retry anything, and does not know keys, statements or gates' insides.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import apsw
import msgspec

from boomtown.actors.runtime.database import Database, sql_error
from boomtown.actors.runtime.participants import AlarmCommit, Participant
from boomtown.actors.runtime.ports import CommitPath, ObjectGate, ObjectKey
from boomtown.actors.runtime.promises import Promise
from boomtown.actors.runtime.runtime_errors import DurableObjectError, describe, reset_error

T = TypeVar("T")

_SAVEPOINT = "_cf_savepoint"  # one name: the innermost of that name is meant


_Moved = tuple[AlarmCommit, int]  # an alarm that a commit touched, and its token


class Frame(msgspec.Struct):
    """One explicit transaction."""

    mementos: tuple[object, ...]
    is_confirmed: bool = False
    is_open: bool = True


class _Raised(msgspec.Struct, frozen=True):
    """What an explicit transaction's callback raised; carried past the critical section, which
    an exception would break."""

    error: Exception


class Transactions:
    """All transactions of one object. Used on the loop thread."""

    def __init__(
        self,
        *,
        database: Database,
        key: ObjectKey,
        gate: ObjectGate,
        commit_path: CommitPath,
        wal_bytes_checkpoint: int,
    ) -> None:
        self._database = database
        self._key = key
        self._gate = gate
        self._commit_path = commit_path
        self._wal_bytes_step = wal_bytes_checkpoint
        self._wal_bytes_due = wal_bytes_checkpoint
        self._participants: list[Participant] = []
        self._alarms: list[AlarmCommit] = []
        self._broken: Exception | None = None
        self._is_open = False
        self._frames: list[Frame] = []
        self._savepoints = 0  # of `run_sync`
        self._hold: Promise | None = None
        self._waiters: list[asyncio.Future[None]] = []  # for the open transaction to be durable
        self._commit_waiters: list[asyncio.Future[None]] = []  # for it to be committed
        self._waits_for_index = False
        self._is_checkpointing = False
        self._submitted = (database.wal_generation, 0)
        self._last_durable: Promise | None = None

    def join(self, participant: Participant) -> None:
        self._participants.append(participant)

    def join_alarm(self, alarm: AlarmCommit) -> None:
        self._alarms.append(alarm)

    def start(self, *, is_durable: bool) -> None:
        """Hold the first replies until what an earlier process left in the log is durable; with
        `is_durable` it ends in a commit that is (closed_logs.py)."""
        if is_durable:
            self._submitted = (self._database.wal_generation, self._database.wal_end)
        elif self._database.wal_end > 0:
            durable = self._submit()
            if durable is not None:
                hold = Promise()
                self._gate.hold_output(hold)
                durable.add_done_callback(lambda ended: self._settle(ended, hold, [], []))
            # The file may end in a torn tail, which the next commit overwrites: an equal length
            # then does not mean that nothing new was written.
            self._submitted = (self._database.wal_generation, 0)

    @property
    def is_in_savepoint(self) -> bool:
        """Whether code runs that could still take back what is written now."""
        return bool(self._frames) or self._savepoints > 0

    @property
    def is_broken(self) -> bool:
        return self._broken is not None

    def check(self, what: str) -> None:
        """Raise unless storage may be used here and now."""
        self._gate.check_turn(what)
        if self._broken is not None:
            raise self._broken

    def begin_write(self, *, is_confirmed: bool, commits_at_turn_end: bool = True) -> None:
        """Open the implicit transaction unless one is open. To be called before each write; with
        `commits_at_turn_end` false the caller commits itself."""
        if not self._is_open:
            self._open()
            if commits_at_turn_end:
                self._gate.request_commit()
        if not is_confirmed:
            return
        if self._frames:
            self._frames[-1].is_confirmed = True
        elif self._hold is None:
            self._hold = Promise()
            self._gate.hold_output(self._hold)

    def _open(self) -> None:
        if self._database.wal_end >= self._wal_bytes_due and not self._is_checkpointing:
            self._is_checkpointing = True
            self._gate.block_concurrency_while(self._checkpoint)
        self._run("BEGIN IMMEDIATE")
        self._is_open = True

    def _run(self, sql: str) -> None:
        try:
            self._database.run(sql)
        except apsw.Error as error:
            raise self.translated(error) from error

    def translated(self, error: apsw.Error) -> Exception:
        """`error` as the user sees it. Where SQLite rolled the transaction back by itself, the
        object is broken by it."""
        ours = sql_error(error)
        if self._is_open and not self._database.is_in_transaction:
            self._break(reset_error(str(ours)))
        return ours

    def run_sync(self, callback: Callable[[], T]) -> T:
        """Run `callback` in a savepoint; its exception rolls back to it and is raised again."""
        self.begin_write(is_confirmed=False)
        mementos = self._remember()
        self._run(f"SAVEPOINT {_SAVEPOINT}")
        self._savepoints += 1
        try:
            value = callback()
        except BaseException:
            if self._broken is None:
                self._roll_back_savepoint(mementos)
            raise
        finally:
            self._savepoints -= 1
        if self._broken is not None:
            raise DurableObjectError(
                f"Cannot commit the transaction: {self._broken}", durable_object_reset=True
            )
        self._run(f"RELEASE {_SAVEPOINT}")
        return value

    async def run(self, callback: Callable[[Frame], Awaitable[T]]) -> T:
        """Run `callback` as a critical section in a transaction of its own. Its exception rolls
        back and is raised again, without a reset."""

        async def section() -> T | _Raised:
            frame = await self._open_frame()
            try:
                value = await callback(frame)
            except Exception as error:
                if self._broken is None:
                    self.roll_back(frame)
                return _Raised(error)
            if self._broken is not None:
                return _Raised(self._broken)
            if frame.is_open:
                await self._commit_frame(frame)
            return value

        outcome = await self._gate.block_concurrency_while(section)
        if isinstance(outcome, _Raised):
            raise outcome.error
        return outcome

    async def _open_frame(self) -> Frame:
        self.check("storage.transaction")
        if self._frames:
            self._run(f"SAVEPOINT {_SAVEPOINT}")
        else:
            await self._until_committed()
            self._open()
        frame = Frame(self._remember())
        self._frames.append(frame)
        return frame

    async def _until_committed(self) -> None:
        """Commit the implicit transaction."""
        while self._is_open:
            self.commit()
            if self._is_open:
                waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._commit_waiters.append(waiter)
                await waiter
        if self._broken is not None:
            raise self._broken

    async def _commit_frame(self, frame: Frame) -> None:
        if frame is not self._frames[-1]:
            raise RuntimeError("A transaction ended while one inside it was still running")
        if len(self._frames) > 1:
            self._run(f"RELEASE {_SAVEPOINT}")
            self._frames[-2].is_confirmed |= frame.is_confirmed
            self._close_frame(frame)
            return
        while (index := self._register_alarms()) is not None:
            await index
        self._close_frame(frame)
        if frame.is_confirmed:
            self._hold = Promise()
            self._gate.hold_output(self._hold)
        self._commit_now()
        if self._broken is not None:
            raise self._broken

    def roll_back(self, frame: Frame) -> None:
        """Undo an explicit transaction. Harmless when it has ended."""
        if not frame.is_open:
            return
        if frame is not self._frames[-1]:
            raise RuntimeError("Cannot roll back a transaction while one inside it is running")
        if len(self._frames) > 1:
            self._roll_back_savepoint(frame.mementos)
        else:
            self._run("ROLLBACK")
            self._is_open = False
            self._restore(frame.mementos)
        self._close_frame(frame)

    def _close_frame(self, frame: Frame) -> None:
        frame.is_open = False
        self._frames.remove(frame)

    def _roll_back_savepoint(self, mementos: tuple[object, ...]) -> None:
        self._run(f"ROLLBACK TO {_SAVEPOINT}")
        self._run(f"RELEASE {_SAVEPOINT}")
        self._restore(mementos)

    def _remember(self) -> tuple[object, ...]:
        return tuple(participant.remember() for participant in self._participants)

    def _restore(self, mementos: tuple[object, ...]) -> None:
        for participant, memento in zip(self._participants, mementos, strict=True):
            participant.restore(memento)

    def commit(self) -> None:
        """Commit the implicit transaction, if one is open and nothing makes it wait."""
        if not self._is_open or self._frames or self._waits_for_index:
            return
        index: Promise | None = None
        try:
            index = self._register_alarms()
        except Exception as error:
            self._break(reset_error(f"The alarm could not be registered: {describe(error)}"))
            return
        if index is None:
            self._commit_now()
        else:
            self._waits_for_index = True
            index.add_done_callback(self._index_is_durable)

    def _register_alarms(self) -> Promise | None:
        """The first promise that the commit must wait for; asked again when it is done."""
        for alarm in self._alarms:
            index = None if alarm.is_settled else alarm.before_commit()
            if index is not None:
                return index
        return None

    def _index_is_durable(self, ended: Promise) -> None:
        self._waits_for_index = False
        if self._broken is not None:
            return
        if ended.exception() is not None:
            self._break(reset_error("The alarm could not be registered"))
            return
        self.commit()  # the alarm may have moved again meanwhile

    def _commit_now(self) -> None:
        try:
            self._database.run("COMMIT")
        except apsw.Error as error:
            broken = reset_error(
                "The object was reset and its last writes were rolled back, because they could "
                f"not be committed: {sql_error(error)}"
            )
            broken.__cause__ = error
            self._break(broken)
            return
        self._note_commit()

    def _note_commit(self) -> None:
        """The database is committed: see that it becomes durable, and release who waits."""
        self._is_open = False
        moved = [(alarm, alarm.committed()) for alarm in self._alarms if not alarm.is_settled]
        hold, waiters = self._hold, self._waiters
        self._hold, self._waiters = None, []
        durable = self._submit()
        if durable is None:
            self._release(hold, waiters, moved)
        else:
            durable.add_done_callback(lambda ended: self._settle(ended, hold, waiters, moved))
        if self._commit_waiters:
            commit_waiters, self._commit_waiters = self._commit_waiters, []
            _complete(commit_waiters)

    def _submit(self) -> Promise | None:
        """Hand the log's new end to the commit path; the last one's promise where nothing new was
        written, for what was promised earlier stands."""
        end = (self._database.wal_generation, self._database.wal_end)
        if end != self._submitted:
            self._submitted = end
            self._last_durable = self._commit_path.submit(self._database.commit_of(self._key))
        last = self._last_durable
        if last is not None and last.done() and last.exception() is None:
            self._last_durable = None
        return self._last_durable

    def _settle(
        self,
        ended: Promise,
        hold: Promise | None,
        waiters: list[asyncio.Future[None]],
        moved: Sequence[_Moved],
    ) -> None:
        error = ended.exception()
        if error is None:
            self._release(hold, waiters, moved)
            return
        if hold is not None:
            hold.reject(error)
        _fail(waiters, error)
        self._break(error)

    def _release(
        self, hold: Promise | None, waiters: list[asyncio.Future[None]], moved: Sequence[_Moved]
    ) -> None:
        """What was committed is durable, or durable enough."""
        if hold is not None:
            hold.resolve()
        if waiters:
            _complete(waiters)
        for alarm, token in moved:
            if self._broken is None:
                alarm.became_durable(token)

    def sync(self) -> asyncio.Future[None]:
        """Done when every write before this call is durable; fails when the object broke."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._broken is not None:
            _fail([waiter], self._broken)
        elif self._is_open:
            self._waiters.append(waiter)
        elif self._last_durable is None:
            waiter.set_result(None)
        else:
            self._last_durable.add_done_callback(
                lambda ended: self._settle(ended, None, [waiter], [])
            )
        return waiter

    def erase(self) -> None:
        """Discard the open transaction and everything that was ever written; commits at once."""
        if self._hold is None:
            self._hold = Promise()
            self._gate.hold_output(self._hold)
        for participant in self._participants:
            participant.shut()
        if self._database.is_in_transaction:
            self._run("ROLLBACK")
        self._is_open = False
        try:
            self._database.erase()
        except apsw.Error as error:
            raise self.translated(error) from error
        for participant in self._participants:
            participant.erased()
        self._note_commit()

    async def _checkpoint(self) -> None:
        """The critical section in which the flusher has the connection."""
        try:
            await self._until_committed()
            await self._commit_path.run_checkpoint(
                self._database.checkpoint, self._database.wal_path
            )
        finally:
            self._is_checkpointing = False
        # An unfinished cursor prevented it: not before the log has grown by as much again.
        self._wal_bytes_due = self._database.wal_end + self._wal_bytes_step

    def _break(self, error: Exception) -> None:
        if self._broken is None:
            self.shut(error)
            self._gate.reset(error)

    def shut(self, reason: Exception) -> None:
        """Discard the open transaction now; every later operation raises `reason`. Idempotent."""
        if self._broken is not None:
            return
        self._broken = reason
        for participant in self._participants:
            participant.shut()
        if self._is_open:
            # Nothing more can be done where it fails: the log has no commit of it.
            with contextlib.suppress(apsw.Error):
                if self._database.is_in_transaction:
                    self._database.run("ROLLBACK")
            self._is_open = False
        # Each of them has this object: without a cycle they go when the last reference does.
        self._participants.clear()
        self._alarms.clear()
        hold, waiting = self._hold, [*self._waiters, *self._commit_waiters]
        self._hold, self._waiters, self._commit_waiters = None, [], []
        _fail(waiting, reason)
        if hold is not None:
            hold.reject(reason)


def _complete(waiters: list[asyncio.Future[None]]) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)


def _fail(waiters: list[asyncio.Future[None]], error: Exception) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_exception(error)
            waiter.exception()  # retrieved: nobody need be waiting
