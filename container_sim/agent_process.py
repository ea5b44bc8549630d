"""One agent's process: its birth through the launcher, its exit, its end by signals.

The order of a birth (decisions 46): the launcher says its pid, the ledger's line is written and
synced, the launcher gets its go and becomes the agent. Whatever fails before the go leaves a
launcher that sees its pipe end and leaves without having run anything. Children are made on the
event loop's thread, because the parent-death signal is tied to the thread that made them.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import Mapping
from pathlib import Path

from boomtown.clock import Clock
from boomtown.container_sim import launcher
from boomtown.container_sim.agent_watch import AgentWatch
from boomtown.container_sim.ledger import Ledger, LedgerEntry
from boomtown.container_sim.output_ring import OutputRing
from boomtown.container_sim.process_groups import (
    Mark,
    end_groups,
    find_start_mark,
    session_mark,
    signal_group,
)
from boomtown.error_codes import ErrorCode
from boomtown.errors import error_for
from boomtown.ids import InstanceId, SessionId
from boomtown.limits import ContainerLimits

BIRTH_MS_MAX = 10_000  # from the fork to the launcher's first word, on a very busy machine

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
    ready_read, ready_write = os.pipe()
    go_read, go_write = os.pipe()
    process: Process | None = None
    is_born = False
    try:
        try:
            process = await asyncio.create_subprocess_exec(
                *_launcher_command(ready_write, go_read),
                *command,
                cwd=folder,
                env=environment,
                stdin=PIPE,
                stdout=output.write_descriptor,
                stderr=STDOUT,
                pass_fds=(ready_write, go_read),
                start_new_session=True,
            )
        finally:
            os.close(ready_write)
            os.close(go_read)
            output.close_write_end()
        await _wait_ready(ready_read, process.pid)
        ledger.append(_entry(process.pid, session_id))
        os.write(go_write, b"g")
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
        os.close(ready_read)
        os.close(go_write)
        if not is_born:  # cancelled or failed: nobody else would ever end it
            output.close()
            if process is not None:
                signal_group(process.pid, signal.SIGKILL)


def _launcher_command(ready_descriptor: int, go_descriptor: int) -> tuple[str, ...]:
    numbers = (ready_descriptor, go_descriptor, os.getpid())
    return (sys.executable, "-I", "-S", launcher.__file__, *(str(number) for number in numbers))


def _entry(pid: int, session_id: SessionId) -> LedgerEntry:
    mark = find_start_mark(pid)
    if mark is None:
        raise error_for(ErrorCode.CONTAINER_ERROR, "The launcher ended too early")
    return LedgerEntry(pid=pid, start_mark=mark, process_group=pid, session_id=session_id)


async def _wait_ready(descriptor: int, pid: int) -> None:
    loop = asyncio.get_running_loop()
    is_readable = asyncio.Event()
    loop.add_reader(descriptor, is_readable.set)
    try:
        async with asyncio.timeout(BIRTH_MS_MAX / 1000):
            await is_readable.wait()
    except TimeoutError as error:
        raise error_for(ErrorCode.CONTAINER_ERROR, "The launcher did not come up") from error
    finally:
        loop.remove_reader(descriptor)
    if os.read(descriptor, 32).strip() != str(pid).encode():
        raise error_for(ErrorCode.CONTAINER_ERROR, "The launcher did not come up")


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
