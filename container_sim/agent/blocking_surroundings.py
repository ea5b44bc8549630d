"""The surroundings of a real agent's process: its programs, its output, its signals, its HTTP.

Every method blocks and none suspends (surroundings.py). A planned crash takes the control server
and thereby this process with it.
"""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from pathlib import Path
from urllib.parse import urlsplit

from boomtown.container_sim.agent.ending import AgentFailed
from boomtown.container_sim.agent.order import AgentOrder
from boomtown.container_sim.agent.pause import pause
from boomtown.container_sim.agent.surroundings import Run
from boomtown.container_sim.agent.terminal import converse_in_terminal
from boomtown.container_sim.faults import Faults
from boomtown.container_sim.harnesses import fill_command
from boomtown.container_sim.model import StartSession

CALL_S_MAX = 30
TAIL_LINES = 200
FOREVER_S = 86_400.0


class BlockingSurroundings:
    """Satisfies Surroundings."""

    def __init__(self, order: AgentOrder, faults: Faults) -> None:
        self._worktree = Path(order.worktree)
        self._has_terminal = order.harness.tty
        self._gate_s_max = order.gate_ms_max / 1000
        self._faults = faults

    def say(self, line: str) -> None:
        print(line, flush=True)

    async def pause(self, seconds: float) -> None:
        pause(seconds)

    async def reach(self, point: str) -> None:
        if self._faults.take(point) is not None:
            os.kill(os.getppid(), signal.SIGKILL)
            pause(FOREVER_S)  # until the parent's death is ours

    async def run(self, argv: tuple[str, ...]) -> Run:
        return run_command(argv, self._worktree, self._gate_s_max)

    async def converse(self, argv: tuple[str, ...], session: StartSession) -> Run:
        prompt = session.prompt
        with tempfile.TemporaryDirectory(prefix="boomtown-prompt-") as folder:
            prompt_file = Path(folder) / "prompt.md"
            prompt_file.write_text(prompt)
            values = {
                "prompt": prompt,
                "prompt_file": str(prompt_file),
                "bead_id": session.bead_id,
                "branch": session.branch,
                "worktree": str(self._worktree),
            }
            command = fill_command(argv, values)
            if self._has_terminal:
                return converse_in_terminal(command, self._worktree)
            try:
                process = subprocess.Popen(  # noqa: ASYNC220 - no event loop here
                    command,
                    cwd=self._worktree,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    errors="replace",
                )
            except OSError as error:
                raise AgentFailed(f"the agent command cannot be run: {error}") from error
            return _converse(process, prompt)


class BlockingCalls:
    """Satisfies TownCalls by the standard library, because every agent starts it."""

    def __init__(self, api_url: str) -> None:
        self._address = urlsplit(api_url)

    async def call(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, bytes]:
        is_secure = self._address.scheme == "https"
        kind = http.client.HTTPSConnection if is_secure else http.client.HTTPConnection
        connection = kind(self._address.hostname or "", self._address.port, timeout=CALL_S_MAX)
        try:
            connection.request(method, self._address.path.rstrip("/") + path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except TimeoutError:
            raise
        except (OSError, http.client.HTTPException) as error:
            raise ConnectionError(type(error).__name__) from error
        finally:
            connection.close()


def run_command(argv: tuple[str, ...], folder: Path, seconds_max: float) -> Run:
    """Run a program to its end, both outputs together. A program that does not exist has code
    127, one that ran too long 124, as a shell would say."""
    try:
        process = subprocess.run(
            argv,
            cwd=folder,
            input="",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds_max,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError:
        return Run(127, f"{argv[0]}: not found")
    except PermissionError:
        return Run(126, f"{argv[0]}: not permitted")
    except subprocess.TimeoutExpired:
        return Run(124, f"{argv[0]}: longer than {seconds_max:g} s")
    return Run(process.returncode, process.stdout)


def _converse(process: subprocess.Popen[str], prompt: str) -> Run:
    assert process.stdin is not None
    assert process.stdout is not None
    # In a thread: a command that prints before it reads would block both of us otherwise.
    feeder = threading.Thread(target=_feed, args=(process, prompt), daemon=True)
    feeder.start()
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    for line in process.stdout:
        sys.stdout.write(line)
        sys.stdout.flush()
        tail.append(line)
    return Run(process.wait(), "".join(tail))


def _feed(process: subprocess.Popen[str], prompt: str) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(prompt)
        process.stdin.close()
    except BrokenPipeError:
        return  # it does not read its input
