"""`boomtown serve` as a process: a user's class over HTTP and WebSockets, reloaded, looked into."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

from support.processes import RUN_VARIABLE, boomtown

pytestmark = pytest.mark.system

SOURCE = """
from boomtown.actors import DurableObject, Response, WebSocketPair

GREETING = "hello"


class Counter(DurableObject):
    async def increment(self, by: int = 1) -> int:
        value = (await self.ctx.storage.get("value") or 0) + by
        await self.ctx.storage.put("value", value)
        return value

    async def greet(self) -> str:
        return GREETING

    async def shelve(self, title: str) -> None:
        self.ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS book (title TEXT)")
        self.ctx.storage.sql.exec("INSERT INTO book VALUES (?)", title)

    async def arm(self, at_ms: int) -> None:
        await self.ctx.storage.set_alarm(at_ms)

    async def alarm(self) -> None:
        pass

    async def fetch(self, request):
        client, server = WebSocketPair()
        self.ctx.accept_web_socket(server)
        return Response(status=101, web_socket=client)

    async def web_socket_message(self, ws, message):
        ws.send(f"{GREETING} {message}")
"""


class Serving:
    """`boomtown serve --json` in a folder with the module `shop`."""

    def __init__(self, folder: Path, *flags: str, run_id: str) -> None:
        self.folder = folder
        self.file = folder / "shop.py"
        self.data_dir = folder / "data"
        self._log = (folder / "server.log").open("ab")
        command = (sys.executable, "-m", "boomtown", "serve", "shop:Counter", "--json")
        self.process = subprocess.Popen(
            [*command, "--port", "0", "--data-dir", str(self.data_dir), "--no-auth", *flags],
            cwd=folder,
            env={**os.environ, RUN_VARIABLE: run_id},
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self.url: str = self.wait_event("ready")["url"]

    def wait_event(self, name: str) -> dict[str, Any]:
        """The next line that tells of it."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            told = msgspec.json.decode(line, type=dict[str, Any])
            if told["event"] == name:
                return told
        raise AssertionError(f"no {name}: {(self.folder / 'server.log').read_text()}")

    def command(self, *arguments: str) -> Any:
        """Run a command against this server."""
        return boomtown(*arguments, "--data-dir", str(self.data_dir), cwd=self.folder, env={})

    def facts(self, *arguments: str) -> list[dict[str, Any]]:
        """What a command with --json says."""
        done = self.command(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return [msgspec.json.decode(line) for line in done.stdout.splitlines()]

    def end(self) -> int:
        self.process.terminate()
        code = self.process.wait(timeout=60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._log.close()
        return code


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(SOURCE)
    return tmp_path


@pytest.fixture
def serving(folder: Path, run_id: str) -> Iterator[Serving]:
    started = Serving(folder, run_id=run_id)
    yield started
    assert started.end() == 0


async def rpc(http: ClientSession, serving: Serving, method: str, *arguments: Any) -> Any:
    url = f"{serving.url}/actors/Counter/visits/rpc/{method}"
    async with http.post(url, json=list(arguments)) as answer:
        assert answer.status == 200, await answer.text()
        return (await answer.json())["data"]


async def test_a_class_is_served_over_http_and_web_sockets(serving: Serving) -> None:
    async with ClientSession() as http:
        assert await rpc(http, serving, "increment", 2) == 2
        ws: ClientWebSocketResponse[bool]
        async with http.ws_connect(f"{serving.url}/actors/Counter/visits/talk") as ws:
            await ws.send_str("you")
            assert await ws.receive_str() == "hello you"


async def test_a_changed_file_is_served_and_what_was_stored_is_kept(
    folder: Path, run_id: str
) -> None:
    serving = Serving(folder, "--reload", run_id=run_id)
    async with ClientSession() as http:
        assert await rpc(http, serving, "increment") == 1
        ws = await http.ws_connect(f"{serving.url}/actors/Counter/visits/talk")
        serving.file.write_text(SOURCE.replace('"hello"', '"broken'))
        assert "SyntaxError" in serving.wait_event("not_reloaded")["message"]
        assert await rpc(http, serving, "greet") == "hello"
        serving.file.write_text(SOURCE.replace('"hello"', '"howdy"'))
        assert serving.wait_event("ready")["url"] == serving.url
        message = await ws.receive()
        assert (message.type, message.data) == (WSMsgType.CLOSE, 1001)
        assert await rpc(http, serving, "greet") == "howdy"
        assert await rpc(http, serving, "increment") == 2
    assert serving.end() == 0


async def test_the_command_line_looks_into_objects(serving: Serving) -> None:
    async with ClientSession() as http:
        await rpc(http, serving, "increment")
        await rpc(http, serving, "shelve", "Emma")
        await rpc(http, serving, "arm", 4_000_000_000_000)
    (one,) = serving.facts("ls", "Counter")
    assert (one["class"], one["name"], one["is_live"]) == ("Counter", "visits", True)
    assert "Counter" in serving.command("ls").stdout
    (detail,) = serving.facts("inspect", "Counter/visits")
    assert (detail["keys"], detail["tables"]) == (["value"], ["book"])
    assert serving.facts("inspect", f"Counter/{one['id']}")[0]["id"] == one["id"]
    (alarm,) = serving.facts("alarms")
    assert (alarm["name"], alarm["scheduled_at"]) == ("visits", "2096-10-02T07:06:40.000Z")
    (rows,) = serving.facts("sql", "Counter/visits", "SELECT * FROM book WHERE title = ?", "Emma")
    assert (rows["columns"], rows["rows"]) == (["title"], [["Emma"]])
    refused = serving.command("sql", "Counter/visits", "DELETE FROM book")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "may only read" in refused.stderr
    wrote = serving.command("sql", "Counter/visits", "DELETE FROM book", "--write")
    assert (wrote.returncode, wrote.stdout) == (0, "1 rows written\n")
    missing = serving.command("inspect", "Counter/nobody")
    assert (missing.returncode, len(missing.stderr.splitlines())) == (1, 1)
    assert serving.command("inspect", "Counter").returncode == 2


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("shop", "expected MODULE:CLASS"),
        ("nowhere:Counter", "ModuleNotFoundError"),
        ("shop:Nobody", "no class"),
        ("shop:GREETING", "not a DurableObject"),
        ("boomtown.actors.town.town:Town", "boomtown's own"),
    ],
)
def test_what_cannot_be_served_is_a_usage_error(folder: Path, target: str, why: str) -> None:
    done = boomtown("serve", target, "--port", "0", cwd=folder, env={})
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert why in done.stderr


def test_no_server_is_exit_code_3(folder: Path) -> None:
    for command in (("ls",), ("alarms",), ("inspect", "A/b"), ("sql", "A/b", "SELECT 1")):
        assert boomtown(*command, cwd=folder, env={}).returncode == 3
