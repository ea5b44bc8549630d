"""The two servers as processes on loopback, ended by their ids.

workerd tells its port through a pipe, boomtown in the first line of its output. Each has files in
a folder of its own, which is removed by whoever gave it. boomtown starts from bytecode, as where it
is installed, whatever this process does with its own.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from support.workerd_program import COMPATIBILITY_DATE

HERE = Path(__file__).parent
END_S_MAX = 60
WORKERD_CONFIG = """
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "disk", disk = (writable = true)),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "worker.js")],
  compatibilityDate = "%s",
  durableObjectNamespaces = [(className = "Bench", uniqueKey = "bench", enableSql = true)],
  durableObjectStorage = (localDisk = "disk"),
  bindings = [(name = "BENCH", durableObjectNamespace = "Bench")],
);
"""


class Server(NamedTuple):
    """A server that answers."""

    name: str
    pid: int
    url: str  # without a slash at the end
    started_s: float  # from its exec to its first answer

    def get(self, path: str) -> bytes:
        """The body of one answer, which must be a success."""
        with urllib.request.urlopen(self.url + path, timeout=END_S_MAX) as answer:
            body: bytes = answer.read()
            return body


@contextmanager
def workerd(program: Path, folder: Path) -> Generator[Server]:
    """workerd with worker.js, its files in `folder`."""
    disk = folder / "disk"
    disk.mkdir(parents=True)
    (folder / "worker.js").write_text((HERE / "worker.js").read_text())
    config = folder / "config.capnp"
    config.write_text(WORKERD_CONFIG % COMPATIBILITY_DATE)
    reading, writing = os.pipe()
    command = [str(program), "serve", str(config), f"--directory-path=disk={disk}"]
    began = time.perf_counter()
    with (folder / "workerd.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, f"--control-fd={writing}"], pass_fds=(writing,), stdout=log, stderr=log
        )
    os.close(writing)
    try:
        with os.fdopen(reading, "rb") as control:
            port = json.loads(control.readline())["port"]
            yield _answering("workerd", process.pid, f"http://127.0.0.1:{port}", began)
    finally:
        _end(process)


@contextmanager
def boomtown(folder: Path, *, loop: str) -> Generator[Server]:
    """`boomtown serve` with bench_objects.py on the named event loop, its data in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    environment = with_bytecode()
    began = time.perf_counter()
    with (folder / "boomtown.log").open("ab") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "boomtown", "serve", "bench_objects:Bench", "--json"),
                *("--port", "0", "--no-auth", "--data-dir", str(folder / "data")),
            ],
            cwd=HERE,
            env={**environment, "BOOMTOWN_EVENT_LOOP": loop},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"boomtown did not start: {(folder / 'boomtown.log').read_text()}")
        yield _answering(f"boomtown, {loop}", process.pid, json.loads(line)["url"], began)
    finally:
        _end(process)


@functools.cache
def with_bytecode() -> Mapping[str, str]:
    """An environment in which what a server imports is compiled, and stays so."""
    folder = tempfile.mkdtemp(prefix="boomtown-bytecode-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": folder}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    compile_all = [sys.executable, "-m", "boomtown", "serve", "--help"]
    subprocess.run(compile_all, env=environment, stdout=subprocess.DEVNULL, check=True)
    return environment


def kill(server: Server) -> None:
    """End a server as a power cut does, for its next start to recover."""
    os.kill(server.pid, signal.SIGKILL)


def _answering(name: str, pid: int, url: str, began: float) -> Server:
    server = Server(name, pid, url, 0.0)
    server.get("/actors/Bench/first/noop")
    return server._replace(started_s=time.perf_counter() - began)


def _end(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    # A thread reads on: a server that has more to say must not wait for a reader.
    output = process.stdout
    if output is not None:
        threading.Thread(target=output.read, daemon=True).start()
    try:
        process.wait(END_S_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
