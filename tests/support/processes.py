"""Real servers and commands for system tests: started, watched, ended by their id.

Every child carries BOOMTOWN_TEST_RUN (decisions 67): `processes_of_run` finds what is left of a
run, whatever its parent. Waiting is for a condition, looked at again and again within a bound that
only a broken system reaches.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib import error, request

import msgspec
import psutil

BOUND_S = 60.0
RUN_VARIABLE = "BOOMTOWN_TEST_RUN"
MARK_SEPARATOR = "."  # no letter of a mark


def boomtown(*arguments: str, cwd: Path, env: dict[str, str], bound_s: float = 120) -> Any:
    """Run the command line to its end: a CompletedProcess with text."""
    return subprocess.run(
        [sys.executable, "-m", "boomtown", *arguments],
        cwd=cwd,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,  # whoever asks a question gets no answer
        capture_output=True,
        text=True,
        timeout=bound_s,
        check=False,
    )


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    """The first true answer of `condition`."""
    wake = threading.Event()
    deadline = time.monotonic() + BOUND_S
    while time.monotonic() < deadline:
        if found := condition():
            return found
        wake.wait(0.02)
    raise AssertionError(f"not within {BOUND_S:.0f} s: {what}")


def processes_of_run(run_id: str) -> list[psutil.Process]:
    """Every living process that carries the run's mark, or one that was made within it."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            is_alive = process.status() != psutil.STATUS_ZOMBIE
            mark = process.environ().get(RUN_VARIABLE, "") if is_alive else ""
            if mark == run_id or mark.startswith(run_id + MARK_SEPARATOR):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


class DevServer:
    """`boomtown dev --json` on a data directory."""

    def __init__(self, folder: Path, *flags: str, run_id: str, env: dict[str, str]) -> None:
        self.data_dir = folder / "data"
        self._log = (folder / "server.log").open("ab")
        command = (sys.executable, "-m", "boomtown", "dev", "--json")
        self.process = subprocess.Popen(
            [*command, "--data-dir", str(self.data_dir), *flags],
            cwd=folder,
            env={**os.environ, **env, RUN_VARIABLE: run_id},
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self.ready = self._read_until_ready()
        self.url: str = self.ready["url"]
        self.key = Path(self.ready["key_file"]).read_text().strip()

    def _lines(self) -> Iterator[dict[str, Any]]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            yield msgspec.json.decode(line, type=dict[str, Any])

    def _read_until_ready(self) -> dict[str, Any]:
        for line in self._lines():
            if line["event"] == "ready":
                return line
        self._log.flush()
        raise AssertionError(f"the server did not start: {Path(self._log.name).read_text()}")

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """One request as the operator: status, decoded body."""
        data = None if body is None else msgspec.json.encode(body)
        sent = request.Request(self.url + path, data=data, method=method)
        sent.add_header("Authorization", f"Bearer {self.key}")
        for name, value in headers.items():
            sent.add_header(name.replace("_", "-"), value)
        try:
            with request.urlopen(sent, timeout=30) as answer:
                return answer.status, _decoded(answer.read())
        except error.HTTPError as refused:
            with refused:
                return refused.code, _decoded(refused.read())

    def data(self, method: str, path: str, body: Any = None) -> Any:
        """The same, for calls that succeed."""
        status, answer = self.call(method, path, body)
        assert 200 <= status < 300, (status, answer)
        return answer["data"] if answer else None

    def kill(self) -> None:
        """kill -9 of the server alone."""
        self.process.kill()
        self.close()

    def terminate(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.terminate()
        return self.close()

    def close(self) -> int:
        code = self.process.wait(timeout=BOUND_S)
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._log.close()
        return code


def _decoded(text: bytes) -> Any:
    return msgspec.json.decode(text) if text else None
