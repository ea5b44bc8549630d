"""Whether a program waits for somebody to type: it sleeps in a read of its terminal.

The kernel says in which call a thread sleeps (/proc/PID/task/TID/syscall) and what a descriptor
is. Counted are a read of a terminal, and a select on standard input alone that is a terminal, as
line editors do before they read. Not counted is a program that waits for its terminal and for
other things at once (an event loop: epoll, poll): it may as well be waiting for its model's
answer. Its end is the run limit. The same holds for every program where there is no such file
(macOS) or another machine's call numbers.
"""

from __future__ import annotations

import os
import platform
from pathlib import Path

import msgspec

TERMINALS = "/dev/pts/"
OWN_TERMINAL = "/dev/tty"  # as password prompts open it


class _CallNumbers(msgspec.Struct, frozen=True):
    reads: tuple[int, ...]  # their first argument is the descriptor
    selects: tuple[int, ...]  # their first argument is the highest descriptor, plus one


_NUMBERS = {
    "x86_64": _CallNumbers(reads=(0, 19), selects=(23, 270)),
    "aarch64": _CallNumbers(reads=(63, 65), selects=(72,)),
}


def is_reading_terminal(pid: int) -> bool:
    """Whether a thread of the process sleeps so, at this moment."""
    numbers = _NUMBERS.get(platform.machine())
    if numbers is None:
        return False
    tasks = Path(f"/proc/{pid}/task")
    try:
        threads = sorted(tasks.iterdir())
        return any(_sleeps_in_read(thread, numbers) for thread in threads)
    except OSError:
        return False  # it ended, or is not ours to look at


def _sleeps_in_read(thread: Path, numbers: _CallNumbers) -> bool:
    words = (thread / "syscall").read_text().split()
    if len(words) < 2 or not words[0].isdigit():
        return False  # it runs, or sleeps outside of any call
    number, first = int(words[0]), int(words[1], 16)
    if number in numbers.reads:
        return _is_terminal(thread, first)
    return number in numbers.selects and first == 1 and _is_terminal(thread, 0)


def _is_terminal(thread: Path, descriptor: int) -> bool:
    name = os.readlink(thread / "fd" / str(descriptor))
    is_terminal = name.startswith(TERMINALS) and name.removeprefix(TERMINALS).isdigit()
    return is_terminal or name == OWN_TERMINAL
