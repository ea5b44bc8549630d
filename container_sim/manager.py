"""The containers of all towns: one control server per town, real processes.

Theory of operation. When a container is booted and when it counts as gone is places.py's; here is
how it is made, and what is left of it on the disk. A place is emptied only when no process of the
instance lives (instance.py).

Durable are only the ledgers, at `containers/<instance>/ledger.jsonl`, and beside each whose it is.
On entry every ledger found there is from an earlier life of this server: its processes are ended
before the first call is served, and `tell_leftovers` says so to its town, which need not wait for
a lease then. Nothing is adopted. If this server is killed, its control servers see their standard
input end and kill their agents; what is left is the next entry's. A crash before the telling has
the next life tell it, and a town hears of an instance only once.

On exit all containers drain at once, within `drain_ms_max`; then they are killed. Secrets are made
per instance and are in memory only.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from boomtown.clock import Clock
from boomtown.container_sim.boot_order import BootOrder, ContainerSettings
from boomtown.container_sim.git import Git
from boomtown.container_sim.git_environment import git_environment
from boomtown.container_sim.harnesses import find_program
from boomtown.container_sim.instance import LEDGER_NAME, TOWN_NAME, boot_instance, end_recorded
from boomtown.container_sim.lookout import Lookout
from boomtown.container_sim.model import InstanceGone
from boomtown.container_sim.places import CRASHED, Container, Places
from boomtown.entropy import Entropy, Secrets
from boomtown.error_codes import ErrorCode
from boomtown.errors import Unavailable
from boomtown.ids import InstanceId, TownId, is_id, short_id

SECRET_BYTES = 32
SHORT_FOLDERS = ("/tmp", "/var/tmp")
SOCKET_FOLDER_NAME = "socket_folder"  # a file that names the folder, for the next life's sweep

log = logging.getLogger(__name__)


class ContainerManager(Places):
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
        super().__init__(
            self._boot_process,
            clock,
            entropy,
            on_instance_gone,
            _make_lookout(settings, clock),
            limits=settings.limits,
        )
        self.api_url = ""  # set when the HTTP server is bound, before the first start
        self._settings = settings
        self._secrets = secrets
        self._mint_container_token = mint_container_token
        self._folder = Path(settings.data_dir) / "containers"
        self._socket_folder: Path | None = None
        self._leftovers: list[InstanceGone] = []

    async def __aenter__(self) -> Self:
        await self._end_leftovers()
        self._socket_folder = self._make_socket_folder()
        return await super().__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await super().__aexit__(kind, error, trace)
        finally:
            if self._socket_folder is not None:
                shutil.rmtree(self._socket_folder, ignore_errors=True)

    async def tell_leftovers(self) -> None:
        """Report the instances of the earlier life whose processes the entry has seen gone. Once
        the receiver is there; told again by the next life where this one dies before."""
        for gone in self._leftovers:
            if await self._tell_gone(gone):
                shutil.rmtree(self._folder / gone.instance_id, ignore_errors=True)
        self._leftovers = []

    async def _boot_process(self, town_id: TownId, instance_id: InstanceId) -> Container:
        folder = self._folder / instance_id
        folder.mkdir(mode=0o700)
        (folder / TOWN_NAME).write_text(town_id)
        order = self._make_order(town_id, instance_id, folder)
        return await boot_instance(order, folder, self._clock)

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
        """A short folder of our own, 0700, its name kept for the sweep. Where the configured
        temporary folder is too long for a socket's address, the system's own is taken."""
        length_max = self._settings.limits.socket_path_bytes_max
        for parent in (tempfile.gettempdir(), *SHORT_FOLDERS):
            try:
                folder = Path(tempfile.mkdtemp(prefix="boomtown-", dir=parent))
            except OSError:
                continue
            if len(os.fsencode(folder / "01234567")) <= length_max:
                (self._folder / SOCKET_FOLDER_NAME).write_text(str(folder))
                return folder
            folder.rmdir()
        raise Unavailable(
            ErrorCode.CONTAINER_ERROR, "No temporary folder has a path short enough for a socket"
        )

    async def _end_leftovers(self) -> None:
        """End every process that an earlier life's ledgers name. What is then gone is kept until
        it has been told, if it is known whose it was."""
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
            (folder / LEDGER_NAME).unlink(missing_ok=True)
            town = folder / TOWN_NAME
            if not town.exists() or not is_id(town_id := town.read_text()):
                shutil.rmtree(folder, ignore_errors=True)
                continue
            self._leftovers.append(
                InstanceGone(
                    town_id=TownId(town_id),
                    instance_id=InstanceId(folder.name),
                    exit_code=None,
                    reason=CRASHED,
                )
            )
        named = self._folder / SOCKET_FOLDER_NAME
        if named.exists():
            shutil.rmtree(named.read_text(), ignore_errors=True)
            named.unlink()


def _make_lookout(settings: ContainerSettings, clock: Clock) -> Lookout:
    git = Git(
        Path(settings.data_dir),
        clock,
        environment=git_environment(
            os.environ, author_name=settings.author_name, author_email=settings.author_email
        ),
        command_ms_max=settings.limits.git_command_ms_max,
    )
    return Lookout(git, settings.harnesses, find_program, allow_local_git=settings.allow_local_git)
