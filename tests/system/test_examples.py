"""The examples, run as their first lines say: as programs, and by `boomtown serve`."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from support.processes import RUN_VARIABLE

pytestmark = pytest.mark.system

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run_example(name: str, folder: Path, run_id: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)],
        cwd=folder,
        env={**os.environ, RUN_VARIABLE: run_id},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_the_counter_goes_on_counting_in_the_next_process(tmp_path: Path, run_id: str) -> None:
    assert run_example("counter.py", tmp_path, run_id) == ["counted 1 2 3"]
    assert run_example("counter.py", tmp_path, run_id) == ["counted 4 5 6"]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert run_example("counter.py", elsewhere, run_id) == ["counted 1 2 3"]


class Served:
    """`boomtown serve` in the folder of the examples, with all of their classes."""

    TARGETS = (
        "counter:Counter",
        "chat_room:ChatRoom",
        "rate_limiter:RateLimiter",
        "job_runner:JobRunner",
        "file_server:FileServer",
    )

    def __init__(self, folder: Path, run_id: str) -> None:
        self._log = (folder / "server.log").open("wb")
        flags = ("--json", "--no-auth", "--port", "0", "--data-dir", str(folder / "data"))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "boomtown", "serve", *self.TARGETS, *flags],
            cwd=EXAMPLES,
            env={**os.environ, RUN_VARIABLE: run_id, "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, (folder / "server.log").read_text()
        self.url: str = msgspec.json.decode(line)["url"]

    def end(self) -> int:
        """Ask it to end; its exit code."""
        self._process.terminate()
        assert self._process.stdout is not None
        self._process.stdout.read()
        self._process.stdout.close()
        self._log.close()
        return self._process.wait(timeout=60)


class Caller:
    """Calls the served objects over the network."""

    def __init__(self, http: ClientSession, url: str) -> None:
        self.http = http
        self.url = url

    async def rpc(self, path: str, *arguments: Any) -> Any:
        name, method = path.rsplit("/", 1)
        url = f"{self.url}/actors/{name}/rpc/{method}"
        async with self.http.post(url, json=list(arguments)) as answer:
            assert answer.status == 200, await answer.text()
            return (await answer.json())["data"]


@pytest.fixture
def served(tmp_path: Path, run_id: str) -> Iterator[Served]:
    started = Served(tmp_path, run_id)
    yield started
    assert started.end() == 0


@pytest.fixture
async def caller(served: Served) -> AsyncIterator[Caller]:
    async with ClientSession() as http:
        yield Caller(http, served.url)


async def test_the_examples_are_served_over_the_network(caller: Caller) -> None:
    assert await caller.rpc("Counter/visits/increment", 2) == 2
    assert await caller.rpc("RateLimiter/ann/take", 10) == 0
    assert 0 < await caller.rpc("RateLimiter/ann/take", 10) <= 2_000
    await talk(caller)
    await run_a_job(caller)
    await ask_a_container(caller)


async def talk(caller: Caller) -> None:
    room = f"{caller.url}/actors/ChatRoom/lobby/"
    async with (
        caller.http.ws_connect(f"{room}?name=Ann") as ann,
        caller.http.ws_connect(f"{room}?name=Bob") as bob,
    ):
        await bob.send_str("hello")
        told = [await ann.receive_str() for _ in range(3)]
    assert told == ["Ann has come", "Bob has come", "Bob: hello"]
    async with caller.http.get(room) as answer:
        assert (await answer.json())[:3] == told


async def run_a_job(caller: Caller) -> None:
    taken: asyncio.Queue[tuple[str | None, str]] = asyncio.Queue()

    async def take(request: web.Request) -> web.Response:
        await taken.put((request.headers.get("Idempotency-Key"), await request.text()))
        return web.Response()

    app = web.Application()
    app.router.add_post("/hook", take)
    async with TestServer(app) as hook:
        job = ("j1", str(hook.make_url("/hook")), "do it")
        assert await caller.rpc("JobRunner/mine/submit", *job) == "waiting"
        assert await taken.get() == ("j1", "do it")


async def ask_a_container(caller: Caller) -> None:
    server = f"{caller.url}/actors/FileServer/mine"
    async with caller.http.get(f"{server}/") as answer:
        assert (answer.status, "Directory listing" in await answer.text()) == (200, True)
    assert await caller.rpc("FileServer/mine/run", "print(6 * 7)") == "42\n"
    async with caller.http.get(f"{server}/-/status") as answer:
        assert await answer.json() == {"status": "healthy", "starts": 1}
