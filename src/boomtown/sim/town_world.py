"""A whole town under simulation: one machine, its network, its people, what goes wrong, the checks.

Theory of operation. `TownWorld.run` has four parts. People make a town and load it for the hours
that the settings name. Meanwhile, once per period, one choice (label "chaos") says which fault is
armed, if any: a kill or a power cut at the nth disk operation from then, between an effect and its
row, in the middle of a handler; the end of a container; a container's own fault; a cut link. So
every fault of a run is one key of its plan. Then the quiet phase: faults off, network calm, until
every bead is final or twice the longest timer has passed. The checkers (checkers/) read what they
need from the disk, the containers' log and the origin: after each reboot before the server starts,
every period, and at the end; the first that fails ends the run with its finding.

What survives a machine's stop is its disk; the origins, the bodies' log and the ledger are the
world's. A run is the same run for the same choices (virtual_loop.py), and its trace says so.

An error that nobody handled while the machine lived is a finding too. Errors of people are
findings where the town refused what it should have done.
"""

from __future__ import annotations

import asyncio
import enum
import logging
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, assert_never, cast

import msgspec

from boomtown.container_sim import faults as container_faults
from boomtown.container_sim.boot_order import ContainerSettings
from boomtown.container_sim.model import InstanceGone
from boomtown.container_sim.sim_container import SimContainers
from boomtown.container_sim.sim_repositories import SimRepositories
from boomtown.container_sim.sim_timings import SimTimings
from boomtown.ids import InstanceId, TownId
from boomtown.sim.armed_faults import ArmedFaults, StartFault
from boomtown.sim.by_hand import FeedReader, Foreman
from boomtown.sim.checkers import Evidence, find_violation
from boomtown.sim.checkers.bodies import BodyLog
from boomtown.sim.checkers.town_rows import TownReader
from boomtown.sim.choices import Choices, ChosenEntropy, CountingSecrets, Plan
from boomtown.sim.disk import Disk, MachineStopped
from boomtown.sim.faults import FaultKind
from boomtown.sim.fences import fenced
from boomtown.sim.machine import Machine
from boomtown.sim.network import LinkQuality, Network
from boomtown.sim.run_trace import Trace
from boomtown.sim.town_server import (
    TOWN_END,
    LivingContainers,
    ServerParts,
    Surroundings,
    TownServer,
)
from boomtown.sim.virtual_loop import VirtualClock, VirtualLoop, run_virtually
from boomtown.sim.workload import ORIGIN_URL, Ledger, Load, NetworkWay, NotedCalls, Person, Refused

HOUR_MS = 3_600_000
CHAOS_PERIOD_MS = 60_000
CHECK_PERIOD_MS = 120_000
REBOOT_MS = 3_000
QUIET_MS_MAX = 2 * HOUR_MS  # twice the longest timer: how long an agent may run
NTH_MAX = 64  # a fault strikes within so many passings of its point
PARTITION_MS = 45_000
SILENCE_MS = 240_000  # of a container: past the lease and the probes of a session
ORIGIN_FILES = {"README.md": b"An app.\n"}


class TownSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is simulated."""

    run_ms: int
    has_faults: bool = True
    has_load: bool = True  # False: an idle town, of which nobody asks anything
    network: LinkQuality = LinkQuality(lose_per_mille=10, double_per_mille=10, delay_ms_max=40)
    parts: ServerParts = ServerParts()


CALM = TownSettings(run_ms=HOUR_MS // 2, has_faults=False, network=LinkQuality())


class TownOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a run ended."""

    kind: str  # the checker that failed, "" when all held
    message: str
    digest: str
    events: int
    faults_fired: tuple[str, ...]
    checks: int
    tail: tuple[str, ...]  # the newest events
    statuses: dict[str, int]  # of the beads at the end
    simulated_ms: int
    taken: Plan = {}


class Violated(Exception):
    """A checker found something."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message


class MachineTrouble(NamedTuple):
    """Something that stops the server."""

    point: str
    kind: FaultKind


class ContainerTrouble(NamedTuple):
    """Something that goes wrong in a container."""

    point: str
    kind: container_faults.FaultKind


class OtherTrouble(enum.StrEnum):
    """Something that the world does by itself."""

    CONTAINER_KILLED = "container killed"
    CLIENT_CUT_OFF = "client cut off"
    BEAD_CLOSED = "bead closed by a person, its agent at work"


Trouble = MachineTrouble | ContainerTrouble | StartFault | OtherTrouble
_CUT, _KILL, _WRONG = FaultKind.POWER_CUT, FaultKind.KILL, container_faults.FaultKind

# What a period's choice may arm. A recorded plan names an index: append, never insert.
TROUBLES: tuple[Trouble, ...] = (
    MachineTrouble("disk.op", _CUT),
    MachineTrouble("disk.op", _KILL),
    MachineTrouble("disk.sync", _CUT),
    MachineTrouble("effect.before", _KILL),
    MachineTrouble("effect.after", _CUT),
    MachineTrouble("effect.after", _KILL),
    MachineTrouble("handler.begin", _KILL),
    MachineTrouble("handler.end", _CUT),
    MachineTrouble("disk.write", _CUT),
    MachineTrouble("disk.sync_dir", _CUT),
    OtherTrouble.CONTAINER_KILLED,
    OtherTrouble.CLIENT_CUT_OFF,
    ContainerTrouble("start.before", _WRONG.LOST),
    ContainerTrouble("start.reply", _WRONG.LOST),
    ContainerTrouble("start.reply", _WRONG.ERROR),
    ContainerTrouble("probe.status", _WRONG.LOST),
    ContainerTrouble("probe.status", _WRONG.MISSING),
    ContainerTrouble("stop.slow", _WRONG.SLOW),
    ContainerTrouble("heartbeat.lost", _WRONG.LOST),
    ContainerTrouble("completed.lost", _WRONG.LOST),
    ContainerTrouble("disk.full", _WRONG.DISK_FULL),
    ContainerTrouble("partition", _WRONG.PARTITION),
    ContainerTrouble("container.crash@start", _WRONG.CRASH),
    ContainerTrouble("container.crash@push", _WRONG.CRASH),
    ContainerTrouble("container.crash@between merge and report", _WRONG.CRASH),
    ContainerTrouble("container.crash@report", _WRONG.CRASH),
    ContainerTrouble("partition", _WRONG.PARTITION),
    ContainerTrouble("start.reply", _WRONG.LOST),
    StartFault.TWICE,
    StartFault.REFUSED,
    OtherTrouble.BEAD_CLOSED,
)


class TownWorld:
    """One run."""

    def __init__(self, loop: VirtualLoop, choices: Choices, settings: TownSettings) -> None:
        self.clock = VirtualClock(loop)
        self.trace = Trace(self.clock.now_ms)
        self.faults = ArmedFaults()
        self.ledger = Ledger()
        self.bodies = BodyLog(self.clock)
        self.repositories = SimRepositories()
        self.rows_of = TownReader()
        self.checks = 0
        self.containers: SimContainers | None = None
        self._choices = choices
        self._settings = settings
        self._key = asyncio.Event()
        self._operator_key = ""
        self._reader: FeedReader | None = None
        self._asked: list[str] = []
        self._spoke: list[str] = []
        self._unhandled: list[str] = []
        self.network = Network(clock=self.clock, choices=choices, quality=settings.network)
        way = NetworkWay("containers", self.network, self.trace)
        self._containers_way = NotedCalls(way, self._spoke.append)
        # A container that denies a living session twice lies, and twice is proof (decisions 33):
        # one denial in a run shows that one is none.
        self._has_denied = False
        self.load = Load(
            clock=self.clock,
            choices=choices,
            network=self.network,
            trace=self.trace,
            ledger=self.ledger,
        )
        surroundings = Surroundings(
            clock=self.clock,
            choices=choices,
            network=self.network,
            faults=self.faults,
            make_containers=self._make_containers,
            on_operator_key=self._keep_key,
            on_start_asked=self._asked.append,
            parts=settings.parts,
        )
        self._server = TownServer(surroundings)
        self.machine = Machine(
            TOWN_END,
            self._live,
            clock=self.clock,
            choices=choices,
            faults=self.faults,
            network=self.network,
            trace=self.trace,
            reboot_ms=REBOOT_MS,
        )
        loop.set_exception_handler(self._note_unhandled)

    async def run(self) -> None:
        """The whole run. Raises Violated."""
        self.repositories.add_origin(ORIGIN_URL, ORIGIN_FILES)
        until_ms = self.clock.now_ms() + self._settings.run_ms
        async with asyncio.TaskGroup() as tasks:
            machine = tasks.create_task(self.machine.run(), name="machine")
            await self._key.wait()
            async with asyncio.TaskGroup() as people:
                watch = people.create_task(self._watch(), name="watch")
                chaos = people.create_task(self._make_trouble(until_ms, people), name="chaos")
                reading = people.create_task(self._read_feed(), name="reader")
                await self._be_busy(until_ms)
                await chaos
                await self._come_to_rest()
                # Before the end of this life, whose own troubles must not hide a lack of rest.
                if not self.machine.disk.is_stopped:
                    self._check(self.machine.disk, is_final=True)
                watch.cancel()
                reading.cancel()
            self.machine.shut_down()
            await machine
        self._check(self.machine.disk, is_final=True)

    async def _read_feed(self) -> None:
        if not self._settings.has_load:
            return  # a reader wakes the town, and is a load
        reader = self._person("reader")
        while not self.load.town:
            await reader.pause(CHECK_PERIOD_MS // 4)
        self._reader = FeedReader(reader, town=self.load.town)
        await self._reader.follow()

    async def _be_busy(self, until_ms: int) -> None:
        slinger = self._person("slinger")
        await self.load.settle_down(slinger)
        if not self._settings.has_load:
            await self.clock.sleep_until_ms(until_ms)
            return
        async with asyncio.TaskGroup() as busy:
            busy.create_task(self.load.sling_convoys(slinger, until_ms=until_ms), name="slinger")
            errands = self.load.run_errands(self._person("errands"), until_ms=until_ms)
            busy.create_task(errands, name="errands")
            by_hand = Foreman(
                self._person("by hand"),
                town=self.load.town,
                rig=self.load.rig,
                clock=self.clock,
                choices=self._choices,
            )
            busy.create_task(by_hand.work(until_ms=until_ms), name="by hand")

    async def _come_to_rest(self) -> None:
        """The quiet phase: everything gets done, or waits for a person."""
        self.faults.stop()
        self.network.calm()
        self.trace.record("quiet")
        until_ms = self.clock.now_ms() + QUIET_MS_MAX
        inspector = self._person("inspector")
        while self.clock.now_ms() < until_ms and self._is_restless():
            await inspector.pause(CHAOS_PERIOD_MS)
        violations = await inspector.ask("GET", f"/api/towns/{self.load.town}/invariants")
        if violations:
            raise Violated("invariant", str(violations[0]))

    def _is_restless(self) -> bool:
        rows = None if self.machine.disk.is_stopped else self.rows_of.find_rows(self.machine.disk)
        if rows is None or rows.restless():
            return True
        return any(session["state"] != "ended" for session in rows.tables["sessions"])

    async def _make_trouble(self, until_ms: int, people: asyncio.TaskGroup) -> None:
        while self._settings.has_faults and self.clock.now_ms() < until_ms:
            await self.clock.sleep_until_ms(self.clock.now_ms() + CHAOS_PERIOD_MS)
            chosen = self._choices.pick(1 + len(TROUBLES) * NTH_MAX, label="chaos")
            if chosen:
                which, nth = divmod(chosen - 1, NTH_MAX)
                if TROUBLES[which] is OtherTrouble.BEAD_CLOSED:
                    closing = self._close_bead_at_work(nth)
                    people.create_task(closing, name=f"foreman at {self.clock.now_ms()}")
                else:
                    self._arm(TROUBLES[which], nth + 1)

    def _arm(self, trouble: Trouble, nth: int) -> None:
        match trouble:
            case MachineTrouble(point, kind):
                # A disk is passed hundreds of times a minute, other points a few times.
                nth = nth if point in ("disk.op", "disk.write") else 1 + nth % 8
                self.faults.arm(point, nth=nth, kind=kind)
                self.trace.record("armed", point=point, nth=nth, kind=kind)
            case ContainerTrouble(point, wrong):
                if wrong is _WRONG.MISSING and self._has_denied:
                    return
                self._has_denied |= wrong is _WRONG.MISSING
                fault = container_faults.Fault(
                    point=point,
                    nth=1 + nth % 3,
                    kind=wrong,
                    ms=SILENCE_MS if wrong is _WRONG.PARTITION else PARTITION_MS,
                )
                self.faults.arm_container(fault)
                self.trace.record("armed", point=point, nth=fault.nth, kind=wrong)
            case StartFault():
                self.faults.arm_start(trouble, nth=1 + nth % 8)
                self.trace.record("armed", point=trouble, nth=1 + nth % 8)
            case OtherTrouble.CONTAINER_KILLED:
                self._note_trouble(trouble)
                self._kill_container()
            case OtherTrouble.CLIENT_CUT_OFF:
                self._note_trouble(trouble)
                self.network.partition("slinger", TOWN_END)
                later_ms = self.clock.now_ms() + PARTITION_MS
                self.clock.call_at_ms(later_ms, lambda: self.network.repair("slinger", TOWN_END))
            case OtherTrouble.BEAD_CLOSED:
                raise AssertionError("a person's deed is no fault that is armed")
            case _:
                assert_never(trouble)

    async def _close_bead_at_work(self, nth: int) -> None:
        """A person ends a bead whose agent, of the town's own, is about to start or at work."""
        rows = None if self.machine.disk.is_stopped else self.rows_of.find_rows(self.machine.disk)
        at_work = [] if rows is None else rows.at_work()
        if at_work:
            self._note_trouble(OtherTrouble.BEAD_CLOSED)
            bead_id = at_work[nth % len(at_work)]
            rig = f"/api/towns/{self.load.town}/rigs/{self.load.rig}"
            foreman = self._person(f"foreman at {self.clock.now_ms()}")
            await foreman.ask("POST", f"{rig}/beads/{bead_id}/close", {})

    def _note_trouble(self, trouble: OtherTrouble) -> None:
        self.trace.record("trouble", what=trouble)
        self.faults.note(trouble.value)

    def _kill_container(self) -> None:
        if self.containers is not None and not self.machine.disk.is_stopped:
            self.containers.kill_instance(TownId(self.load.town))

    async def _watch(self) -> None:
        while True:
            await self.clock.sleep_until_ms(self.clock.now_ms() + CHECK_PERIOD_MS)
            if not self.machine.disk.is_stopped:
                self._check(self.machine.disk, is_final=False)

    def _check(self, disk: Disk, *, is_final: bool) -> None:
        self.checks += 1
        if self._unhandled:
            raise Violated("unhandled error", self._unhandled[0])
        rows = self.rows_of.find_rows(disk, is_final=is_final)
        evidence = Evidence(
            rows=rows,
            acknowledged=tuple((entry.kind, entry.subject) for entry in self.ledger.entries),
            bodies=self.bodies.lives(),
            asked=tuple(dict.fromkeys(self._asked)),
            spoke=tuple(dict.fromkeys(self._spoke)),
            told={} if self._reader is None else self._reader.told,
            told_up_to=0 if self._reader is None else self._reader.cursor,
            told_twice=None if self._reader is None else self._reader.double,
            repositories=self.repositories,
            origin_url=ORIGIN_URL,
            now_ms=self.clock.now_ms(),
            is_final=is_final,
        )
        found = find_violation(evidence)
        if found is not None:
            raise Violated(*found)

    async def _live(self, disk: Disk) -> None:
        if self.machine.lives > 1:
            self._check(disk, is_final=False)
        await self._server.serve(disk)

    def _make_containers(
        self,
        *,
        mint_container_token: Callable[[TownId, InstanceId], str],
        on_instance_gone: Callable[[InstanceGone], Awaitable[None]],
    ) -> LivingContainers:
        self.containers = SimContainers(
            ContainerSettings(data_dir="/data"),
            self.repositories,
            self.clock,
            ChosenEntropy(self._choices),
            CountingSecrets(),
            self._containers_way,
            self.faults,
            SimTimings(),
            mint_container_token,
            on_instance_gone,
            bodies=self._settings.parts.bodies,
        )
        self.bodies.watch(self.containers)
        return self.containers

    def _person(self, name: str) -> Person:
        return self.load.person(name, self._operator_key)

    def _keep_key(self, key: str) -> None:
        self._operator_key = key
        self._key.set()

    def _note_unhandled(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        # What an earlier life's memory died of may come up only now.
        if not self.machine.disk.is_stopped and not isinstance(error, MachineStopped):
            self._unhandled.append(f"{context.get('message')}: {error!r}")


def run_town(choices: Choices, settings: TownSettings) -> TownOutcome:
    """One run to its end, fenced. Raises Hang, Livelock and Escape."""
    return run_world(choices, lambda loop: TownWorld(loop, choices, settings))


def run_world(choices: Choices, make_world: Callable[[VirtualLoop], TownWorld]) -> TownOutcome:
    """As run_town, for a world of any make."""

    async def main(loop: VirtualLoop) -> TownOutcome:
        with fenced(VirtualClock(loop)):
            world = make_world(loop)
            began_ms = world.clock.now_ms()
            kind = message = ""
            try:
                await world.run()
            except* (Violated, Refused) as group:
                kind, message = _first(group)
            rows = None
            if not world.machine.disk.is_stopped:
                rows = world.rows_of.find_rows(world.machine.disk)
            return TownOutcome(
                kind=kind,
                message=message,
                digest=world.trace.digest,
                events=world.trace.count,
                faults_fired=tuple(world.faults.fired),
                checks=world.checks,
                tail=world.trace.tail(20),
                statuses={} if rows is None else rows.statuses(),
                simulated_ms=world.clock.now_ms() - began_ms,
                taken=dict(choices.taken),
            )

    logger = logging.getLogger("boomtown")
    was_disabled, logger.disabled = logger.disabled, True
    logging.disable(logging.CRITICAL)
    try:
        return run_virtually(main, choices)
    finally:
        logging.disable(logging.NOTSET)
        logger.disabled = was_disabled


def _first(group: BaseExceptionGroup[Any]) -> tuple[str, str]:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = cast("tuple[BaseException, ...]", error.exceptions)[0]
    if isinstance(error, Violated):
        return error.kind, error.message
    return "refused", str(error)
