"""A forge without sockets and disk: the same desk and the same client over `SimRepositories`.

Theory of operation. The desk, the fold of its journal and the client are the real ones; replaced
are what carries requests (`SimWay`: a drawn time there and back, a forge that may be cut off) and
what git does (`SimForgeRepositories`, over the origins of the simulated world). A request that has
arrived is carried out whatever becomes of its sender, as by a server of its own: its task belongs
to the forge. The journal is in memory and outlives a `restart`, which forgets faults, ends what
is held and keeps everything that was told.

Repositories are the origins whose address is `BASE/OWNER/NAME.git`, from `SimForge.git_url`.
"""

from __future__ import annotations

import asyncio

from boomtown.clock import Clock
from boomtown.container_sim.forge.addresses import ForgeSite
from boomtown.container_sim.forge.client import FindToken, ForgeClient
from boomtown.container_sim.forge.desk import ForgeDesk
from boomtown.container_sim.forge.journal import ForgeBook, MemoryJournal
from boomtown.container_sim.forge.model import FailureKind, RepositoryName
from boomtown.container_sim.forge.repositories import RepositoryFacts
from boomtown.container_sim.forge.way import ForgeAnswer, ForgeRequest, NoAnswer
from boomtown.container_sim.sim_repositories import (
    MergeConflict,
    SimOrigin,
    SimRepositories,
    Tree,
    UnrelatedHistories,
)
from boomtown.container_sim.sim_timings import Span
from boomtown.entropy import Entropy, Secrets
from boomtown.limits import ForgeLimits

SIM_BASE_URL = "https://forge.invalid"
SIM_ADMIN_KEY = "admin-key"
DEFAULT_BRANCH = "main"
WAY = Span(1, 40)  # of a request, and again of its answer


class SimForge:
    """One simulated forge. `is_reachable` may be switched by a test or a fault."""

    def __init__(
        self,
        repositories: SimRepositories,
        clock: Clock,
        entropy: Entropy,
        secrets: Secrets,
        limits: ForgeLimits,
        *,
        base_url: str = SIM_BASE_URL,
    ) -> None:
        self.site = ForgeSite(base_url=base_url)
        self.is_reachable = True
        self._repositories = SimForgeRepositories(repositories, base_url)
        self._clock = clock
        self._entropy = entropy
        self._secrets = secrets
        self._limits = limits
        self._journal = MemoryJournal()
        self._tasks: list[asyncio.Task[ForgeAnswer | None]] = []
        self.desk = self._open_desk()

    def git_url(self, full_name: str) -> str:
        """The address under which an origin is this forge's repository `owner/name`."""
        return f"{self.site.base_url}/{full_name}.git"

    def make_client(self, find_token: FindToken) -> ForgeClient:
        return ForgeClient(
            self.site,
            SimWay(self, self._clock, self._entropy),
            self._clock,
            self._limits,
            find_token=find_token,
        )

    def restart(self) -> None:
        """What was being carried out is not, or is done; the journal stays."""
        self.close()
        self.desk = self._open_desk()

    def close(self) -> None:
        """Give up what is held."""
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()

    async def carry_out(self, request: ForgeRequest) -> ForgeAnswer:
        """What the desk answers; whoever stops waiting for it stops nothing. Raises NoAnswer."""
        task = asyncio.get_running_loop().create_task(
            self.desk.answer(request), name="forge-request"
        )
        self._tasks.append(task)
        task.add_done_callback(self._forget)
        # Not the task itself: that may be cancelled by a restart, which is no end of the waiter.
        await asyncio.wait([task])
        if task.cancelled():
            raise NoAnswer(FailureKind.UNREACHABLE, "the forge was restarted")
        answer = task.result()
        if answer is None:
            raise NoAnswer(FailureKind.UNREACHABLE, "the connection ended")
        return answer

    def _open_desk(self) -> ForgeDesk:
        return ForgeDesk(
            self.site.base_url,
            ForgeBook(self._journal),
            self._repositories,
            self._clock,
            self._secrets,
            self._limits,
            admin_key=SIM_ADMIN_KEY,
        )

    def _forget(self, task: asyncio.Task[ForgeAnswer | None]) -> None:
        if task in self._tasks:
            self._tasks.remove(task)


class SimWay:
    """Satisfies ForgeWay."""

    def __init__(self, forge: SimForge, clock: Clock, entropy: Entropy) -> None:
        self._forge = forge
        self._clock = clock
        self._entropy = entropy

    async def send(self, request: ForgeRequest, *, timeout_ms: int) -> ForgeAnswer:
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                await self._spend()
                answer = await self._forge.carry_out(request)
                await self._spend()
        except TimeoutError as error:
            raise NoAnswer(FailureKind.TIMEOUT, f"no answer within {timeout_ms} ms") from error
        if request.tail_bytes is None:
            return answer
        body = answer.body[-request.tail_bytes :]
        return ForgeAnswer(status=answer.status, headers=answer.headers, body=body)

    async def close(self) -> None:
        """There is nothing to close."""

    async def _spend(self) -> None:
        span_ms = WAY.draw(self._entropy, label="sim.forge_way_ms")
        await self._clock.sleep_until_ms(self._clock.now_ms() + span_ms)
        if not self._forge.is_reachable:
            raise NoAnswer(FailureKind.UNREACHABLE, "no way to the forge")


class SimForgeRepositories:
    """Satisfies ForgeRepositories over the origins of a simulated world; each method is a step."""

    def __init__(self, repositories: SimRepositories, base_url: str) -> None:
        self._repositories = repositories
        self._base_url = base_url

    async def find(self, repo: RepositoryName) -> RepositoryFacts | None:
        for url in self._repositories.origins:
            name = url.removeprefix(f"{self._base_url}/").removesuffix(".git")
            if name.lower() == repo.key:
                owner, _, rest = name.partition("/")
                return RepositoryFacts(RepositoryName(owner=owner, name=rest), DEFAULT_BRANCH)
        return None

    async def find_head(self, repo: RepositoryName, branch: str) -> str | None:
        return self._origin(repo).branches.get(branch)

    async def has_commit(self, repo: RepositoryName, sha: str) -> bool:
        return self._repositories.has_commit(sha)

    async def is_ancestor(self, repo: RepositoryName, *, older: str, newer: str) -> bool:
        return self._repositories.is_ancestor(older, newer)

    async def can_merge(self, repo: RepositoryName, *, base_sha: str, head_sha: str) -> bool:
        return self._merge_trees(base_sha, head_sha) is not None

    async def make_merge(
        self, repo: RepositoryName, *, base_sha: str, head_sha: str, message: str, squash: bool
    ) -> str | None:
        tree = self._merge_trees(base_sha, head_sha)
        if tree is None:
            return None
        parents = (base_sha,) if squash else (base_sha, head_sha)
        return self._repositories.commit(tree, parents, message)

    async def move_branch(
        self, repo: RepositoryName, branch: str, *, old_sha: str, new_sha: str
    ) -> bool:
        origin = self._origin(repo)
        if origin.branches.get(branch) != old_sha:
            return False
        origin.branches[branch] = new_sha
        return True

    def _merge_trees(self, base_sha: str, head_sha: str) -> Tree | None:
        try:
            return self._repositories.merge_trees(base_sha, head_sha)
        except (MergeConflict, UnrelatedHistories):
            return None

    def _origin(self, repo: RepositoryName) -> SimOrigin:
        """By its spelled name, which `find` gave. The forge reaches its own disk, whoever else is
        cut off from the origin."""
        return self._repositories.origins[f"{self._base_url}/{repo.full_name}.git"]
