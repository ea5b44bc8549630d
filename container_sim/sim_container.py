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

from collections.abc import Awaitable, Callable

from boomtown.clock import Clock
from boomtown.container_sim.boot_order import ContainerSettings
from boomtown.container_sim.faults import Faults
from boomtown.container_sim.model import InstanceGone
from boomtown.container_sim.places import Container, Places
from boomtown.container_sim.sim_repositories import SimRepositories
from boomtown.container_sim.sim_timings import SimTimings
from boomtown.container_sim.town_calls import TownCalls
from boomtown.entropy import Entropy, Secrets
from boomtown.error_codes import ErrorCode
from boomtown.errors import Unavailable
from boomtown.ids import InstanceId, TownId


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
    ) -> None:
        super().__init__(
            self._boot_simulated,
            clock,
            entropy,
            on_instance_gone,
            drain_ms_max=settings.limits.drain_ms_max,
        )
        self._settings = settings
        self._repositories = repositories
        self._secrets = secrets
        self._town_calls = town_calls
        self._faults = faults
        self._timings = timings
        self._mint_container_token = mint_container_token

    async def _boot_simulated(self, town_id: TownId, instance_id: InstanceId) -> Container:
        raise Unavailable(ErrorCode.CONTAINER_ERROR, "No simulated container boots yet")
