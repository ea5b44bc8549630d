"""The birth of a child that its ledger knows before it becomes its program (decisions 46).

The launcher says its pid, the ledger's line is written and synced, the launcher gets its go and
becomes the program. Whatever fails before the go leaves a launcher that sees its pipe end and
leaves without having run anything. Children are made on the event loop's thread, because the
parent-death signal is tied to the thread that made them.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from pathlib import Path

from boomtown.container_sim import launcher
from boomtown.container_sim.ledger import Ledger, LedgerEntry
from boomtown.container_sim.process_groups import find_start_mark, signal_group
from boomtown.error_codes import ErrorCode
from boomtown.errors import error_for
from boomtown.ids import SessionId

BIRTH_MS_MAX = 10_000  # from the fork to the launcher's first word, on a very busy machine


async def spawn_recorded(
    command: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    stdin: int,
    stdout: int,
    stderr: int,
    ledger: Ledger,
    session_id: SessionId | None,
) -> Process:
    """Start `command` as the leader of a group of its own. Raises CONTAINER_ERROR where the
    launcher does not come up, OSError where it cannot be spawned; nothing runs then."""
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
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                pass_fds=(ready_write, go_read),
                start_new_session=True,
            )
        finally:
            os.close(ready_write)
            os.close(go_read)
        await _wait_ready(ready_read, process.pid)
        ledger.append(_entry(process.pid, session_id))
        os.write(go_write, b"g")
        is_born = True
        return process
    finally:
        os.close(ready_read)
        os.close(go_write)
        if process is not None and not is_born:  # nobody else would ever end it
            signal_group(process.pid, signal.SIGKILL)


def _launcher_command(ready_descriptor: int, go_descriptor: int) -> tuple[str, ...]:
    numbers = (ready_descriptor, go_descriptor, os.getpid())
    return (sys.executable, "-I", "-S", launcher.__file__, *(str(number) for number in numbers))


def _entry(pid: int, session_id: SessionId | None) -> LedgerEntry:
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
