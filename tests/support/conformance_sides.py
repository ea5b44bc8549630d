"""The two sides of the differential harness: this runtime, and a real workerd.

A side runs one script in an object of its own and answers, per call, `{"results": [...]}` or
`{"failed": ...}`. workerd is npm's package, installed into a folder that git ignores; it listens
on loopback, and is ended by the process that started it.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import aiohttp

from boomtown.actors import Host, Namespace
from boomtown.entropy import SeededEntropy, SystemSecrets
from boomtown.testing import ManualClock
from boomtown.wire import decode_json, encode_json
from support.conformance_object import Script, call_failure

Call = dict[str, Any]
Answer = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".workerd-cache"
WORKERD_VERSION = "1.20261117.1"
COMPATIBILITY_DATE = "2026-11-01"
CONFIG = """
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "disk", disk = (writable = true)),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [(name = "script_worker.js", esModule = embed "script_worker.js")],
  compatibilityDate = "%s",
  durableObjectNamespaces = [(className = "Script", uniqueKey = "script", enableSql = true)],
  durableObjectStorage = (localDisk = "disk"),
  bindings = [(name = "SCRIPT", durableObjectNamespace = "Script")],
);
"""


class Side(Protocol):
    """Something that runs scripts."""

    async def run(self, name: str, calls: list[Call]) -> list[Answer]:
        """What each call of the script said; `name` is the object's, and new."""
        ...


class RuntimeSide:
    """This runtime, with files in a folder. Its clock moves a millisecond where a call waits for
    an alarm."""

    def __init__(self, objects: Namespace, clock: ManualClock) -> None:
        self._objects = objects
        self._clock = clock

    async def run(self, name: str, calls: list[Call]) -> list[Answer]:
        return [await self._call(name, call) for call in calls]

    async def _call(self, name: str, call: Call) -> Answer:
        stub = self._objects.get_by_name(name)
        try:
            if call.get("wait_alarm"):
                await self._clock.advance_ms(1)
                text: str = await stub.alarm_results()
            else:
                text = await stub.run(encode_json(call["operations"]).decode())
        except Exception as error:
            return call_failure(error)
        return {"results": decode_json(text.encode())}


@asynccontextmanager
async def open_runtime(folder: Path) -> AsyncIterator[RuntimeSide]:
    """A host whose clock hardly moves, so that no alarm of the future rings."""
    clock = ManualClock()
    host = Host(
        classes={"Script": Script},
        data_dir=folder,
        clock=clock,
        entropy=SeededEntropy(1),
        secrets=SystemSecrets(),
        bindings={"CLOCK": clock},
    )
    async with host:
        yield RuntimeSide(host.namespace("Script"), clock)


class WorkerdSide:
    """A running workerd."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def run(self, name: str, calls: list[Call]) -> list[Answer]:
        async with self._session.post(self._url, json={"name": name, "calls": calls}) as response:
            response.raise_for_status()
            answers: list[Answer] = await response.json()
            return answers


def install_workerd() -> Path | None:
    """The program, installed by npm where it is missing; None without npm or the registry."""
    program = CACHE / "node_modules" / "workerd" / "bin" / "workerd"
    manifest = CACHE / "node_modules" / "workerd" / "package.json"
    if not manifest.exists() or json.loads(manifest.read_text())["version"] != WORKERD_VERSION:
        npm = shutil.which("npm")
        if npm is None:
            return None
        CACHE.mkdir(exist_ok=True)
        package = f"workerd@{WORKERD_VERSION}"
        asked = [npm, "install", "--no-save", "--no-audit", "--no-fund", package]
        if subprocess.run(asked, cwd=CACHE, check=False, capture_output=True).returncode != 0:
            return None
    return program if program.exists() else None


@asynccontextmanager
async def open_workerd(program: Path, folder: Path) -> AsyncIterator[WorkerdSide]:
    """workerd with its files in `folder`; its port is told through a pipe."""
    disk = folder / "disk"
    disk.mkdir(parents=True)
    worker = ROOT / "tests" / "differential" / "script_worker.js"
    (folder / "script_worker.js").write_text(worker.read_text())
    config = folder / "config.capnp"
    config.write_text(CONFIG % COMPATIBILITY_DATE)
    reading, writing = os.pipe()
    with (folder / "workerd.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            str(program),
            "serve",
            str(config),
            f"--directory-path=disk={disk}",
            f"--control-fd={writing}",
            pass_fds=(writing,),
            stdout=log,
            stderr=log,
        )
    os.close(writing)
    try:
        with os.fdopen(reading, "rb") as control:
            line = await asyncio.to_thread(control.readline)
            port = json.loads(line)["port"]
            async with aiohttp.ClientSession() as session:
                yield WorkerdSide(session, f"http://127.0.0.1:{port}/")
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
