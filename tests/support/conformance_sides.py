"""The two sides of the differential harness: this runtime, and a real workerd.

A side runs one script in an object of its own and answers, per call, `{"results": [...]}` or
`{"failed": ...}`. workerd is npm's package, installed into a folder that git ignores; it listens
on loopback, and is ended by the process that started it.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import aiohttp

from boomtown.actors import Host, Namespace
from boomtown.entropy import SeededEntropy, SystemSecrets
from boomtown.testing import ManualClock
from boomtown.wire import decode_json, encode_json
from support.conformance_object import Script, call_failure
from support.workerd_program import COMPATIBILITY_DATE as COMPATIBILITY_DATE
from support.workerd_program import ROOT as ROOT
from support.workerd_program import WORKERD_VERSION as WORKERD_VERSION
from support.workerd_program import install_workerd as install_workerd

Call = dict[str, Any]
Answer = dict[str, Any]

WORKERS = ("case_worker.js", "script_worker.js")
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
  modules = [
    (name = "case_worker.js", esModule = embed "case_worker.js"),
    (name = "script_worker.js", esModule = embed "script_worker.js"),
  ],
  compatibilityDate = "%s",
  durableObjectNamespaces = [
    (className = "Script", uniqueKey = "script", enableSql = true),
    (className = "Case", uniqueKey = "case", enableSql = true),
    (className = "Plain", uniqueKey = "plain", enableSql = true),
  ],
  durableObjectStorage = (localDisk = "disk"),
  bindings = [
    (name = "SCRIPT", durableObjectNamespace = "Script"),
    (name = "CASE", durableObjectNamespace = "Case"),
    (name = "PLAIN", durableObjectNamespace = "Plain"),
  ],
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
async def open_runtime(folder: Path) -> AsyncGenerator[RuntimeSide]:
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
        return await self._post("", name, calls)

    async def run_case(self, name: str, calls: list[Call]) -> list[Answer]:
        """What each call of a single case's script said (case_operations.py)."""
        return await self._post("case", name, calls)

    async def _post(self, path: str, name: str, calls: list[Call]) -> list[Answer]:
        body = {"name": name, "calls": calls}
        async with self._session.post(f"{self._url}{path}", json=body) as response:
            response.raise_for_status()
            answers: list[Answer] = await response.json()
            return answers


@asynccontextmanager
async def open_workerd(program: Path, folder: Path) -> AsyncGenerator[WorkerdSide]:
    """workerd with its files in `folder`; its port is told through a pipe."""
    disk = folder / "disk"
    disk.mkdir(parents=True)
    for worker in WORKERS:
        (folder / worker).write_text((ROOT / "tests" / "differential" / worker).read_text())
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
            process.kill()  # it would finish its requests first, and one may hang
        await process.wait()
