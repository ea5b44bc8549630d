"""The containers of all towns: one control server per town, real processes.

Theory of operation. Each town has a place that holds at most one instance. The first start for a
town boots it; starts that come meanwhile wait for the same boot. A watcher waits for the instance's
end and, only when no process of it lives (instance.py), empties the place and reports
`InstanceGone`; a start that finds an instance ending waits for that, so two instances of one town
never overlap. Calls answer outcomes, never exceptions: what was certainly not sent is `Rejected`,
what may have arrived is `Unknown`.

Durable are only the ledgers, at `containers/<instance>/ledger.jsonl`. On entry every ledger found
there is from an earlier life of this server: its processes are ended and its folder removed before
the first call is served. Nothing is adopted. If this server is killed, its control servers see
their standard input end and kill their agents; what is left is the next entry's.

On exit all containers drain at once, within `drain_ms_max`; then they are killed. Secrets are made
per instance and are in memory only.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from boomtown.clock import Clock
from boomtown.container_sim.boot_order import BootOrder, ContainerSettings
from boomtown.container_sim.control_messages import ProveMerge
from boomtown.container_sim.instance import LEDGER_NAME, Instance, boot_instance, end_recorded
from boomtown.container_sim.model import (
    InstanceGone,
    InstanceReport,
    NoContainer,
    ProbeOutcome,
    ProofOutcome,
    Rejected,
    Repository,
    StartOutcome,
    StartSession,
    StopOutcome,
    Unknown,
)
from boomtown.entropy import Entropy, Secrets
from boomtown.error_codes import ErrorCode
from boomtown.errors import Unavailable
from boomtown.ids import InstanceId, SessionId, TownId, new_id, short_id

SECRET_BYTES = 32
SOCKET_FOLDER_NAME = "socket_folder"  # a file that names the folder, for the next life's sweep

log = logging.getLogger(__name__)


class _Place:
    """A town's place for one instance."""

    def __init__(self) -> None:
        self.booting: asyncio.Task[Unavailable | None] | None = None
        self.instance: Instance | None = None
        self.is_ending = False
        self.emptied = asyncio.Event()
        self.ended_instance_id: InstanceId | None = None


class ContainerManager:
    """Satisfies boomtown.actors.town.ports.Containers. Use it as an async context manager."""

    def __init__(
        self,
        settings: ContainerSettings,
        clock: Clock,
        entropy: Entropy,
        secrets: Secrets,
        mint_container_token: Callable[[TownId, InstanceId], str],
        on_instance_gone: Callable[[InstanceGone], Awaitable[None]],
    ) -> None:
        self.api_url = ""  # set when the HTTP server is bound, before the first start
        self._settings = settings
        self._clock = clock
        self._entropy = entropy
        self._secrets = secrets
        self._mint_container_token = mint_container_token
        self._on_instance_gone = on_instance_gone
        self._folder = Path(settings.data_dir) / "containers"
        self._socket_folder: Path | None = None
        self._places: dict[TownId, _Place] = {}
        self._tasks = asyncio.TaskGroup()
        self._is_closing = False

    async def __aenter__(self) -> Self:
        await self._end_leftovers()
        self._socket_folder = self._make_socket_folder()
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_closing = True
        try:
            drain_ms = self._settings.limits.drain_ms_max
            await asyncio.gather(
                *(self.stop_container(town, timeout_ms=drain_ms) for town in list(self._places))
            )
        finally:
            # All tasks are over by now; an error of the body must not become a group of errors.
            await self._tasks.__aexit__(None, None, None)
            if self._socket_folder is not None:
                shutil.rmtree(self._socket_folder, ignore_errors=True)

    async def start_session(self, request: StartSession, *, timeout_ms: int) -> StartOutcome:
        until_ms = self._clock.monotonic_ms() + timeout_ms
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                instance = await self._get_instance(request.town_id)
        except TimeoutError:
            return Rejected(code=ErrorCode.CONTAINER_ERROR, message="The container boots slowly")
        except Unavailable as error:
            return Rejected(code=error.code, message=error.message)
        left_ms = max(1, until_ms - self._clock.monotonic_ms())
        return await instance.client.start(request, timeout_ms=left_ms)

    async def probe_session(
        self, town_id: TownId, session_id: SessionId, *, timeout_ms: int
    ) -> ProbeOutcome:
        found = self._find_ready(town_id)
        if not isinstance(found, Instance):
            return found
        return await found.client.probe(session_id, timeout_ms=timeout_ms)

    async def stop_session(
        self, town_id: TownId, session_id: SessionId, *, grace_ms: int, timeout_ms: int
    ) -> StopOutcome:
        found = self._find_ready(town_id)
        if not isinstance(found, Instance):
            return found
        return await found.client.stop(session_id, grace_ms=grace_ms, timeout_ms=timeout_ms)

    async def prove_merge(
        self,
        town_id: TownId,
        repository: Repository,
        *,
        branch: str,
        target_branch: str,
        timeout_ms: int,
    ) -> ProofOutcome:
        """As the port says; boots the town's container when it has none, for its clone."""
        wanted = ProveMerge(repository=repository, branch=branch, target_branch=target_branch)
        until_ms = self._clock.monotonic_ms() + timeout_ms
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                instance = await self._get_instance(town_id)
        except TimeoutError:
            return Unknown(reason="timeout")
        except Unavailable as error:
            return Unknown(reason=error.code)
        left_ms = max(1, until_ms - self._clock.monotonic_ms())
        return await instance.client.prove_merge(wanted, timeout_ms=left_ms)

    async def stop_container(self, town_id: TownId, *, timeout_ms: int) -> None:
        """As the port says: SIGTERM, and SIGKILL when `timeout_ms` has passed; returns when no
        process is left and it has been reported."""
        place = self._places.get(town_id)
        if place is None:
            return
        if place.booting is not None:
            await asyncio.wait({place.booting})
        instance = place.instance
        if instance is None:
            return
        place.is_ending = True
        emptied = place.emptied
        instance.drain()
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                await emptied.wait()
        except TimeoutError:
            log.warning("container_killed town=%s", town_id)
            instance.kill()
            await emptied.wait()

    async def find_instance(self, town_id: TownId, *, timeout_ms: int) -> InstanceReport | None:
        """What the town's container says of itself and its sessions, living and over; None
        where there is none, or no answer."""
        found = self._find_ready(town_id)
        if not isinstance(found, Instance):
            return None
        return await found.client.find_health(timeout_ms=timeout_ms)

    async def find_output(
        self, town_id: TownId, session_id: SessionId, *, timeout_ms: int
    ) -> str | None:
        """The newest output of a session's agent; None where it cannot be had."""
        found = self._find_ready(town_id)
        if not isinstance(found, Instance):
            return None
        return await found.client.find_output(session_id, timeout_ms=timeout_ms)

    def pids(self) -> dict[TownId, int]:
        """The control servers that run, for the monitor and for tests that kill one."""
        places = sorted(self._places.items())
        return {town: place.instance.pid for town, place in places if place.instance is not None}

    def _find_ready(self, town_id: TownId) -> Instance | NoContainer | Unknown:
        place = self._places.get(town_id)
        if place is None:
            return NoContainer(ended_instance_id=None)
        if place.instance is not None:
            return place.instance
        if place.booting is not None:
            return Unknown(reason="booting")
        return NoContainer(ended_instance_id=place.ended_instance_id)

    async def _get_instance(self, town_id: TownId) -> Instance:
        """The town's instance, booted when there is none. Raises Unavailable."""
        place = self._places.setdefault(town_id, _Place())
        while True:
            if self._is_closing or (place.is_ending and place.instance is not None):
                raise Unavailable(ErrorCode.TOWN_DRAINING)
            if place.instance is not None:
                if not place.instance.is_over:
                    return place.instance
                await place.emptied.wait()
                continue
            if place.booting is None:
                place.booting = self._tasks.create_task(
                    self._boot(town_id, place), name=f"boot-{town_id}"
                )
            booting = place.booting
            # A caller's timeout leaves the boot to the others, and to the next start.
            await asyncio.wait({booting})
            if (failure := booting.result()) is not None:
                raise failure

    async def _boot(self, town_id: TownId, place: _Place) -> Unavailable | None:
        """Fill the place; what went wrong is returned, for all who wait."""
        instance_id = InstanceId(
            new_id(self._clock.now_ms(), self._entropy, label="container_instance")
        )
        folder = self._folder / instance_id
        try:
            folder.mkdir(mode=0o700)
            instance = await boot_instance(
                self._make_order(town_id, instance_id, folder), folder, self._clock
            )
        except Unavailable as error:
            log.warning("boot_failed town=%s message=%s", town_id, error.message)
            return error
        except OSError as error:
            return Unavailable(ErrorCode.CONTAINER_ERROR, f"No folder: {error.strerror}")
        finally:
            place.booting = None
        place.instance = instance
        place.is_ending = False
        place.emptied = asyncio.Event()
        self._tasks.create_task(self._watch(town_id, place, instance), name=f"watch-{town_id}")
        return None

    async def _watch(self, town_id: TownId, place: _Place, instance: Instance) -> None:
        emptied = place.emptied  # a new instance, which the report below may cause, has its own
        try:
            code = await instance.wait_gone()
            reason = "stopped" if place.is_ending else "crashed"
            place.instance = None
            place.ended_instance_id = instance.instance_id
            gone = InstanceGone(
                town_id=town_id, instance_id=instance.instance_id, exit_code=code, reason=reason
            )
            log.info("instance_gone town=%s exit_code=%s reason=%s", town_id, code, reason)
            await self._tell_gone(gone)
        finally:
            emptied.set()  # also when the loop is torn down: nobody may wait for ever

    async def _tell_gone(self, gone: InstanceGone) -> None:
        try:
            await self._on_instance_gone(gone)
        except Exception:
            # The town learns it from its next probe instead: NoContainer is the same proof.
            log.exception("instance_gone_not_told town=%s", gone.town_id)

    def _make_order(self, town_id: TownId, instance_id: InstanceId, folder: Path) -> BootOrder:
        assert self.api_url, "set api_url before the first start"
        assert self._socket_folder is not None, "enter the manager first"
        return BootOrder(
            instance_id=instance_id,
            town_id=town_id,
            socket_path=str(self._socket_folder / short_id(instance_id)),
            ledger_path=str(folder / LEDGER_NAME),
            api_url=self.api_url,
            secret=self._secrets.token_text(SECRET_BYTES),
            container_token=self._mint_container_token(town_id, instance_id),
            settings=self._settings,
        )

    def _make_socket_folder(self) -> Path:
        """A short folder of our own, 0700, its name kept for the sweep."""
        folder = Path(tempfile.mkdtemp(prefix="boomtown-"))
        length_max = self._settings.limits.socket_path_bytes_max
        if len(str(folder / "01234567").encode()) > length_max:
            folder.rmdir()
            raise Unavailable(
                ErrorCode.CONTAINER_ERROR, "The temporary folder's path is too long for a socket"
            )
        (self._folder / SOCKET_FOLDER_NAME).write_text(str(folder))
        return folder

    async def _end_leftovers(self) -> None:
        """End every process that an earlier life's ledgers name, then forget that life."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        kill_wait_ms = self._settings.limits.kill_wait_ms_max
        for folder in sorted(path for path in self._folder.iterdir() if path.is_dir()):
            is_gone = await end_recorded(
                folder / LEDGER_NAME,
                InstanceId(folder.name),
                kill_wait_ms=kill_wait_ms,
                clock=self._clock,
            )
            if not is_gone:
                log.error("leftover_lives instance=%s", folder.name)
                continue
            shutil.rmtree(folder, ignore_errors=True)
        named = self._folder / SOCKET_FOLDER_NAME
        if named.exists():
            shutil.rmtree(named.read_text(), ignore_errors=True)
            named.unlink()
