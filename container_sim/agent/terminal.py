"""An agent command under a terminal of its own, for programs that refuse to work without one.

The agent's process, which leads its session and has no terminal yet, takes the pseudo-terminal as
its controlling one, so /dev/tty works, and the command stays in our process group, where whoever
ends us finds it. Nobody types: the prompt comes by its placeholder or its file. A command that
reads its terminal nevertheless is noticed from outside and ended (agent_watch.py).

The master's end is kept until this process ends: to close it earlier would hang up on ourselves.
So there is one such conversation per process.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
from pathlib import Path

from boomtown.container_sim.agent.ending import AgentFailed
from boomtown.container_sim.agent.surroundings import Run

ROWS, COLUMNS = 40, 120
CHUNK_BYTES_MAX = 65_536
TAIL_BYTES_MAX = 65_536
LOOK_MS = 200  # at whether the command has ended while something it left keeps the terminal

_OUTPUT_FLAGS, _LOCAL_FLAGS = 1, 3  # places in what termios.tcgetattr answers
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~])|\r")


def converse_in_terminal(command: list[str], folder: Path) -> Run:
    """Run the command to its end, its output ours as it comes; the end of the output comes back
    without what only a terminal understands. Raises AgentFailed when it cannot be run."""
    master, slave = _open_terminal()
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={"TERM": "xterm", **os.environ},
            stdin=slave,
            stdout=slave,
            stderr=slave,
        )
    except OSError as error:
        raise AgentFailed(f"the agent command cannot be run: {error}") from error
    finally:
        os.close(slave)
    tail = _relay(master, process)
    return Run(process.wait(), without_escapes(tail.decode("utf-8", errors="replace")))


def without_escapes(text: str) -> str:
    """The text alone: no colours, no cursor movements, no carriage returns."""
    return _ESCAPES.sub("", text)


def _open_terminal() -> tuple[int, int]:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    attributes = termios.tcgetattr(slave)
    attributes[_OUTPUT_FLAGS] &= ~termios.OPOST  # lines end as the program ends them
    attributes[_LOCAL_FLAGS] &= ~termios.ECHO
    termios.tcsetattr(slave, termios.TCSANOW, attributes)
    return master, slave


def _relay(master: int, process: subprocess.Popen[bytes]) -> bytes:
    """Pass the output on until the command has ended and nothing more is there to read."""
    tail = b""
    reading = select.poll()
    reading.register(master, select.POLLIN)
    while True:
        has_ended = process.poll() is not None
        if reading.poll(0 if has_ended else LOOK_MS):
            try:
                chunk = os.read(master, CHUNK_BYTES_MAX)
            except OSError:  # nobody has the terminal open any more
                return tail
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
            tail = (tail + chunk)[-TAIL_BYTES_MAX:]
        elif has_ended:
            return tail
