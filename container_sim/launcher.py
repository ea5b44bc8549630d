"""The first program of every child: it waits until its birth is written down, then becomes it.

Run as `python -I -S launcher.py READY_FD GO_FD PARENT_PID PROGRAM ARGUMENT…` with nothing but
the standard library, so that it starts in milliseconds. In this order (decisions 46): it asks the
kernel to be killed with its parent (Linux; the request survives exec), looks whether the parent
still lives, because it may have died before that request, writes its pid to READY_FD, and waits
for one byte on GO_FD. The parent writes that byte after the ledger's line is on the disk; the end
of the pipe instead means that the parent is gone, and nothing is started. So no program of an
agent ever runs that the ledger does not know.
"""

from __future__ import annotations

import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ask for SIGKILL when the thread that made this process ends."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def main(arguments: list[str]) -> int:
    ready_fd, go_fd, parent_pid = (int(text) for text in arguments[:3])
    command = arguments[3:]
    die_with_parent()
    if os.getppid() != parent_pid:
        return 1
    os.write(ready_fd, f"{os.getpid()}\n".encode())
    os.close(ready_fd)
    if os.read(go_fd, 1) != b"g":
        return 1
    os.close(go_fd)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print(f"cannot start {command[0]}: {error.strerror}", file=sys.stderr)
        return 127


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
