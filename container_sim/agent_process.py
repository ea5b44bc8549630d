"""One agent's process: its birth (recorded_birth.py), its exit, its end by signals."""

from __future__ import annotations

import asyncio
import logging
import signal
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import Mapping
from pathlib import Path

from boomtown.clock import Clock
from boomtown.container_sim.agent_watch import AgentWatch
from boomtown.container_sim.ledger import Ledger
from boomtown.container_sim.output_ring import OutputRing
from boomtown.container_sim.process_groups import (
    Mark,
    end_groups,
    session_mark,
    signal_group,
)
from boomtown.container_sim.recorded_birth import BIRTH_MS_MAX, spawn_recorded
from boomtown.ids import InstanceId, SessionId
from boomtown.limits import ContainerLimits

log = logging.getLogger(__name__)


class AgentProcess:
    """A child that leads its own process group, and whatever carries its session's mark."""

    def __init__(
        self, process: Process, mark: Mark, output: OutputRing, watch: AgentWatch, clock: Clock
    ) -> None:
        self._process = process
        self._mark = mark
        self._watch = watch
        self._clock = clock
        self.output = output

    @property
    def pid(self) -> int:
        return self._process.pid

    async def wait_exit(self) -> int:
        """The exit code, negative for a signal; others of the group may still live."""
        return await self._process.wait()

    async def find_breach(self) -> str | None:
        return await self._watch.find_breach()

    async def end(self, *, grace_ms: int, kill_wait_ms: int) -> int:
        """End the group and all that is marked, and return the leader's exit code. Returns only
        when none of them lives, however long a process is stuck in the kernel."""
        group = frozenset({self.pid})
        while not await end_groups(
            group, self._mark, grace_ms=grace_ms, kill_wait_ms=kill_wait_ms, clock=self._clock
        ):
            log.warning("group_lives_on pid=%s", self.pid)
        self.output.close()
        return await self._process.wait()


async def spawn_agent(
    command: list[str],
    *,
    instance_id: InstanceId,
    session_id: SessionId,
    folder: Path,
    environment: Mapping[str, str],
    standard_input: bytes,
    ledger: Ledger,
    output: OutputRing,
    clock: Clock,
    limits: ContainerLimits,
    has_terminal: bool,
) -> AgentProcess:
    """Give birth to an agent. Raises CONTAINER_ERROR when the launcher does not come up."""
    process: Process | None = None
    is_born = False
    try:
        try:
            process = await spawn_recorded(
                command,
                folder=folder,
                environment=environment,
                stdin=PIPE,
                stdout=output.write_descriptor,
                stderr=STDOUT,
                ledger=ledger,
                session_id=session_id,
            )
        finally:
            output.close_write_end()
        await _feed(process, standard_input)
        is_born = True
        mark = session_mark(instance_id, session_id)
        watch = AgentWatch(
            process.pid,
            mark,
            output,
            clock,
            worktree=folder,
            has_terminal=has_terminal,
            limits=limits,
        )
        return AgentProcess(process, mark, output, watch, clock)
    finally:
        if not is_born:  # cancelled or failed: nobody else would ever end it
            output.close()
            if process is not None:
                signal_group(process.pid, signal.SIGKILL)


async def _feed(process: Process, data: bytes) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(data)
        async with asyncio.timeout(BIRTH_MS_MAX / 1000):
            await process.stdin.drain()
    except (ConnectionError, TimeoutError):
        return  # it ended, or reads nothing: its exit or its run limit says the rest
    finally:
        process.stdin.close()
