"""Git over HTTP at our forge, with the git program on the other side, too."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from boomtown.clock import SystemClock
from boomtown.container_sim.forge.addresses import ForgeSite, find_repository
from boomtown.container_sim.forge.server import RunningForge, open_forge
from boomtown.container_sim.git import Git
from boomtown.container_sim.git_environment import git_environment
from boomtown.container_sim.model import Repository
from boomtown.entropy import SystemSecrets
from boomtown.error_codes import ErrorCode
from boomtown.errors import Unavailable
from boomtown.limits import ForgeLimits
from support.container_orders import RIG
from support.git_origin import GitOrigin

pytestmark = pytest.mark.system


class GitClient:
    """The git program with a token in its address."""

    def __init__(self, folder: Path, forge: RunningForge) -> None:
        self.folder = folder
        self.base_url = forge.base_url
        self.token = forge.folder.token_file.read_text().strip()
        self._environment = git_environment(
            os.environ, author_name="Tester", author_email="tester@localhost"
        )

    def url(self, name: str = "acme/widgets", *, token: str | None = None) -> str:
        user = f"x-access-token:{self.token if token is None else token}"
        return f"{self.base_url}/{name}.git".replace("://", f"://{user}@")

    async def run(self, *arguments: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            "git",
            *arguments,
            cwd=self.folder,
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        output, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, output.decode().strip()


@asynccontextmanager
async def serving(tmp_path: Path) -> AsyncGenerator[tuple[GitOrigin, GitClient, RunningForge]]:
    origin = GitOrigin(tmp_path)
    owner = tmp_path / "forge" / "repos" / "acme"
    owner.mkdir(parents=True)
    (owner / "widgets.git").symlink_to(origin.path)
    async with open_forge(
        tmp_path / "forge", 0, SystemClock(), SystemSecrets(), ForgeLimits(), os.environ
    ) as forge:
        yield origin, GitClient(tmp_path, forge), forge


async def test_clone_fetch_and_push_reach_the_repository(tmp_path: Path) -> None:
    async with serving(tmp_path) as (origin, git, _):
        assert (await git.run("clone", "--quiet", git.url(), "copy"))[0] == 0
        assert (tmp_path / "copy" / "README.md").read_text() == "hello\n"
        # Larger than one chunk, and than git sends without chunked transfer.
        (tmp_path / "copy" / "big.bin").write_bytes(os.urandom(3 * 1024 * 1024))
        assert (await git.run("-C", "copy", "add", "--all"))[0] == 0
        assert (await git.run("-C", "copy", "commit", "--quiet", "-m", "Grow"))[0] == 0
        push = ("-C", "copy", "push", "--quiet", "origin", "HEAD:refs/heads/work")
        assert (await git.run(*push))[0] == 0
        assert (await git.run("-C", "copy", "rev-parse", "HEAD"))[1] == origin.head("work")
        pushed = origin.push_file("later.md", "later\n", branch="main")
        assert (await git.run("-C", "copy", "fetch", "--quiet", "origin"))[0] == 0
        assert (await git.run("-C", "copy", "rev-parse", "origin/main"))[1] == pushed


async def test_push_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as (origin, git, _):
        assert (await git.run("clone", "--quiet", git.url(), "copy"))[0] == 0
        moved = origin.push_file("later.md", "later\n", branch="main")
        commit = ("-C", "copy", "commit", "--quiet", "--allow-empty", "-m", "Other")
        assert (await git.run(*commit))[0] == 0
        assert (await git.run("-C", "copy", "push", "--quiet", "origin", "HEAD:main"))[0] != 0
        assert origin.head("main") == moved


async def test_nobody_comes_in_without_a_token(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, git, forge):
        assert (await git.run("ls-remote", git.url()))[0] == 0
        for address in (
            git.url(token="wrong"),
            f"{git.base_url}/acme/widgets.git",
            git.url("acme/none"),
            git.url("../keys"),
        ):
            assert (await git.run("ls-remote", address))[0] != 0
        path = "/acme/widgets.git/info/refs?service=git-upload-pack"
        async with aiohttp.ClientSession() as http, http.get(forge.base_url + path) as answer:
            assert answer.status == 401
            assert answer.headers["WWW-Authenticate"].startswith("Basic")


async def test_page_of_a_pull_request_is_no_git(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, git, forge):
        header = {"Authorization": aiohttp.encode_basic_auth("x", git.token)}
        async with aiohttp.ClientSession(headers=header) as http:
            for path in ("/acme/widgets.git/config", "/acme/widgets/pull/1"):
                async with http.get(forge.base_url + path) as answer:
                    assert answer.status == 404


async def test_container_works_on_a_rig_whose_address_is_the_forges(tmp_path: Path) -> None:
    async with serving(tmp_path) as (origin, client, forge):
        url = f"{forge.base_url}/acme/widgets.git"
        site = ForgeSite(base_url=forge.base_url)
        found = find_repository(url, (site,))
        assert found is not None
        assert found.repo.full_name == "acme/widgets"
        environment = git_environment(os.environ, author_name="T", author_email="t@localhost")
        git = Git(tmp_path / "data", SystemClock(), environment=environment, command_ms_max=60_000)
        repository = Repository(rig_id=RIG, git_url=url, default_branch="main")
        await git.refresh(repository, token=client.token)
        worktree = await git.add_worktree(repository, "one", branch="work", start="main")
        assert (worktree / "README.md").read_text() == "hello\n"
        assert await git.find_remote_head(RIG, "main") == origin.head("main")
        with pytest.raises(Unavailable) as refused:
            await git.refresh(repository, token="wrong")
        assert refused.value.code is ErrorCode.GIT_UNREACHABLE
