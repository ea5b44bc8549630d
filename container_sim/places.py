"""The places of all towns' containers: at most one instance each, booted, watched, reported gone.

Theory of operation. The first start for a town boots its instance; starts that come meanwhile wait
for the same boot. A watcher waits for the instance's end and, only when nothing of it lives,
empties the place and reports `InstanceGone`; a start that finds an instance ending waits for that,
so two instances of one town never overlap. Calls answer outcomes, never exceptions: what was
certainly not sent is `Rejected`, what may have arrived is `Unknown`.

An instance without any session for `sleep_after_ms` is drained and reported with reason `sleep`
(town.md 7.5); a start that comes meanwhile waits for its end and boots the next one. Only starts
and proofs keep it awake: questions about it do not. Between the look that finds it idle and its
drain nothing is awaited, and no look counts while a call is on its way, so no session is lost.

What an instance is comes from outside (`boot`): a process (manager.py) or a simulated one
(sim_container.py). All waiting is bounded by the clock that was given. Nothing here is durable.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from types import TracebackType
from typing import Protocol, Self

from boomtown.clock import Clock
from boomtown.container_sim.control_client import ControlClient
from boomtown.container_sim.control_messages import ProveMerge
from boomtown.container_sim.deadlines import deadline
from boomtown.container_sim.lookout import Lookout
from boomtown.container_sim.model import (
    InstanceGone,
    InstanceReport,
    Looked,
    LookOrder,
    LookOutcome,
    NoContainer,
    Obstacle,
    ProbeOutcome,
    ProofOutcome,
    Rejected,
    Repository,
    StartOutcome,
    StartSession,
    StopOutcome,
    Unknown,
)
from boomtown.entropy import Entropy
from boomtown.error_codes import ErrorCode
from boomtown.errors import Unavailable
from boomtown.ids import InstanceId, RigId, SessionId, TownId, new_id
from boomtown.limits import ContainerLimits

# Why an instance is gone.
STOPPED = "stopped"
SLEEP = "sleep"
CRASHED = "crashed"
HEALTH_MS_MAX = 5_000  # a container that does not answer so long is not idle; it is looked at again

log = logging.getLogger(__name__)


class Container(Protocol):
    """A running instance, seen from the town's server."""

    @property
    def instance_id(self) -> InstanceId: ...
    @property
    def client(self) -> ControlClient: ...
    @property
    def pid(self) -> int: ...
    @property
    def is_over(self) -> bool:
        """The control server has ended; others of the container may still live."""
        ...

    def drain(self) -> None:
        """Ask it to save its work and end, without waiting for its agents to finish."""
        ...

    def kill(self) -> None:
        """End the control server; the rest follows in `wait_gone`."""
        ...

    async def wait_gone(self) -> int | None:
        """The exit code, once nothing of the container lives."""
        ...


Boot = Callable[[TownId, InstanceId], Awaitable[Container]]  # raises Unavailable, OSError


class _Place:
    """A town's place for one instance."""

    def __init__(self) -> None:
        self.booting: asyncio.Task[Unavailable | None] | None = None
        self.instance: Container | None = None
        self.end_reason: str | None = None  # why it was told to end, while it has not ended
        self.call_count = 0  # starts and proofs on their way to the instance
        self.used_at_ms = 0  # the newest of their beginnings and ends
        self.emptied = asyncio.Event()
        self.ended_instance_id: InstanceId | None = None


class Places:
    """The port of containers over whatever boots them. Use it as an async context manager."""

    def __init__(
        self,
        boot: Boot,
        clock: Clock,
        entropy: Entropy,
        on_instance_gone: Callable[[InstanceGone], Awaitable[None]],
        lookout: Lookout,
        *,
        limits: ContainerLimits,
    ) -> None:
        self._boot_instance = boot
        self._lookout = lookout
        self._clock = clock
        self._entropy = entropy
        self._on_instance_gone = on_instance_gone
        self._limits = limits
        self._places: dict[TownId, _Place] = {}
        self._tasks = asyncio.TaskGroup()
        self._is_closing = False

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Drain all containers at once, and kill what has not ended within the bound."""
        self._is_closing = True
        try:
            await asyncio.gather(
                *(
                    self.stop_container(town, timeout_ms=self._limits.drain_ms_max)
                    for town in list(self._places)
                )
            )
        finally:
            # All tasks are over by now; an error of the body must not become a group of errors.
            await self._tasks.__aexit__(None, None, None)

    async def start_session(self, request: StartSession, *, timeout_ms: int) -> StartOutcome:
        until_ms = self._clock.monotonic_ms() + timeout_ms
        try:
            async with deadline(self._clock, timeout_ms):
                instance = await self._get_instance(request.town_id)
        except TimeoutError:
            return Rejected(code=ErrorCode.CONTAINER_ERROR, message="The container boots slowly")
        except Unavailable as error:
            return Rejected(code=error.code, message=error.message)
        left_ms = max(1, until_ms - self._clock.monotonic_ms())
        with self._use(request.town_id):
            return await instance.client.start(request, timeout_ms=left_ms)

    async def probe_session(
        self, town_id: TownId, session_id: SessionId, *, timeout_ms: int
    ) -> ProbeOutcome:
        found = self._find_ready(town_id)
        if isinstance(found, NoContainer | Unknown):
            return found
        return await found.client.probe(session_id, timeout_ms=timeout_ms)

    async def stop_session(
        self, town_id: TownId, session_id: SessionId, *, grace_ms: int, timeout_ms: int
    ) -> StopOutcome:
        found = self._find_ready(town_id)
        if isinstance(found, NoContainer | Unknown):
            return found
        return await found.client.stop(
            session_id, grace_ms=grace_ms, keeps_work=False, timeout_ms=timeout_ms
        )

    async def kill_session(
        self, town_id: TownId, session_id: SessionId, *, grace_ms: int, timeout_ms: int
    ) -> StopOutcome:
        """As the port says."""
        found = self._find_ready(town_id)
        if isinstance(found, NoContainer | Unknown):
            return found
        return await found.client.stop(
            session_id, grace_ms=grace_ms, keeps_work=True, timeout_ms=timeout_ms
        )

    async def look(self, order: LookOrder, *, timeout_ms: int) -> LookOutcome:
        """As the port says; no container is asked or booted for it."""
        if self._is_closing:
            return Looked(obstacles=(Obstacle(code=ErrorCode.SHUTTING_DOWN, message="Closing"),))
        try:
            async with deadline(self._clock, timeout_ms):
                return await self._lookout.look(order)
        except TimeoutError:
            return Unknown(reason="timeout")

    async def discard_kept(
        self, rig_id: RigId, *, spared: tuple[str, ...], timeout_ms: int
    ) -> tuple[str, ...]:
        """As the port says. Raises TimeoutError, OSError and git's errors; what is left then is
        the next call's."""
        async with deadline(self._clock, timeout_ms):
            return await self._lookout.discard_kept(rig_id, spared=spared)

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
            async with deadline(self._clock, timeout_ms):
                instance = await self._get_instance(town_id)
        except TimeoutError:
            return Unknown(reason="timeout")
        except Unavailable as error:
            return Unknown(reason=error.code)
        left_ms = max(1, until_ms - self._clock.monotonic_ms())
        with self._use(town_id):
            return await instance.client.prove_merge(wanted, timeout_ms=left_ms)

    async def stop_container(self, town_id: TownId, *, timeout_ms: int) -> None:
        """As the port says: a drain, and SIGKILL when `timeout_ms` has passed; returns when no
        process is left and it has been reported."""
        place = self._places.get(town_id)
        if place is None:
            return
        if place.booting is not None:
            await asyncio.wait({place.booting})
        instance = place.instance
        if instance is None:
            return
        await self._end(town_id, place, instance, reason=STOPPED, timeout_ms=timeout_ms)

    async def find_instance(self, town_id: TownId, *, timeout_ms: int) -> InstanceReport | None:
        """What the town's container says of itself and its sessions, living and over; None
        where there is none, or no answer."""
        found = self._find_ready(town_id)
        if isinstance(found, NoContainer | Unknown):
            return None
        return await found.client.find_health(timeout_ms=timeout_ms)

    async def find_output(
        self, town_id: TownId, session_id: SessionId, *, timeout_ms: int
    ) -> str | None:
        """The newest output of a session's agent; None where it cannot be had."""
        found = self._find_ready(town_id)
        if isinstance(found, NoContainer | Unknown):
            return None
        return await found.client.find_output(session_id, timeout_ms=timeout_ms)

    def pids(self) -> dict[TownId, int]:
        """The control servers that run, for the monitor and for tests that kill one."""
        places = sorted(self._places.items())
        return {town: place.instance.pid for town, place in places if place.instance is not None}

    def _find_ready(self, town_id: TownId) -> Container | NoContainer | Unknown:
        place = self._places.get(town_id)
        if place is None:
            return NoContainer(ended_instance_id=None)
        if place.instance is not None:
            return place.instance
        if place.booting is not None:
            return Unknown(reason="booting")
        return NoContainer(ended_instance_id=place.ended_instance_id)

    async def _end(
        self, town_id: TownId, place: _Place, instance: Container, *, reason: str, timeout_ms: int
    ) -> None:
        place.end_reason = reason
        emptied = place.emptied
        instance.drain()
        try:
            async with deadline(self._clock, timeout_ms):
                await emptied.wait()
        except TimeoutError:
            log.warning("container_killed town=%s", town_id)
            instance.kill()
            await emptied.wait()

    @contextmanager
    def _use(self, town_id: TownId) -> Generator[None]:
        """The instance has something to do, for as long as the block lasts."""
        place = self._places[town_id]
        place.call_count += 1
        place.used_at_ms = self._clock.now_ms()
        try:
            yield
        finally:
            place.call_count -= 1
            place.used_at_ms = self._clock.now_ms()

    async def _get_instance(self, town_id: TownId) -> Container:
        """The town's instance, booted when there is none. Raises Unavailable."""
        place = self._places.setdefault(town_id, _Place())
        while True:
            if self._is_closing or place.end_reason == STOPPED:
                raise Unavailable(ErrorCode.TOWN_DRAINING)
            if place.instance is not None:
                if place.end_reason is None and not place.instance.is_over:
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
        try:
            instance = await self._boot_instance(town_id, instance_id)
        except Unavailable as error:
            log.warning("boot_failed town=%s message=%s", town_id, error.message)
            return error
        except OSError as error:
            return Unavailable(ErrorCode.CONTAINER_ERROR, f"No folder: {error.strerror}")
        finally:
            place.booting = None
        place.instance = instance
        place.emptied = asyncio.Event()
        self._tasks.create_task(self._watch(town_id, place, instance), name=f"watch-{town_id}")
        return None

    async def _watch(self, town_id: TownId, place: _Place, instance: Container) -> None:
        emptied = place.emptied  # a new instance, which the report below may cause, has its own
        idling = self._tasks.create_task(self._sleep_when_idle(town_id, place, instance))
        try:
            code = await instance.wait_gone()
            reason = place.end_reason or CRASHED
            place.instance = None
            place.end_reason = None
            place.ended_instance_id = instance.instance_id
            gone = InstanceGone(
                town_id=town_id, instance_id=instance.instance_id, exit_code=code, reason=reason
            )
            log.info("instance_gone town=%s exit_code=%s reason=%s", town_id, code, reason)
            await self._tell_gone(gone)
        finally:
            idling.cancel()
            emptied.set()  # also when the loop is torn down: nobody may wait for ever

    async def _sleep_when_idle(self, town_id: TownId, place: _Place, instance: Container) -> None:
        """Drain the instance once it has had nothing to do for long enough."""
        sleep_after_ms = self._limits.sleep_after_ms
        place.used_at_ms = self._clock.now_ms()
        look_at_ms = place.used_at_ms + sleep_after_ms
        while True:
            await self._clock.sleep_until_ms(look_at_ms)
            report = await instance.client.find_health(timeout_ms=HEALTH_MS_MAX)
            now_ms = self._clock.now_ms()
            if report is None or report.idle_since_at_ms is None or place.call_count > 0:
                look_at_ms = now_ms + sleep_after_ms
                continue
            look_at_ms = max(report.idle_since_at_ms, place.used_at_ms) + sleep_after_ms
            if look_at_ms <= now_ms:
                break
        if place.end_reason is None:
            timeout_ms = self._limits.drain_ms_max
            await self._end(town_id, place, instance, reason=SLEEP, timeout_ms=timeout_ms)

    async def _tell_gone(self, gone: InstanceGone) -> bool:
        """Whether it was heard."""
        try:
            await self._on_instance_gone(gone)
        except Exception:
            # The town learns it from its next probe instead: NoContainer is the same proof.
            log.exception("instance_gone_not_told town=%s", gone.town_id)
            return False
        return True
