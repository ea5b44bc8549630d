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
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from pathlib import Path

import msgspec
import psutil
from aiohttp import web

from boomtown.actors import Durability, DurableObject, Host
from boomtown.actors.town.commands import Caller, CallerKind, CommandRequest, ReportContainerGone
from boomtown.actors.town.owner import Owner
from boomtown.actors.town.town import Town
from boomtown.actors.town.views import FactsView
from boomtown.clock import Clock
from boomtown.container_sim.boot_order import ContainerSettings
from boomtown.container_sim.harnesses import HarnessSpec, validate_command
from boomtown.container_sim.manager import ContainerManager
from boomtown.container_sim.model import InstanceGone
from boomtown.data_directory import OPERATOR_KEY, SIGNING_KEY, DataDirectory
from boomtown.entropy import Entropy, Secrets
from boomtown.http.app import make_app
from boomtown.http.services import (
    LOCAL_OWNER,
    OWNER_CLASS,
    TOWN_CLASS,
    FrontServices,
    FrontSettings,
)
from boomtown.http.tokens import Tokens
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
) -> AsyncIterator[RunningServer]:
    """Run a server for as long as the block lasts; `classes` are served under /actors beside the
    towns. Raises PortInUse, DataDirectoryInUse, DataDirectoryUnusable, and InvalidRequest for a
    harness whose command cannot be."""
    harnesses = {
        name: HarnessSpec(argv=validate_command(setting.command))
        for name, setting in settings.harnesses.items()
    }
    async with AsyncExitStack() as stack:
        data = DataDirectory.open(settings.data_dir, clock=clock)
        stack.callback(data.close)
        listener = _bind(settings)
        stack.callback(listener.close)
        url = _url_of(settings, listener)
        tokens = Tokens(data.get_or_make_key(SIGNING_KEY, secrets), settings.limits.http)
        reports = _Reports()
        manager = ContainerManager(
            ContainerSettings(
                data_dir=str(data.folder),
                harnesses=harnesses,
                allow_local_git=settings.allow_local_git,
                agent_log=os.environ.get("BOOMTOWN_AGENT_LOG"),
                limits=settings.limits.containers,
            ),
            clock=clock,
            entropy=entropy,
            secrets=secrets,
            mint_container_token=lambda town_id, instance_id: tokens.mint_container_token(
                town_id=town_id,
                instance_id=instance_id,
                user_id=LOCAL_OWNER,
                now_ms=clock.now_ms(),
            ),
            on_instance_gone=reports.container_gone,
        )
        manager.api_url = url
        # Entered before the objects wake, ended while the front still takes the reports of its
        # containers: a stack of its own, closed first at the end and in any case on the way out.
        container_life = AsyncExitStack()
        stack.push_async_callback(container_life.aclose)
        await container_life.enter_async_context(manager)
        host = Host(
            classes={TOWN_CLASS: Town, OWNER_CLASS: Owner, **classes},
            data_dir=data.folder,
            clock=clock,
            entropy=entropy,
            secrets=secrets,
            durability=Durability(settings.durability),
            limits=settings.limits.runtime,
            bindings={
                "CLOCK": clock,
                "ENTROPY": entropy,
                "SECRETS": secrets,
                "TOKENS": tokens,
                "TOWN_LIMITS": settings.limits.town,
                "TOWN_DEFAULTS": settings.town_defaults,
            },
            services={"CONTAINERS": manager},
        )
        reports.host = host
        await stack.enter_async_context(host)
        shutdown = asyncio.Event()
        services = FrontServices(
            host=host,
            settings=FrontSettings(
                version=version("boomtown"),
                no_auth=settings.no_auth,
                allow_local_git=settings.allow_local_git,
                public_classes=tuple(classes),
                allowed_origins=(),
            ),
            tokens=tokens,
            clock=clock,
            secrets=secrets,
            entropy=entropy,
            shutdown=shutdown,
            limits=settings.limits.http,
        )
        await _ensure_operator_key(data, host)
        runner = web.AppRunner(make_app(services), shutdown_timeout=1.0, access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.SockSite(runner, listener).start()
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
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port:
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
