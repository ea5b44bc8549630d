"""The only wiring: builds a running system from Settings, and takes it down in order.

Going up: lock the data directory, make or read the keys, bind the port, end what an earlier life
left behind (container manager), load the objects' alarms (host), then answer requests. The port
is bound first because containers must know it, and served last because the objects must be there.

Going down (decisions 52, 15 s in all): containers save their work while the front still takes
their reports, then the front stops, then the host commits and closes, then the lock goes.
A server that is killed skips all of this; the next start finds the same rows.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from pathlib import Path

import msgspec
import psutil

from boomtown.actors import Durability, DurableObject, Host
from boomtown.actors.runtime.inspection import ObjectInspector
from boomtown.actors.runtime.ports import CommitPathKind, Instrument
from boomtown.actors.town.commands import Caller, CallerKind, CommandRequest, ReportContainerGone
from boomtown.actors.town.forge_access import ForgeAccess
from boomtown.actors.town.owner import Owner
from boomtown.actors.town.templates import load_templates
from boomtown.actors.town.town import Town
from boomtown.actors.town.views import FactsView
from boomtown.clock import Clock
from boomtown.container_sim.boot_order import ContainerSettings
from boomtown.container_sim.chaos import Chaos
from boomtown.container_sim.command_containers import CommandContainers
from boomtown.container_sim.faults import FAULTS_FOLDER
from boomtown.container_sim.harnesses import HarnessSpec, validate_command
from boomtown.container_sim.manager import ContainerManager
from boomtown.container_sim.model import InstanceGone
from boomtown.data_directory import OPERATOR_KEY, SIGNING_KEY, DataDirectory
from boomtown.entropy import Entropy, Secrets
from boomtown.forge_accounts import ForgeAccounts
from boomtown.freed_memory import FreedMemory, find_trim
from boomtown.http.app import make_app
from boomtown.http.services import (
    LOCAL_OWNER,
    OWNER_CLASS,
    TOWN_CLASS,
    FrontServices,
    FrontSettings,
)
from boomtown.http.serving import serve_app
from boomtown.http.tokens import Tokens
from boomtown.ids import InstanceId, TownId
from boomtown.open_files import allow_open_files
from boomtown.settings import LOOPBACK, Settings


class PortInUse(Exception):
    """Somebody else listens there; the message says who, as far as this user may know."""


class RunningServer(msgspec.Struct, frozen=True):
    """A system that answers requests."""

    url: str
    pid: int
    is_loopback: bool
    data_directory: DataDirectory
    operator_key_file: Path
    host: Host
    containers: ContainerManager
    shutdown: asyncio.Event  # set it to have the server end


@asynccontextmanager
async def open_server(
    settings: Settings,
    *,
    clock: Clock,
    entropy: Entropy,
    secrets: Secrets,
    classes: Mapping[str, type[DurableObject]],
) -> AsyncGenerator[RunningServer]:
    """Run a server for as long as the block lasts; `classes` are served under /actors beside the
    towns. Raises PortInUse, DataDirectoryInUse, DataDirectoryUnusable, and InvalidRequest for a
    harness whose command cannot be, or a role template that is none."""
    async with AsyncExitStack() as stack:
        data = DataDirectory.open(settings.data_dir, clock=clock)
        stack.callback(data.close)
        listener = _bind(settings)
        stack.callback(listener.close)
        url = _url_of(settings, listener)
        tokens = Tokens(data.get_or_make_key(SIGNING_KEY, secrets), settings.limits.http)
        parts = _Parts(settings, data, tokens, clock=clock, entropy=entropy, secrets=secrets)
        reports = _Reports()
        manager = parts.make_manager(reports)
        manager.api_url = url
        # Entered before the objects wake, ended while the front still takes the reports of its
        # containers: a stack of its own, closed first at the end and in any case on the way out.
        container_life = AsyncExitStack()
        stack.push_async_callback(container_life.aclose)
        await container_life.enter_async_context(manager)
        # Of users' classes; left after the host, whose objects are told nothing any more.
        commands = await stack.enter_async_context(parts.make_commands())
        forges = parts.make_forges()
        stack.push_async_callback(forges.close)
        memory = FreedMemory(clock, trim=find_trim())
        stack.callback(memory.stop)
        host = parts.make_host(manager, commands, forges, classes, memory)
        reports.host = host
        await stack.enter_async_context(host)
        await _ensure_operator_key(data, host)
        await manager.tell_leftovers()
        shutdown = asyncio.Event()
        # What cannot be made durable any more is not served any more; `host.failure` says why.
        host.on_failure = lambda _: shutdown.set()
        chaos = parts.make_chaos(manager)
        if chaos is not None:
            await stack.enter_async_context(chaos)
        services = parts.make_services(
            host, chaos, shutdown, forges.access, public_classes=tuple(classes)
        )
        app = make_app(services)
        await stack.enter_async_context(serve_app(app, listener))
        stack.push_async_callback(container_life.aclose)
        data.announce(url)
        yield RunningServer(
            url=url,
            pid=os.getpid(),
            is_loopback=settings.host in LOOPBACK,
            data_directory=data,
            operator_key_file=data.folder / "keys" / OPERATOR_KEY,
            host=host,
            containers=manager,
            shutdown=shutdown,
        )


class _Parts:
    """Makes each part from what all of them share."""

    def __init__(
        self,
        settings: Settings,
        data: DataDirectory,
        tokens: Tokens,
        *,
        clock: Clock,
        entropy: Entropy,
        secrets: Secrets,
    ) -> None:
        self._settings = settings
        self._data = data
        self._tokens = tokens
        self._clock = clock
        self._entropy = entropy
        self._secrets = secrets
        self._templates = load_templates(settings.role_templates)

    def make_manager(self, reports: _Reports) -> ContainerManager:
        harnesses = {
            name: HarnessSpec(argv=validate_command(setting.command), tty=setting.tty)
            for name, setting in self._settings.harnesses.items()
        }
        return ContainerManager(
            ContainerSettings(
                data_dir=str(self._data.folder),
                harnesses=harnesses,
                allow_local_git=self._settings.allow_local_git,
                agent_log=os.environ.get("BOOMTOWN_AGENT_LOG"),
                limits=self._settings.limits.containers,
            ),
            clock=self._clock,
            entropy=self._entropy,
            secrets=self._secrets,
            mint_container_token=self._mint_container_token,
            on_instance_gone=reports.container_gone,
        )

    def make_commands(self) -> CommandContainers:
        return CommandContainers(
            self._data.folder,
            self._clock,
            self._entropy,
            limits=self._settings.limits.containers,
        )

    def _mint_container_token(self, town_id: TownId, instance_id: InstanceId) -> str:
        return self._tokens.mint_container_token(
            town_id=town_id,
            instance_id=instance_id,
            user_id=LOCAL_OWNER,
            now_ms=self._clock.now_ms(),
        )

    def make_host(
        self,
        manager: ContainerManager,
        commands: CommandContainers,
        forges: ForgeAccounts,
        classes: Mapping[str, type[DurableObject]],
        instrument: Instrument,
    ) -> Host:
        return Host(
            classes={TOWN_CLASS: Town, OWNER_CLASS: Owner, **classes},
            data_dir=self._data.folder,
            clock=self._clock,
            entropy=self._entropy,
            secrets=self._secrets,
            durability=Durability(self._settings.durability),
            commit_path=CommitPathKind(self._settings.commit_path),
            limits=allow_open_files(self._settings.limits.runtime),
            bindings={
                "CLOCK": self._clock,
                "ENTROPY": self._entropy,
                "SECRETS": self._secrets,
                "TOKENS": self._tokens,
                "TOWN_LIMITS": self._settings.limits.town,
                "ROLE_TEMPLATES": self._templates,
                "FORGE_ACCESS": forges.access,
                "TOWN_DEFAULTS": self._settings.town_defaults,
            },
            services={"CONTAINERS": manager, "FORGES": forges.clients},
            containers=commands,
            instrument=instrument,
        )

    def make_forges(self) -> ForgeAccounts:
        return ForgeAccounts(
            self._settings.forges,
            self._clock,
            self._settings.limits.forge,
            environment=os.environ,
        )

    def make_chaos(self, manager: ContainerManager) -> Chaos | None:
        """Faults on demand: nobody may ask a server for them that is not there to be developed
        with."""
        if not self._settings.is_development:
            return None
        return Chaos(manager, self._data.folder / FAULTS_FOLDER, self._clock, self._entropy)

    def make_services(
        self,
        host: Host,
        chaos: Chaos | None,
        shutdown: asyncio.Event,
        access: ForgeAccess,
        *,
        public_classes: tuple[str, ...],
    ) -> FrontServices:
        return FrontServices(
            host=host,
            objects=ObjectInspector(host),
            settings=FrontSettings(
                version=version("boomtown"),
                no_auth=self._settings.no_auth,
                allow_local_git=self._settings.allow_local_git,
                public_classes=public_classes,
                allowed_origins=(),
                templates=self._templates,
                forge_sites=access.sites,
            ),
            tokens=self._tokens,
            clock=self._clock,
            secrets=self._secrets,
            entropy=self._entropy,
            shutdown=shutdown,
            limits=self._settings.limits.http,
            chaos=chaos,
        )


class _Reports:
    """Brings what the manager saw into the town's inbox: an event, never a callback."""

    def __init__(self) -> None:
        self.host: Host | None = None

    async def container_gone(self, gone: InstanceGone) -> None:
        assert self.host is not None
        town = self.host.namespace(TOWN_CLASS).get_by_name(gone.town_id)
        caller = Caller(kind=CallerKind.SYSTEM, user_id=LOCAL_OWNER)
        await town.execute(CommandRequest(command=ReportContainerGone(gone=gone), caller=caller))


def _bind(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise PortInUse(_say_who_listens(settings.host, settings.port, error)) from error
    listener.setblocking(False)
    return listener


def _say_who_listens(host: str, port: int, error: OSError) -> str:
    for connection in psutil.net_connections(kind="tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr[1:2] == (port,):
            if connection.pid is None:
                break
            name = psutil.Process(connection.pid).name()
            return f"port {port} is in use by process {connection.pid} ({name}); choose --port"
    return f"cannot listen on {host}:{port}: {error.strerror}; choose --port"


def _url_of(settings: Settings, listener: socket.socket) -> str:
    port = listener.getsockname()[1]
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{port}"


async def _ensure_operator_key(data: DataDirectory, host: Host) -> None:
    """The first start makes the key of the owner `local`; its hash lives in the Owner object, its
    text only in the data directory."""
    if data.find_key(OPERATOR_KEY) is None:
        owner = host.namespace(OWNER_CLASS).get_by_name(LOCAL_OWNER)
        made = await owner.make_key("admin")
        assert isinstance(made.view, FactsView), made
        data.keep_key(OPERATOR_KEY, str(made.view.facts["key"]))
