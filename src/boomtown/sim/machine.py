"""A simulated host: a program on a disk, that stops at an outage and is started again.

Theory of operation. `run` starts the program as a task on the present life of the disk. An outage
comes from the disk itself (a fault at one of its operations) or from `crash`. At that instant,
within the operation, the host is unplugged from the network, so nothing that the program still
does in memory gets out; then its task is cancelled (its clean-up meets a dead disk), the disk's
next life is made by the choices (label "landing"), and after `reboot_ms` the program starts anew.
What survives is what the disk kept: nothing else of the program may be used again.

An error of the program while its disk lives is a bug, and ends the run with that error. So is a
program that returns by itself before `shut_down`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from boomtown.clock import Clock
from boomtown.sim.choices import Choices
from boomtown.sim.disk import Disk
from boomtown.sim.faults import FaultKind, FaultPoints
from boomtown.sim.network import Network
from boomtown.sim.run_trace import Trace

# Runs until it is cancelled; whatever it starts ends with it.
Program = Callable[[Disk], Coroutine[Any, Any, None]]


class Machine:
    """One host of a simulated world."""

    def __init__(
        self,
        name: str,
        program: Program,
        *,
        clock: Clock,
        choices: Choices,
        faults: FaultPoints,
        network: Network,
        trace: Trace,
        reboot_ms: int,
    ) -> None:
        self.name = name
        self.lives = 0
        self.disk = Disk(faults)
        self._program = program
        self._clock = clock
        self._choices = choices
        self._faults = faults
        self._network = network
        self._trace = trace
        self._reboot_ms = reboot_ms
        self._is_over = False
        self._ended = asyncio.Event()

    def crash(self, kind: FaultKind) -> None:
        """Stop the machine now (POWER_CUT) or the program (KILL); harmless while it is down."""
        self.disk.stop(kind)

    def shut_down(self) -> None:
        """End `run`: the program is cancelled, in a live machine."""
        self._is_over = True
        self._ended.set()

    async def run(self) -> None:
        """Live, die and live again until `shut_down`."""
        while not self._is_over:
            await self._live_once()
            if self.disk.is_stopped:
                self._make_next_life()
                await self._clock.sleep_until_ms(self._clock.now_ms() + self._reboot_ms)

    async def _live_once(self) -> None:
        self.lives += 1
        self._ended.clear()
        self.disk.on_stop = self._stop_at_once
        self._network.plug(self.name)
        self._trace.record("started", machine=self.name, life=self.lives)
        program = asyncio.create_task(
            self._program(self.disk), name=f"{self.name}, life {self.lives}"
        )
        program.add_done_callback(lambda task: self._ended.set())
        await self._ended.wait()
        returned_early = program.done() and not self.disk.is_stopped
        program.cancel()
        (outcome,) = await asyncio.gather(program, return_exceptions=True)
        if self.disk.is_stopped:
            return  # whatever the program made of it
        self._network.unplug(self.name)
        if isinstance(outcome, Exception):
            raise outcome
        assert not returned_early, f"the program of {self.name} returned by itself"

    def _stop_at_once(self) -> None:
        self._network.unplug(self.name)
        self._ended.set()

    def _make_next_life(self) -> None:
        kind = self.disk.stopped_by or FaultKind.POWER_CUT
        self._trace.record("stopped", machine=self.name, life=self.lives, by=kind)
        if kind is FaultKind.KILL:
            self.disk = self.disk.after_kill(self._faults)
        else:
            self.disk = self.disk.after_power_cut(self._landed, self._faults)

    def _landed(self, what: str) -> bool:
        # Boring is that nothing landed: a plan then needs no choice to lose what was not synced.
        return self._choices.below(2, label="landing") == 1
