"""Two worlds with one face for the forge's conformance suite: our server with git, and memory."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Protocol

from boomtown.clock import Clock, SystemClock
from boomtown.container_sim.forge.addresses import ForgeSite
from boomtown.container_sim.forge.client import ForgeClient
from boomtown.container_sim.forge.desk import ForgeDesk
from boomtown.container_sim.forge.http_way import HttpWay
from boomtown.container_sim.forge.model import RepositoryName
from boomtown.container_sim.forge.operator_calls import OperatorCalls
from boomtown.container_sim.forge.server import open_forge
from boomtown.container_sim.forge.sim_forge import SimForge
from boomtown.container_sim.sim_repositories import SimRepositories
from boomtown.entropy import SystemSecrets
from boomtown.limits import ForgeLimits
from boomtown.sim.choices import Choices, ChosenEntropy, CountingSecrets
from boomtown.sim.virtual_loop import VirtualClock, VirtualLoop, run_virtually
from support.git_origin import GitOrigin

REPO = RepositoryName(owner="acme", name="widgets")
CALL_MS = 30_000
# Small, so that a few items are several pages; a log that is longer than its tail is short, too.
LIMITS = ForgeLimits(page_items=2, pages_max=3, log_tail_bytes=64, comments_per_thread_max=2)


class ForgeWorld(Protocol):
    """A forge with one repository, which has one commit on `main`."""

    @property
    def clock(self) -> Clock: ...
    @property
    def site(self) -> ForgeSite: ...
    @property
    def desk(self) -> ForgeDesk:
        """The present one: another after each restart."""
        ...

    def make_client(self, token: str | None) -> ForgeClient: ...
    def push_file(self, path: str, text: str, *, branch: str) -> str: ...
    def push_merge(self, branch: str) -> str:
        """Move `main` forward to the branch's head, as somebody with git would; the head."""
        ...

    def head(self, branch: str) -> str: ...
    def show(self, branch: str, path: str) -> str: ...
    def delete_branch(self, branch: str) -> None: ...
    def parents(self, branch: str) -> list[str]:
        """Those of the branch's newest commit."""
        ...

    async def cut_off(self) -> None:
        """From now on the forge is not reached."""
        ...

    async def restart(self) -> None: ...


ForgeCase = Callable[[ForgeWorld], Awaitable[None]]


class RealForgeWorld:
    """Our server on the loopback, and the git program."""

    def __init__(self, folder: Path) -> None:
        self._root = folder / "forge"
        self._origin = GitOrigin(folder)
        self._stack = AsyncExitStack()
        self._clients: list[ForgeClient] = []
        self.clock = SystemClock()
        self.push_file = self._push_file
        self.head = self._origin.head
        self.show = self._origin.show
        owner = self._root / "repos" / REPO.owner
        owner.mkdir(parents=True)
        (owner / f"{REPO.name}.git").symlink_to(self._origin.path)

    async def start(self, port: int) -> None:
        forge = await self._stack.enter_async_context(
            open_forge(self._root, port, self.clock, SystemSecrets(), LIMITS, os.environ)
        )
        self.site = ForgeSite(base_url=forge.base_url)
        self.desk = forge.desk

    async def close(self) -> None:
        for client in self._clients:
            await client.close()
        await self._stack.aclose()

    def make_client(self, token: str | None) -> ForgeClient:
        way = HttpWay(body_bytes_max=LIMITS.body_bytes_max)
        client = ForgeClient(self.site, way, self.clock, LIMITS, find_token=lambda _: token)
        self._clients.append(client)
        return client

    def _push_file(self, path: str, text: str, *, branch: str) -> str:
        return self._origin.push_file(path, text, branch=branch)

    def push_merge(self, branch: str) -> str:
        self._origin.git("update-ref", "refs/heads/main", self.head(branch))
        return self.head(branch)

    def delete_branch(self, branch: str) -> None:
        self._origin.git("branch", "--quiet", "-D", branch)

    def parents(self, branch: str) -> list[str]:
        return self._origin.git("rev-parse", f"{branch}^@").split()

    async def cut_off(self) -> None:
        await self._stack.aclose()

    async def restart(self) -> None:
        port = int(self.site.base_url.rpartition(":")[2])
        await self._stack.aclose()
        await self.start(port)


class SimForgeWorld:
    """Memory, under virtual time."""

    def __init__(self, clock: VirtualClock, seed: int) -> None:
        self.clock = clock
        self._repositories = SimRepositories()
        self._forge = SimForge(
            self._repositories,
            clock,
            ChosenEntropy(Choices(seed=seed)),
            CountingSecrets(),
            LIMITS,
        )
        self._url = self._forge.git_url(REPO.full_name)
        self._origin = self._repositories.add_origin(self._url, {"README.md": b"hello\n"})
        self.site = self._forge.site

    @property
    def desk(self) -> ForgeDesk:
        return self._forge.desk

    def close(self) -> None:
        self._forge.close()

    def make_client(self, token: str | None) -> ForgeClient:
        return self._forge.make_client(lambda _: token)

    def push_file(self, path: str, text: str, *, branch: str) -> str:
        return self._repositories.push_file(self._url, path, text, branch=branch)

    def push_merge(self, branch: str) -> str:
        self._origin.branches["main"] = self.head(branch)
        return self.head(branch)

    def head(self, branch: str) -> str:
        return self._origin.branches[branch]

    def show(self, branch: str, path: str) -> str:
        text = self._repositories.find_file(self._url, branch, path)
        assert text is not None
        return text.strip()

    def delete_branch(self, branch: str) -> None:
        del self._origin.branches[branch]

    def parents(self, branch: str) -> list[str]:
        return list(self._repositories.get_commit(self.head(branch)).parents)

    async def cut_off(self) -> None:
        self._forge.is_reachable = False

    async def restart(self) -> None:
        self._forge.restart()


def run_real_forge(case: ForgeCase, folder: Path) -> None:
    async def run() -> None:
        world = RealForgeWorld(folder)
        await world.start(0)
        try:
            await case(world)
        finally:
            await world.close()

    asyncio.run(run())


def run_simulated_forge(case: ForgeCase, *, seed: int) -> None:
    async def run(loop: VirtualLoop) -> None:
        world = SimForgeWorld(VirtualClock(loop), seed)
        try:
            await case(world)
        finally:
            world.close()

    run_virtually(run, Choices(seed=seed))


def operator_of(world: ForgeWorld, client: ForgeClient) -> OperatorCalls:
    """Further calls with the client's token."""
    return OperatorCalls(world.site, client, timeout_ms=CALL_MS)
