"""The whole system, composed: what it says once it serves, whom it lets in, how it goes down.

Everything is real: files, sockets on loopback, container processes, git.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from boomtown.actors import DurableObject
from boomtown.client import BoomtownClient, ServerRefused, ServerUnreachable
from boomtown.clock import SystemClock
from boomtown.compose import PortInUse, RunningServer, open_server
from boomtown.data_directory import DataDirectoryInUse, find_running_server
from boomtown.entropy import SeededEntropy, SystemSecrets
from boomtown.error_codes import ErrorCode
from boomtown.errors import InvalidRequest
from boomtown.settings import HarnessSetting, Settings
from support.git_origin import GitOrigin

BOUND_S = 60.0


class Counter(DurableObject):
    """Counts, and keeps the count."""

    async def increment(self) -> int:
        value: int = await self.ctx.storage.get("value") or 0
        await self.ctx.storage.put("value", value + 1)
        return value + 1


def settings_of(folder: Path, **more: Any) -> Settings:
    return Settings(port=0, data_dir=folder / "data", **more)


@asynccontextmanager
async def open_with(
    settings: Settings, classes: dict[str, type[DurableObject]] | None = None
) -> AsyncGenerator[RunningServer]:
    async with open_server(
        settings,
        clock=SystemClock(),
        entropy=SeededEntropy(),
        secrets=SystemSecrets(),
        classes=classes or {},
    ) as server:
        yield server


def key_of(server: RunningServer) -> str:
    return server.operator_key_file.read_text().strip()


class AccessLines(logging.Handler):
    """The access log of a server in this process, to be waited for."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[str] = []
        self._came = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        self._came.set()

    def of(self, call: str, status: int) -> list[str]:
        return [line for line in self.lines if f"{call} {status} " in line]

    async def wait_for(self, call: str, status: int) -> None:
        async with asyncio.timeout(BOUND_S):
            while not self.of(call, status):
                self._came.clear()
                await self._came.wait()


@pytest.fixture
def access() -> Iterator[AccessLines]:
    handler, front = AccessLines(), logging.getLogger("boomtown.http")
    before = front.level
    front.setLevel(logging.INFO)
    front.addHandler(handler)
    yield handler
    front.removeHandler(handler)
    front.setLevel(before)


async def test_a_server_asks_for_its_key(tmp_path: Path) -> None:
    async with open_with(settings_of(tmp_path)) as server:
        assert server.url.startswith("http://127.0.0.1:")
        assert (server.pid, server.is_loopback) == (os.getpid(), True)
        assert server.operator_key_file.stat().st_mode & 0o777 == 0o600
        async with BoomtownClient(server.url) as stranger:
            assert (await stranger.health())["status"] == "ok"
            with pytest.raises(ServerRefused) as refused:
                await stranger.list_towns("local")
            assert (refused.value.status, refused.value.code) == (401, "UNAUTHENTICATED")
        async with BoomtownClient(server.url, key=key_of(server)) as client:
            made = await client.create_town("local", "boom")
            assert [town["id"] for town in await client.list_towns("local")] == [made["id"]]


async def test_without_auth_anybody_on_this_machine_is_served(tmp_path: Path) -> None:
    async with (
        open_with(settings_of(tmp_path, no_auth=True)) as server,
        BoomtownClient(server.url) as client,
    ):
        town = await client.create_town("ann", "boom")
        assert (await client.town_status(town["id"]))["paused"] is False
        owners = await client.request("GET", "/api/owners")
        assert [owner["name"] for owner in owners] == ["ann", "local"]


async def test_the_next_life_has_the_same_key_and_what_was_kept(tmp_path: Path) -> None:
    seen: list[tuple[str, int]] = []
    for _ in range(2):
        async with (
            open_with(settings_of(tmp_path), {"Counter": Counter}) as server,
            BoomtownClient(server.url, key=key_of(server)) as client,
        ):
            path = "/actors/Counter/visits/rpc/increment"
            seen.append((key_of(server), await client.request("POST", path, [])))
    assert [count for _, count in seen] == [1, 2]
    assert seen[0][0] == seen[1][0]


async def test_an_ended_server_has_given_everything_back(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    async with open_with(settings) as server:
        holder = find_running_server(settings.data_dir)
        assert holder is not None
        assert holder.address == server.url
    assert find_running_server(settings.data_dir) is None
    async with BoomtownClient(server.url) as client:
        with pytest.raises(ServerUnreachable):
            await client.health()


async def test_a_block_that_raises_ends_the_server_too(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    with pytest.raises(RuntimeError, match="of the block"):
        async with open_with(settings):
            raise RuntimeError("of the block")
    assert find_running_server(settings.data_dir) is None


async def test_shutdown_over_http_sets_the_event_and_goes_on_serving(tmp_path: Path) -> None:
    async with (
        open_with(settings_of(tmp_path)) as server,
        BoomtownClient(server.url, key=key_of(server)) as client,
    ):
        await client.shutdown()
        assert server.shutdown.is_set()
        assert (await client.health())["status"] == "ok"


async def test_containers_end_while_the_front_still_answers(
    tmp_path: Path, access: AccessLines
) -> None:
    """A session that runs when the server ends reports its end over HTTP, and is answered."""
    origin = GitOrigin(tmp_path / "git")
    settings = settings_of(tmp_path, allow_local_git=True, no_auth=True)
    async with open_with(settings) as server, BoomtownClient(server.url) as client:
        town = await client.create_town("local", "boom")
        rig = await client.create_rig("local", town_id=town["id"], name="r", git_url=origin.url)
        body = "```recipe\nsleep 300\n```"
        path = f"/api/towns/{town['id']}/rigs/{rig['id']}/sling"
        await client.request("POST", path, {"title": "wait", "body": body})
        await access.wait_for("/heartbeat", 200)
        (session,) = await client.list_sessions(town["id"])
        assert session["ended_at"] is None
        assert access.of("/completed", 202) == []
    assert len(access.of("/completed", 202)) == 1


async def test_a_port_in_use_names_its_holder(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        settings = Settings(port=port, data_dir=tmp_path / "data")
        with pytest.raises(PortInUse) as refused:
            async with open_with(settings):
                raise AssertionError("it cannot listen there")
    message = str(refused.value)
    assert message.startswith(f"port {port} is in use by process {os.getpid()} (")
    assert message.endswith("); choose --port")
    assert find_running_server(settings.data_dir) is None


async def test_an_address_that_is_not_this_machines_is_said_plainly(tmp_path: Path) -> None:
    settings = Settings(host="192.0.2.1", port=0, data_dir=tmp_path / "data")
    with pytest.raises(PortInUse, match=r"^cannot listen on 192\.0\.2\.1:0: .+; choose --port$"):
        async with open_with(settings):
            raise AssertionError("it cannot listen there")


async def test_a_data_directory_serves_one_at_a_time(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    async with open_with(settings) as server:
        with pytest.raises(DataDirectoryInUse, match=server.url):
            async with open_with(settings):
                raise AssertionError("it is in use")


@pytest.mark.parametrize("command", ["", "agent 'unclosed", "agent {nonsense}"])
async def test_a_harness_whose_command_cannot_be_starts_no_server(
    tmp_path: Path, command: str
) -> None:
    settings = settings_of(tmp_path, harnesses={"mine": HarnessSetting(command=command)})
    with pytest.raises(InvalidRequest) as refused:
        async with open_with(settings):
            raise AssertionError("it cannot be")
    assert refused.value.code == ErrorCode.AGENT_COMMAND_NOT_FOUND
    assert find_running_server(settings.data_dir) is None
