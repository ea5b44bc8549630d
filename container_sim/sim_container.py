"""The containers of all towns in memory, under any clock: the port, and levers for a chaotic world.

Theory of operation. Only what touches processes, sockets and disks is simulated; everything that
decides is the real code: places (places.py), the outcomes of calls (control_client.py), what a
control server answers (control_desk.py), the life of a session (bodies.py), what is told to the
town (town_link.py, agent/town_api.py), and what agents do (agent/). So the simulation cannot say
anything that a real container would not.

Of a simulated container nothing survives it but `SimRepositories`, which stands for the data
directory. `kill_instance` is SIGKILL to the control server: from that call on nothing of the
instance does anything, and `InstanceGone` is reported when its tasks are gone. `crash` is the end
of the town's server: all instances vanish, nobody is told, and this object is spent; a new one on
the same repositories is the next life. `intervals` is the containers' own record of who lived
when, kept by whoever watches, not by the agents.
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from boomtown.clock import Clock
from boomtown.container_sim.bodies import Bodies
from boomtown.container_sim.boot_order import BootOrder, ContainerSettings
from boomtown.container_sim.faults import Faults, NoFaults
from boomtown.container_sim.lookout import Lookout
from boomtown.container_sim.model import InstanceGone
from boomtown.container_sim.places import Container, Places
from boomtown.container_sim.sim_agent import Interval
from boomtown.container_sim.sim_git import SimGit
from boomtown.container_sim.sim_instance import SimInstance, SimWorld
from boomtown.container_sim.sim_life import SimLife
from boomtown.container_sim.sim_programs import SHELL_PROGRAMS, Program
from boomtown.container_sim.sim_repositories import SimRepositories
from boomtown.container_sim.sim_timings import SimTimings
from boomtown.container_sim.town_calls import TownCalls
from boomtown.entropy import Entropy, Secrets
from boomtown.error_codes import ErrorCode
from boomtown.errors import Unavailable
from boomtown.ids import InstanceId, TownId

SECRET_BYTES = 32


class SimContainers(Places):
    """Satisfies boomtown.actors.town.ports.Containers. Use it as an async context manager."""

    def __init__(
        self,
        settings: ContainerSettings,
        repositories: SimRepositories,
        clock: Clock,
        entropy: Entropy,
        secrets: Secrets,
        town_calls: TownCalls,
        faults: Faults,
        timings: SimTimings,
        mint_container_token: Callable[[TownId, InstanceId], str],
        on_instance_gone: Callable[[InstanceGone], Awaitable[None]],
        *,
        programs: Mapping[str, Program] = SHELL_PROGRAMS,
        bodies: type[Bodies] = Bodies,
    ) -> None:
        super().__init__(
            self._boot_simulated,
            clock,
            entropy,
            self._tell,
            self._make_lookout(settings, repositories, clock, entropy, timings, programs),
            limits=settings.limits,
        )
        self.intervals: list[Interval] = []
        self._settings = settings
        self._secrets = secrets
        self._mint_container_token = mint_container_token
        self._tell_town = on_instance_gone
        self._is_crashed = False
        self._instances: dict[TownId, SimInstance] = {}  # the newest of each town
        self._world = SimWorld(
            repositories=repositories,
            clock=clock,
            entropy=entropy,
            faults=faults,
            timings=timings,
            town_calls=town_calls,
            programs=programs,
            pids=itertools.count(10_000),
            intervals=self.intervals,
            bodies=bodies,
        )

    def kill_instance(self, town_id: TownId) -> InstanceId | None:
        """SIGKILL to the town's control server; the instance that ends, None when none runs."""
        instance = self._instances.get(town_id)
        if instance is None or instance.is_over:
            return None
        instance.kill()
        return instance.instance_id

    def evict_instance(self, town_id: TownId) -> InstanceId | None:
        """SIGTERM to the town's control server; the instance that drains, None when none runs."""
        instance = self._instances.get(town_id)
        if instance is None or instance.is_over:
            return None
        instance.evict()
        return instance.instance_id

    def crash(self) -> None:
        """The town's server ends: all containers with it, and nobody is told. Leave the context
        after this; nothing can be started any more."""
        self._is_crashed = True
        self._is_closing = True
        for _, instance in sorted(self._instances.items()):
            instance.kill()

    def live_intervals(self) -> list[Interval]:
        """The sessions that have a body now, in the order of their births."""
        return [interval for interval in self.intervals if interval.ended_at_ms is None]

    async def aclose(self) -> None:
        """Drain everything, as leaving the context does."""
        await self.__aexit__(None, None, None)

    async def _tell(self, gone: InstanceGone) -> None:
        if not self._is_crashed:
            await self._tell_town(gone)

    @staticmethod
    def _make_lookout(
        settings: ContainerSettings,
        repositories: SimRepositories,
        clock: Clock,
        entropy: Entropy,
        timings: SimTimings,
        programs: Mapping[str, Program],
    ) -> Lookout:
        life = SimLife(clock, entropy, NoFaults(), timings, on_crash=lambda: None)
        return Lookout(
            SimGit(Path(settings.data_dir), repositories, life),
            settings.harnesses,
            lambda argv: argv[0] if argv and argv[0] in programs else None,
            allow_local_git=settings.allow_local_git,
        )

    async def _boot_simulated(self, town_id: TownId, instance_id: InstanceId) -> Container:
        boot_ms = self._world.timings.boot.draw(self._entropy, label="sim.boot_ms")
        boot_ms_max = self._settings.limits.boot_ms_max
        await self._clock.sleep_until_ms(self._clock.now_ms() + min(boot_ms, boot_ms_max))
        if boot_ms > boot_ms_max or self._is_crashed:
            raise Unavailable(ErrorCode.CONTAINER_ERROR, "the control server was not ready in time")
        order = BootOrder(
            instance_id=instance_id,
            town_id=town_id,
            socket_path="",
            ledger_path="",
            api_url="",
            secret=self._secrets.token_text(SECRET_BYTES),
            container_token=self._mint_container_token(town_id, instance_id),
            settings=self._settings,
        )
        instance = SimInstance(order, self._world)
        self._instances[town_id] = instance
        await instance.wait_ready()
        return instance
