"""Our forge as a small HTTP server: the desk behind aiohttp, over real git repositories.

Theory of operation. Everything durable is below one folder: `repos/OWNER/NAME.git`, made by
whoever wants a repository; `journal.jsonl`, which also keeps a second server out; `keys/` with the
operator's token and the admin key, made at the first start and readable by the user only;
`address`, which says where a running server listens, and is meaningless without one. It listens on
the loopback only. A crash leaves what the journal says; a merge that was cut in two is completed
when its pull request is next looked at (pull_desk.py).

Clones and pushes go to `BASE/OWNER/NAME.git` (git_serving.py). Repositories' hooks do not run.
"""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from aiohttp import web

from boomtown.clock import Clock
from boomtown.container_sim.forge import git_serving
from boomtown.container_sim.forge.desk import TOKEN_BYTES, ForgeDesk
from boomtown.container_sim.forge.git_serving import GitServing
from boomtown.container_sim.forge.journal import FileJournal, ForgeBook
from boomtown.container_sim.forge.repositories import GitRepositories
from boomtown.container_sim.forge.way import ForgeRequest
from boomtown.container_sim.git_environment import git_environment
from boomtown.entropy import Secrets
from boomtown.limits import ForgeLimits

HOST = "127.0.0.1"
BODY_BYTES_MAX = 1_048_576
GIT_COMMAND_MS_MAX = 60_000
GIT_TRANSFER_MS_MAX = 600_000  # a clone or a push, as for rigs
CLOSE_S_MAX = 1.0  # for requests that are still being answered at the end
OPERATOR = "operator"  # the account of the token that is made at the first start


class ForgeFolder(msgspec.Struct, frozen=True):
    """Where things are below the root."""

    root: Path

    @property
    def repos(self) -> Path:
        return self.root / "repos"

    @property
    def journal(self) -> Path:
        return self.root / "journal.jsonl"

    @property
    def token_file(self) -> Path:
        return self.root / "keys" / "token"

    @property
    def admin_key_file(self) -> Path:
        return self.root / "keys" / "admin-key"

    @property
    def address_file(self) -> Path:
        return self.root / "address"


class RunningForge(msgspec.Struct, frozen=True, kw_only=True):
    """A forge that listens."""

    base_url: str
    folder: ForgeFolder
    desk: ForgeDesk


@asynccontextmanager
async def open_forge(
    root: Path,
    port: int,
    clock: Clock,
    secrets: Secrets,
    limits: ForgeLimits,
    environment: Mapping[str, str],
) -> AsyncGenerator[RunningForge]:
    """Serve for as long as the block lasts; port 0 takes a free one. Raises JournalInUse, and
    OSError where the port or the folder cannot be had."""
    folder = ForgeFolder(root.absolute())
    folder.repos.mkdir(parents=True, exist_ok=True)
    folder.token_file.parent.mkdir(mode=0o700, exist_ok=True)
    journal = FileJournal(folder.journal)
    listener = socket.create_server((HOST, port))
    try:
        base_url = f"http://{HOST}:{listener.getsockname()[1]}"
        git_variables = git_environment(
            environment, author_name="forge", author_email="forge@localhost"
        )
        git = GitRepositories(
            folder.repos, environment=git_variables, command_ms_max=GIT_COMMAND_MS_MAX
        )
        admin_key = _keep_key(folder.admin_key_file, lambda: secrets.token_text(TOKEN_BYTES))
        book = ForgeBook(journal)
        desk = ForgeDesk(base_url, book, git, clock, secrets, limits, admin_key=admin_key)
        _keep_key(folder.token_file, lambda: desk.grant_token(OPERATOR, is_bot=False))
        serving = GitServing(
            folder.repos,
            git,
            desk.is_token,
            environment=git_variables,
            command_ms_max=GIT_TRANSFER_MS_MAX,
        )
        runner = web.AppRunner(
            make_app(desk, serving), access_log=None, shutdown_timeout=CLOSE_S_MAX
        )
        await runner.setup()
        try:
            await web.SockSite(runner, listener).start()
            folder.address_file.write_text(base_url + "\n")
            yield RunningForge(base_url=base_url, folder=folder, desk=desk)
        finally:
            folder.address_file.unlink(missing_ok=True)
            desk.faults.clear()
            await runner.cleanup()
    finally:
        listener.close()
        journal.close()


def make_app(desk: ForgeDesk, serving: GitServing) -> web.Application:
    """The desk behind HTTP, and git beside it."""

    async def handle(request: web.Request) -> web.StreamResponse:
        answer = await desk.answer(
            ForgeRequest(
                method=request.method,
                url=f"http://{request.host}{request.path_qs}",
                headers={name.lower(): value for name, value in request.headers.items()},
                body=await request.read(),
            )
        )
        if answer is None:
            assert request.transport is not None, "nothing was answered yet"
            request.transport.abort()
            return web.Response()  # to nobody
        return web.Response(status=answer.status, headers=answer.headers, body=answer.body)

    app = web.Application(client_max_size=BODY_BYTES_MAX)
    app.router.add_route("*", git_serving.PATH, serving.handle)
    app.router.add_route("*", "/{path:.*}", handle)
    return app


def _keep_key(path: Path, make: Callable[[], str]) -> str:
    """The key of the file, which is made, whole, when there is none."""
    if path.exists():
        return path.read_text().strip()
    key = make()
    draft = path.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(key + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
    return key
