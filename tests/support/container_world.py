"""Real containers for a test: a manager, an origin and a town's stand-in, all in one place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import psutil

from boomtown.clock import SystemClock
from boomtown.container_sim.boot_order import ContainerSettings
from boomtown.container_sim.harnesses import HarnessSpec
from boomtown.container_sim.manager import ContainerManager
from boomtown.container_sim.model import BodyState, InstanceGone, Known, StartOutcome, StartSession
from boomtown.entropy import SeededEntropy, SystemSecrets
from boomtown.ids import InstanceId, SessionId, TownId
from boomtown.limits import ContainerLimits
from support.container_orders import TOWN
from support.git_origin import GitOrigin
from support.town_api import TownApi, open_town_api

CALL_MS = 30_000
OVER = (BodyState.EXITED, BodyState.FAILED)


class ContainerWorld:
    """What a test of real containers touches."""

    def __init__(
        self,
        folder: Path,
        api: TownApi,
        harnesses: dict[str, HarnessSpec],
        limits: ContainerLimits,
    ) -> None:
        self.folder = folder
        self.api = api
        self.data_dir = folder / "data"
        self.agent_log = folder / "agents.jsonl"
        self.gone: list[InstanceGone] = []
        self.gone_seen = asyncio.Event()
        self.settings = ContainerSettings(
            data_dir=str(self.data_dir),
            harnesses=harnesses,
            allow_local_git=True,
            agent_log=str(self.agent_log),
            limits=limits,
        )
        self.manager = self.make_manager()
        self._origin: GitOrigin | None = None

    @property
    def origin(self) -> GitOrigin:
        """Made when it is first asked for."""
        if self._origin is None:
            self._origin = GitOrigin(self.folder)
        return self._origin

    def make_manager(self) -> ContainerManager:
        manager = ContainerManager(
            self.settings,
            SystemClock(),
            SeededEntropy(),
            SystemSecrets(),
            mint_container_token,
            self._note_gone,
        )
        manager.api_url = self.api.url
        return manager

    async def start(self, order: StartSession) -> StartOutcome:
        return await self.manager.start_session(order, timeout_ms=CALL_MS)

    async def run_to_end(self, order: StartSession) -> dict[str, object]:
        """Start a session and return what its completion said."""
        count = len(self.api.of("completed")) + 1
        await self.start(order)
        return (await self.api.wait_for("completed", count)).body

    async def wait_running(self, session_id: SessionId) -> int:
        """The pid of the session's agent, once it runs."""
        while True:
            count = len(self.api.calls)
            outcome = await self.manager.probe_session(TOWN, session_id, timeout_ms=CALL_MS)
            assert isinstance(outcome, Known), outcome
            assert outcome.report.state not in OVER, outcome
            if outcome.report.state is BodyState.RUNNING:
                assert outcome.report.pid is not None
                return outcome.report.pid
            await self.api.wait_more(count)  # each change of state is a heartbeat or a completion

    async def output(self, session_id: SessionId) -> str:
        """What the session's agent printed."""
        found = await self.manager.find_output(TOWN, session_id, timeout_ms=CALL_MS)
        return found or ""

    def worktrees(self) -> list[str]:
        """The names of the worktrees that are left on the disk."""
        return sorted(path.name for path in (self.data_dir / "worktrees").glob("*/*"))

    def processes(self) -> list[int]:
        """The living processes that carry the mark of any instance of this world's manager."""
        found: list[int] = []
        for process in psutil.process_iter():
            try:
                marked = "BOOMTOWN_INSTANCE_ID" in process.environ()
                is_dead = process.status() == psutil.STATUS_ZOMBIE
                if marked and not is_dead and self._is_ours(process):
                    found.append(process.pid)
            except psutil.Error:
                continue
        return found

    def _is_ours(self, process: psutil.Process) -> bool:
        known: set[str] = {gone.instance_id for gone in self.gone}
        known |= {path.name for path in (self.data_dir / "containers").iterdir()}
        return process.environ()["BOOMTOWN_INSTANCE_ID"] in known

    async def _note_gone(self, gone: InstanceGone) -> None:
        self.gone.append(gone)
        self.gone_seen.set()


def mint_container_token(town_id: TownId, instance_id: InstanceId) -> str:
    return f"container-token-{instance_id}"


@asynccontextmanager
async def open_container_world(
    folder: Path,
    *,
    harnesses: dict[str, HarnessSpec] | None = None,
    limits: ContainerLimits | None = None,
) -> AsyncGenerator[ContainerWorld]:
    """A world with its manager entered; everything is ended on the way out."""
    async with open_town_api() as api:
        world = ContainerWorld(folder, api, harnesses or {}, limits or ContainerLimits())
        async with world.manager:
            yield world


def with_fields(order: StartSession, **fields: object) -> StartSession:
    """The order with other fields."""
    return msgspec.structs.replace(order, **fields)
