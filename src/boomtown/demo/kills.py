"""Kills the demo's container and server in the middle of their work, and says what came back.

Theory of operation. The kills are planned before the run from a seed: who, and in the middle of
which push (held_pushes.py). One at a time is waited for; when its push stands still, an agent
provably runs, and the victim gets SIGKILL by its process id. A container is found by its ledger in
the demo's own data directory. Then this waits until every process of the container is gone (a
container dies with its server, decisions 46), and starts the server again on the same data
directory and port when it was the victim; a container is booted again by its town.

A kill in the middle of a worker's push comes before any in the middle of a merge, because work ends
before the last merge; a kill before origin's branch moves uses up no push, and there is at most one
of each after it. So every planned kill finds its push.

Nothing here is durable: the demo is one run.
"""

from __future__ import annotations

import enum
import os
import signal
from collections.abc import Callable
from pathlib import Path

import msgspec

from boomtown.clock import Clock
from boomtown.container_sim.instance import LEDGER_NAME
from boomtown.container_sim.ledger import LedgerEntry, read_ledger
from boomtown.container_sim.process_groups import find_start_mark
from boomtown.demo.held_pushes import HeldPushes, Moment
from boomtown.demo.server_process import ServerProcess
from boomtown.entropy import SeededEntropy

KILLS_EACH_MAX = 4  # of containers and of servers: fewer than a town allows containers per hour
PAUSE_MS_MAX = 300  # from the held push to the kill
GONE_MS_MAX = 10_000
LOOK_EVERY_MS = 10


class Victim(enum.StrEnum):
    CONTAINER = "container"
    SERVER = "server"


SAID = {
    Moment.BEFORE_PUSH: "in the middle of a worker's push",
    Moment.AFTER_PUSH: "between a worker's push and its report",
    Moment.BEFORE_MERGE: "in the middle of a merge's push",
    Moment.AFTER_MERGE: "between a merge and its report",
}


class Kill(msgspec.Struct, frozen=True, kw_only=True):
    """One planned kill."""

    victim: Victim
    moment: Moment
    pause_ms: int


class KillRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One kill that happened."""

    victim: Victim
    moment: Moment
    pid: int
    at_ms: int
    gone_at_ms: int | None  # none of the container was seen to live after this; None: one stayed
    successor_pid: int | None  # who came in its place


def plan_kills(*, containers: int, servers: int, seed: int) -> tuple[Kill, ...]:
    """The same kills for the same arguments: the first while a worker runs, and of two or more
    the last between a merge and its report."""
    entropy = SeededEntropy(seed)
    left = [Victim.CONTAINER] * containers + [Victim.SERVER] * servers
    count = len(left)
    victims = [left.pop(entropy.below(len(left), label="victim")) for _ in range(count)]
    if count == 0:
        return ()
    of_work = count if count == 1 else 1 + entropy.below(count - 1, label="of_work")
    moments = [Moment.BEFORE_PUSH] * of_work + [Moment.BEFORE_MERGE] * (count - of_work)
    # Only one worker's push is used up: which of them is told by the seed, as is whether any.
    if entropy.below(2, label="after_push"):
        moments[entropy.below(of_work, label="which_push")] = Moment.AFTER_PUSH
    if count > of_work:
        moments[-1] = Moment.AFTER_MERGE
    return tuple(
        Kill(victim=victim, moment=moment, pause_ms=entropy.below(PAUSE_MS_MAX, label="pause"))
        for victim, moment in zip(victims, moments, strict=True)
    )


class Kills:
    """Carries a plan out, one kill after the other, on the server that it was given."""

    def __init__(
        self,
        plan: tuple[Kill, ...],
        pushes: HeldPushes,
        server: ServerProcess,
        clock: Clock,
        tell: Callable[[KillRecord], None],
    ) -> None:
        self.server = server  # the one that runs now
        self.records: list[KillRecord] = []
        self._left = list(plan)
        self._pushes = pushes
        self._clock = clock
        self._tell = tell
        self._is_waiting = False

    @property
    def are_done(self) -> bool:
        """All planned kills have happened, and what replaces the victims is there."""
        return not self._left and all(record.successor_pid for record in self.records)

    async def look(self) -> None:
        """Ask for the next push, or kill when it stands still. Returns with a running server.
        Raises Unavailable when a killed server does not start again."""
        self._note_successor()
        if not self._left:
            return
        if not self._is_waiting:
            self._pushes.hold_next(self._left[0].moment)
            self._is_waiting = True
        elif self._pushes.is_held:
            kill = self._left.pop(0)
            self._is_waiting = False
            await self._clock.sleep_until_ms(self._clock.now_ms() + kill.pause_ms)
            await self._carry_out(kill)

    async def _carry_out(self, kill: Kill) -> None:
        members = _container_members(self.server.data_dir)
        at_ms = self._clock.now_ms()
        if kill.victim is Victim.SERVER:
            pid = self.server.ready.pid
            await self.server.crash()
        else:
            pid = _control_server(members)
            os.kill(pid, signal.SIGKILL)
        gone_at_ms = await self._wait_gone(members)
        self._pushes.release()
        successor_pid = None
        if kill.victim is Victim.SERVER:
            self.server = await self.server.start_again()
            successor_pid = self.server.ready.pid
        record = KillRecord(
            victim=kill.victim,
            moment=kill.moment,
            pid=pid,
            at_ms=at_ms,
            gone_at_ms=gone_at_ms,
            successor_pid=successor_pid,
        )
        self.records.append(record)
        self._tell(record)

    async def _wait_gone(self, members: list[LedgerEntry]) -> int | None:
        """The last instant at which one of them certainly lived: whatever begins later does not
        overlap with them for all that was seen. The look that finds none comes later, and the
        town, which is told by the kernel, may have gone on by then."""
        until_ms = self._clock.monotonic_ms() + GONE_MS_MAX
        seen_at_ms = looked_at_ms = self._clock.now_ms()
        while any(_is_alive(member) for member in members):
            if self._clock.monotonic_ms() >= until_ms:
                return None
            seen_at_ms = looked_at_ms
            await self._clock.sleep_until_ms(self._clock.now_ms() + LOOK_EVERY_MS)
            looked_at_ms = self._clock.now_ms()
        return seen_at_ms

    def _note_successor(self) -> None:
        for index, record in enumerate(self.records):
            if record.successor_pid is None:
                living = _container_members(self.server.data_dir)
                if living and (pid := _find_control_server(living)) not in (None, record.pid):
                    self.records[index] = msgspec.structs.replace(record, successor_pid=pid)


def _container_members(data_dir: Path) -> list[LedgerEntry]:
    """The living processes of the demo's one container: its control server and its agents."""
    ledgers = sorted((data_dir / "containers").glob(f"*/{LEDGER_NAME}"))
    entries = [entry for ledger in ledgers for entry in read_ledger(ledger)]
    return [entry for entry in entries if _is_alive(entry)]


def _is_alive(entry: LedgerEntry) -> bool:
    return find_start_mark(entry.pid) == entry.start_mark


def _find_control_server(members: list[LedgerEntry]) -> int | None:
    return next((member.pid for member in members if member.session_id is None), None)


def _control_server(members: list[LedgerEntry]) -> int:
    pid = _find_control_server(members)
    assert pid is not None, "whoever pushes has a container"
    return pid
