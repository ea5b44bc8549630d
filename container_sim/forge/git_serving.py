"""Clones, fetches and pushes over HTTP: git's own `http-backend` behind aiohttp.

The address is that of the repository's page with `.git`, so that a rig's git address names its
forge. Who comes shows a token as the password of any user, also to read. One process per request;
request and answer are passed on as they come. A client that goes away, or `command_ms_max`, ends
the process and its group; what git had not finished then has not happened, by git's own rules.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

from aiohttp import web

from boomtown.container_sim.forge.addresses import parse_name
from boomtown.container_sim.forge.repositories import ForgeRepositories
from boomtown.container_sim.process_groups import signal_group
from boomtown.errors import InvalidRequest

PATH = "/{owner}/{name}.git/{service:info/refs|git-upload-pack|git-receive-pack}"
CHUNK_BYTES = 65_536
HEADER_BYTES_MAX = 16_384
WHO = 'Basic realm="boomtown forge"'


class GitServing:
    """The handler of `PATH`."""

    def __init__(
        self,
        folder: Path,
        repositories: ForgeRepositories,
        is_token: Callable[[str], bool],
        *,
        environment: Mapping[str, str],
        command_ms_max: int,
    ) -> None:
        self._folder = folder
        self._repositories = repositories
        self._is_token = is_token
        self._environment = _with_pushes(environment)
        self._command_ms_max = command_ms_max

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if not self._is_token(_password(request.headers.get("Authorization", ""))):
            return web.Response(status=401, headers={"WWW-Authenticate": WHO})
        path = request.match_info
        try:
            facts = await self._repositories.find(parse_name(f"{path['owner']}/{path['name']}"))
        except InvalidRequest:
            facts = None
        if facts is None:
            return web.Response(status=404)
        return await self._serve(request, f"/{facts.repo.full_name}.git/{path['service']}")

    async def _serve(self, request: web.Request, path_info: str) -> web.StreamResponse:
        process = await asyncio.create_subprocess_exec(
            "git",
            "http-backend",
            cwd=self._folder,
            env={
                **self._environment,
                "GIT_PROJECT_ROOT": str(self._folder),
                "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_INFO": path_info,
                "REQUEST_METHOD": request.method,
                "QUERY_STRING": request.query_string,
                "CONTENT_TYPE": request.headers.get("Content-Type", ""),
                "HTTP_GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
                "REMOTE_USER": "forge",
                "REMOTE_ADDR": request.remote or "",
            },
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=HEADER_BYTES_MAX,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(self._command_ms_max / 1000), asyncio.TaskGroup() as tasks:
                feeding = tasks.create_task(_feed(request, process), name="git-http-feed")
                response = await _answer(request, process)
                feeding.cancel()  # git may answer without having read everything
            return response
        finally:
            if process.returncode is None:
                signal_group(process.pid, signal.SIGKILL)
                await asyncio.shield(process.wait())  # bounded: the signal cannot be refused


async def _feed(request: web.Request, process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None
    try:
        async for chunk in request.content.iter_chunked(CHUNK_BYTES):
            process.stdin.write(chunk)
            await process.stdin.drain()
    except (BrokenPipeError, ConnectionResetError):
        return  # git has read enough
    process.stdin.close()


async def _answer(request: web.Request, process: asyncio.subprocess.Process) -> web.StreamResponse:
    """What the program says, as the CGI has it: headers, an empty line, the body."""
    assert process.stdout is not None
    response = web.StreamResponse()
    while (line := (await process.stdout.readline()).strip()) != b"":
        name, _, text = line.decode("latin-1").partition(":")
        if name.lower() == "status":
            response.set_status(int(text.split()[0]))
        else:
            response.headers[name] = text.strip()
    if not response.headers:
        response.set_status(500)  # it ended before it said anything
    await response.prepare(request)
    while chunk := await process.stdout.read(CHUNK_BYTES):
        await response.write(chunk)
    await response.write_eof()
    await process.wait()
    return response


def _with_pushes(environment: Mapping[str, str]) -> dict[str, str]:
    """The same with pushes allowed, which the program else does for its own users only."""
    count = int(environment.get("GIT_CONFIG_COUNT", "0"))
    return {
        **environment,
        "GIT_CONFIG_COUNT": str(count + 1),
        f"GIT_CONFIG_KEY_{count}": "http.receivepack",
        f"GIT_CONFIG_VALUE_{count}": "true",
    }


def _password(header: str) -> str:
    kind, _, text = header.partition(" ")
    if kind.lower() != "basic":
        return ""
    try:
        return base64.b64decode(text, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""
