"""One container seen from the town's server: its birth, and the proof of its end.

Born: the process is spawned with its order on standard input and is ready when it says so within
the bound; otherwise it is killed, and since nothing can have been sent to it, certainly nothing
was started. Gone (decisions 33 and 46): the process has been waited for, and no process but
zombies is left in any group of its ledger nor with its mark in the environment. Only then is the
ledger removed; a crash of this server before that leaves it for the sweep of the next.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

from boomtown.clock import Clock
from boomtown.container_sim.boot_order import INSTANCE_VARIABLE, BootOrder
from boomtown.container_sim.called_faults import CalledFaults
from boomtown.container_sim.control_client import ControlClient, SocketWay
from boomtown.container_sim.faults import FAULTS_FOLDER, SharedFaults
from boomtown.container_sim.faulty_way import FaultyWay
from boomtown.container_sim.ledger import groups_to_end, read_ledger
from boomtown.container_sim.process_groups import end_groups, instance_mark
from boomtown.error_codes import ErrorCode
from boomtown.errors import Unavailable
from boomtown.ids import InstanceId
from boomtown.limits import ContainerLimits
from boomtown.wire import encode_json

LEDGER_NAME = "ledger.jsonl"
TOWN_NAME = "town"  # beside the ledger: whose it is
LOG_NAME = "control.log"
CONTROL_COMMAND = (sys.executable, "-P", "-m", "boomtown.container_sim.control_server")


class Instance:
    """A running control server."""

    def __init__(self, order: BootOrder, process: Process, clock: Clock) -> None:
        self.instance_id = order.instance_id
        faults_folder = Path(order.settings.data_dir) / FAULTS_FOLDER
        planned = SharedFaults(faults_folder, order.settings.faults)
        faults = CalledFaults(planned, faults_folder, order.town_id)
        way = FaultyWay(SocketWay(Path(order.socket_path), order.secret), faults, clock)
        self.client = ControlClient(order.instance_id, way)
        self._order = order
        self._process = process
        self._clock = clock

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_over(self) -> bool:
        """The control server has exited; others of the container may still live."""
        return self._process.returncode is not None

    def drain(self) -> None:
        """Ask it to save its work and end at once: SIGTERM would let its agents finish first."""
        self._signal(signal.SIGUSR1)

    def kill(self) -> None:
        """End the control server; the rest follows in `wait_gone`."""
        self._signal(signal.SIGKILL)

    async def wait_gone(self) -> int | None:
        """Wait for the control server's exit, then end whatever its ledger names, and return the
        exit code. Cancelled, it leaves the ledger for the sweep."""
        code = await self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self.client.close()
        kill_wait_ms = self._order.settings.limits.kill_wait_ms_max
        ledger = Path(self._order.ledger_path)
        while not await end_recorded(
            ledger, self.instance_id, kill_wait_ms=kill_wait_ms, clock=self._clock
        ):
            continue  # stuck in the kernel: never reported gone while it lives
        ledger.unlink(missing_ok=True)
        ledger.with_name(TOWN_NAME).unlink(missing_ok=True)
        Path(self._order.socket_path).unlink(missing_ok=True)
        return code

    def _signal(self, number: signal.Signals) -> None:
        if self._process.returncode is None:
            self._process.send_signal(number)


async def boot_instance(order: BootOrder, folder: Path, clock: Clock) -> Instance:
    """Start a control server and wait until it is ready. Raises Unavailable(CONTAINER_ERROR):
    nothing was started, and no process of it is left."""
    limits: ContainerLimits = order.settings.limits
    with (folder / LOG_NAME).open("ab") as log_file:
        try:
            process = await asyncio.create_subprocess_exec(
                *CONTROL_COMMAND,
                env=os.environ | {INSTANCE_VARIABLE: order.instance_id},
                stdin=PIPE,
                stdout=PIPE,
                stderr=log_file,
                start_new_session=True,
            )
        except OSError as error:
            raise _boot_error(f"the control server cannot be spawned: {error.strerror}") from error
    instance = Instance(order, process, clock)
    is_ready = False
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        async with asyncio.timeout(limits.boot_ms_max / 1000):
            process.stdin.write(encode_json(order) + b"\n")
            await process.stdin.drain()
            is_ready = await process.stdout.readline() == b"ready\n"
    except TimeoutError as error:
        raise _boot_error("the control server was not ready in time") from error
    except OSError as error:
        raise _boot_error("the control server ended while it booted") from error
    finally:
        if not is_ready:
            instance.kill()
            # Shielded: a cancelled boot must not leave a container. Bounded by the kill wait.
            await asyncio.shield(instance.wait_gone())
    if not is_ready:
        raise _boot_error("the control server ended while it booted")
    return instance


async def end_recorded(
    ledger: Path, instance_id: InstanceId, *, kill_wait_ms: int, clock: Clock
) -> bool:
    """Kill what a ledger names and what carries the instance's mark; whether all of it is gone."""
    return await end_groups(
        groups_to_end(read_ledger(ledger)),
        instance_mark(instance_id),
        grace_ms=0,
        kill_wait_ms=kill_wait_ms,
        clock=clock,
    )


def _boot_error(message: str) -> Unavailable:
    return Unavailable(ErrorCode.CONTAINER_ERROR, message)
