"""One life of a simulated town server: the real host, objects and front on a simulated disk.

Theory of operation. `serve` is the program of a machine (machine.py): what compose builds for a
real server, in the same order, with four parts exchanged: the disk, the clock and entropy, the
containers, and the way in, which is the end "town" of a network. It runs until it is cancelled.

Durable is what the disk kept. When the machine stops, the containers end with the server, as
their parent's death ends them; calls to them from what still runs in memory are refused; the rest
of the life is unwound against a dead disk, and nothing that this raises counts. Origins and the
log of bodies belong to the world and outlive it.

`ServerParts` is where a world plants a defect: what stands there replaces a part for the whole
run, and production code knows nothing of it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Protocol, cast

import msgspec

from boomtown.actors.runtime.commit_path import FlushThread
from boomtown.actors.runtime.database import DatabaseOptions
from boomtown.actors.runtime.host import Host
from boomtown.actors.runtime.inspection import ObjectInspector
from boomtown.actors.runtime.ports import Durability, FlushPort, SilentInstrument
from boomtown.actors.runtime.sqlite_backend import SqliteBackend
from boomtown.actors.town.commands import Caller, CallerKind, CommandRequest, ReportContainerGone
from boomtown.actors.town.forge_access import ForgeAccess
from boomtown.actors.town.model import TownConfig
from boomtown.actors.town.owner import Owner
from boomtown.actors.town.ports import Containers
from boomtown.actors.town.templates import load_templates
from boomtown.actors.town.town import Town
from boomtown.clock import Clock
from boomtown.container_sim.bodies import Bodies
from boomtown.container_sim.forge.forge_clients import ForgeClients
from boomtown.container_sim.model import InstanceGone, StartSession
from boomtown.http.app import make_app
from boomtown.http.services import (
    LOCAL_OWNER,
    OWNER_CLASS,
    TOWN_CLASS,
    FrontServices,
    FrontSettings,
)
from boomtown.http.tokens import Tokens
from boomtown.ids import InstanceId, TownId
from boomtown.limits import HttpLimits, RuntimeLimits, TownLimits
from boomtown.sim.armed_faults import ArmedFaults
from boomtown.sim.choices import Choices, ChosenEntropy, CountingSecrets
from boomtown.sim.disk import Disk, MachineStopped
from boomtown.sim.faults import FaultKind
from boomtown.sim.memory_front import MemoryFront, open_memory_front
from boomtown.sim.network import Network
from boomtown.sim.troubled_starts import with_trouble
from boomtown.sim.vfs import DiskFlush, SimulatedVfs, folder_maker, virtual_sqlite

DATA_DIR = Path("/data")
TOWN_END = "town"  # of the network
SIGNING_KEY = "simulated-signing-key-of-43-characters-long"
UNWIND_MS_MAX = 5_000  # of the memory of a stopped machine


class LivingContainers(Containers, Protocol):
    """Simulated containers, as a server of the simulation needs them."""

    async def __aenter__(self) -> object: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None: ...

    def crash(self) -> None:
        """The server died: every container ends now, and nobody is told."""
        ...


class ContainersFactory(Protocol):
    """Makes the containers of one life."""

    def __call__(
        self,
        *,
        mint_container_token: Callable[[TownId, InstanceId], str],
        on_instance_gone: Callable[[InstanceGone], Awaitable[None]],
    ) -> LivingContainers: ...


def _as_it_is(containers: Containers) -> Containers:
    return containers


class ServerParts(msgspec.Struct, frozen=True, kw_only=True):
    """What a planted defect may replace; the defaults are the real parts."""

    flush_of: Callable[[Disk], FlushPort] = DiskFlush
    backend: type[SqliteBackend] = SqliteBackend
    wrap_containers: Callable[[Containers], Containers] = _as_it_is
    host: type[Host] = Host
    town: type[Town] = Town
    bodies: type[Bodies] = Bodies  # of simulated control servers


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What all lives of a server share."""

    clock: Clock
    choices: Choices
    network: Network
    faults: ArmedFaults
    make_containers: ContainersFactory
    on_operator_key: Callable[[str], None]  # the key of the first start
    on_start_asked: Callable[[str], None]  # a session's id, when its start leaves the server
    parts: ServerParts


class TownServer:
    """The server; `serve` is called once per life."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._world = surroundings
        self._entropy = ChosenEntropy(surroundings.choices)
        self._secrets = CountingSecrets()
        self._tokens = Tokens(SIGNING_KEY, HttpLimits())
        self._has_key = False

    async def serve(self, disk: Disk) -> None:
        """Start, answer, and end when cancelled or when the machine stops."""
        world = self._world
        with virtual_sqlite(disk, now_ms=world.clock.now_ms, choices=world.choices) as vfs:
            _prepare(disk)
            async with AsyncExitStack() as stack:
                reports = _Reports()
                containers = world.make_containers(
                    mint_container_token=self._mint_container_token,
                    on_instance_gone=reports.container_gone,
                )
                await stack.enter_async_context(_living(containers, disk))
                wrapped = world.parts.wrap_containers(with_trouble(containers, world.faults))
                port = cast(
                    Containers, WatchedContainers(wrapped, disk, world.faults, world.on_start_asked)
                )
                host = reports.host = self._make_host(disk, vfs, port)
                await stack.enter_async_context(self._hosting(host, disk))
                app = make_app(self._make_services(host))
                front = await stack.enter_async_context(open_memory_front(app))
                door = _Door(front, disk, world.faults)
                await stack.enter_async_context(world.network.answering_at(TOWN_END, door.answer))
                await asyncio.Event().wait()

    @asynccontextmanager
    async def _hosting(self, host: Host, disk: Disk) -> AsyncGenerator[None]:
        try:
            await host.start()
            await self._ensure_operator_key(host)
            yield
        finally:
            await _unwind(host, disk, self._world.clock)

    async def _ensure_operator_key(self, host: Host) -> None:
        if not self._has_key:
            made = await host.namespace(OWNER_CLASS).get_by_name(LOCAL_OWNER).make_key("admin")
            self._has_key = True
            self._world.on_operator_key(str(made.view.facts["key"]))

    def _mint_container_token(self, town_id: TownId, instance_id: InstanceId) -> str:
        return self._tokens.mint_container_token(
            town_id=town_id,
            instance_id=instance_id,
            user_id=LOCAL_OWNER,
            now_ms=self._world.clock.now_ms(),
        )

    def _make_host(self, disk: Disk, vfs: SimulatedVfs, containers: Containers) -> Host:
        world = self._world
        limits = RuntimeLimits()
        backend = world.parts.backend(
            data_dir=DATA_DIR,
            classes_with_alarms=[TOWN_CLASS],
            durability=Durability.FULL,
            flush=world.parts.flush_of(disk),
            runner=FlushThread(),
            log=None,
            options=DatabaseOptions(vfs=vfs.name, make_folders=folder_maker(disk)),
            clock=world.clock,
            entropy=self._entropy,
            limits=limits,
            instrument=SilentInstrument(),
            on_broken=lambda _: None,
        )
        bindings: dict[str, object] = {
            "CLOCK": world.clock,
            "ENTROPY": self._entropy,
            "SECRETS": self._secrets,
            "TOKENS": self._tokens,
            "TOWN_LIMITS": TownLimits(),
            "ROLE_TEMPLATES": load_templates(None),
            "FORGE_ACCESS": ForgeAccess(),
            "TOWN_DEFAULTS": TownConfig(),
        }
        return world.parts.host(
            classes={TOWN_CLASS: world.parts.town, OWNER_CLASS: Owner},
            data_dir=DATA_DIR,
            clock=world.clock,
            entropy=self._entropy,
            secrets=self._secrets,
            limits=limits,
            bindings=bindings,
            services={"CONTAINERS": containers, "FORGES": ForgeClients({})},
            backend=backend,
        )

    def _make_services(self, host: Host) -> FrontServices:
        return FrontServices(
            host=host,
            objects=ObjectInspector(host),
            settings=FrontSettings(
                version="simulated",
                no_auth=False,
                allow_local_git=False,
                public_classes=(),
                allowed_origins=(),
                templates=load_templates(None),
            ),
            tokens=self._tokens,
            clock=self._world.clock,
            secrets=self._secrets,
            entropy=self._entropy,
            shutdown=asyncio.Event(),
            limits=HttpLimits(),
            chaos=None,
        )


class WatchedContainers:
    """The port, with a point before and after each call; a dead server's calls go nowhere."""

    def __init__(
        self,
        containers: Containers,
        disk: Disk,
        faults: ArmedFaults,
        on_start_asked: Callable[[str], None],
    ) -> None:
        self._containers = containers
        self._disk = disk
        self._faults = faults
        self._on_start_asked = on_start_asked

    def __getattr__(self, name: str) -> Callable[..., Awaitable[object]]:
        method = getattr(self._containers, name)

        async def call(*args: object, **kwargs: object) -> object:
            pass_point(self._disk, self._faults, "effect.before")
            if args and isinstance(args[0], StartSession):
                self._on_start_asked(args[0].session_id)
            answer = await method(*args, **kwargs)
            pass_point(self._disk, self._faults, "effect.after")
            return answer

        return call


class _Door:
    """The way in, with a point at either end of a request."""

    def __init__(self, front: MemoryFront, disk: Disk, faults: ArmedFaults) -> None:
        self._front = front
        self._disk = disk
        self._faults = faults

    async def answer(self, request: bytes) -> bytes | None:
        try:
            pass_point(self._disk, self._faults, "handler.begin")
            reply = await self._front.answer(request)
            pass_point(self._disk, self._faults, "handler.end")
        except MachineStopped:
            return None  # nobody answers from a machine that is off
        return reply


class _Reports:
    """Brings what the containers saw into the town's inbox, as compose does."""

    def __init__(self) -> None:
        self.host: Host | None = None

    async def container_gone(self, gone: InstanceGone) -> None:
        assert self.host is not None
        town = self.host.namespace(TOWN_CLASS).get_by_name(gone.town_id)
        caller = Caller(kind=CallerKind.SYSTEM, user_id=LOCAL_OWNER)
        await town.execute(CommandRequest(command=ReportContainerGone(gone=gone), caller=caller))


def pass_point(disk: Disk, faults: ArmedFaults, point: str) -> None:
    """Reach a point of the server. Raises MachineStopped where the machine stops there, or has
    stopped before."""
    if disk.is_stopped:
        _refuse(point)
    kind = faults.reach(point)
    if kind is not None:
        assert kind in (FaultKind.KILL, FaultKind.POWER_CUT)
        disk.stop(kind)
        _refuse(point)


def _refuse(point: str) -> NoReturn:
    raise MachineStopped(f"the machine has stopped at {point}")


def _prepare(disk: Disk) -> None:
    if not disk.exists(str(DATA_DIR)):
        disk.mkdir(str(DATA_DIR))
    disk.sync_dir("/")


@asynccontextmanager
async def _living(containers: LivingContainers, disk: Disk) -> AsyncGenerator[None]:
    async with containers:
        try:
            yield
        finally:
            if disk.is_stopped:
                containers.crash()


async def _unwind(host: Host, disk: Disk, clock: Clock) -> None:
    if not disk.is_stopped:
        await host.aclose()
        return
    closing = asyncio.create_task(host.aclose(), name="unwind a dead host")
    limit = asyncio.create_task(clock.sleep_until_ms(clock.now_ms() + UNWIND_MS_MAX))
    await asyncio.wait([closing, limit], return_when=asyncio.FIRST_COMPLETED)
    for task in (closing, limit):
        task.cancel()
    # What a stopped machine's memory dies of is no news.
    with contextlib.suppress(Exception):
        await asyncio.gather(closing, limit, return_exceptions=True)
