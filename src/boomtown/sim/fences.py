"""Fences around a simulation: what reaches for the real world is virtual, or an error with a name.

Theory of operation. `fenced(clock)` is entered around a run and does three things.

* Time: `time.time`, `monotonic`, `perf_counter` and their kin answer from the virtual clock,
  because the standard library (logging, for one) asks them in passing. `time.sleep` and
  `datetime.now` raise.
* Randomness: `os.urandom`, `uuid.uuid4`, the functions of `random`, an unseeded `random.Random`,
  and through them `secrets`, raise.
* Threads, sockets, name look-ups, processes and changes to real files raise from an audit hook,
  which sees them below every name that a module may have imported early. Hooks cannot be removed,
  so it is installed once per process, at the first use, and does nothing outside a fence.

An escape that some handler swallowed still counts: `escapes` has them all, and leaving the fence
raises when there are any. SQLite's own clock and randomness are virtual through the VFS
(vfs.virtual_sqlite), the event loop's methods through the loop.

This is the one module that patches others, for the time of a run. What it cannot do:

* `datetime.datetime` is a C type, so the name is replaced, in the `datetime` module and in the
  project's own modules, by a stand-in that makes real datetimes; a third-party module that
  imported the class earlier reads the real clock, and `type(x) is datetime` is False inside.
* Functions of `time` and `random` that a module imported by name earlier stay real. The project's
  own modules do not (a tidy test), and the loop, logging and threading go through the module.
* Reading real files is allowed: imports and tracebacks do. Code in C that starts threads or opens
  files without telling the audit hooks (SQLite with the stock VFS) is not seen.
* The order of a set of strings follows PYTHONHASHSEED, which is fixed when a process starts.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import random
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable, Generator, Iterator
from types import ModuleType
from typing import Any, Final, NoReturn

from boomtown.clock import Clock
from boomtown.sim.escapes import Escape

# Audit event -> how the report names it. Threads have events only in newer Pythons.
AUDITED: Final = {
    "_thread.start_new_thread": "thread start",
    "_thread.start_joinable_thread": "thread start",
    "socket.__new__": "socket",
    "socket.getaddrinfo": "socket.getaddrinfo",
    "socket.getnameinfo": "socket.getnameinfo",
    "socket.gethostbyname": "socket.gethostbyname",
    "socket.gethostbyaddr": "socket.gethostbyaddr",
    "subprocess.Popen": "subprocess",
    "os.exec": "os.exec",
    "os.fork": "os.fork",
    "os.forkpty": "os.forkpty",
    "os.posix_spawn": "os.posix_spawn",
    "os.system": "os.system",
    "os.link": "os.link",
    "os.mkdir": "os.mkdir",
    "os.remove": "os.remove",
    "os.rename": "os.rename",
    "os.rmdir": "os.rmdir",
    "os.symlink": "os.symlink",
    "os.truncate": "os.truncate",
}
WRITE_FLAGS: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_REAL_DATETIME: Final = datetime.datetime
_REAL_RANDOM: Final = random.Random


class Fences:
    """One run's fences."""

    def __init__(self) -> None:
        self.escapes: list[str] = []  # every escape that was tried, in order

    def refuse(self, what: str) -> NoReturn:
        """Note the escape and raise it."""
        self.escapes.append(what)
        raise Escape(what)


class _Patches:
    """Attributes replaced for a while, restored in reverse."""

    def __init__(self) -> None:
        self._originals: list[tuple[Any, str, Any]] = []

    def replace(self, owner: Any, name: str, stand_in: Any) -> None:
        self._originals.append((owner, name, getattr(owner, name)))
        setattr(owner, name, stand_in)

    def restore(self) -> None:
        for owner, name, original in reversed(self._originals):
            setattr(owner, name, original)
        self._originals.clear()


class _HookState:
    """What the audit hook of this process looks at."""

    is_installed = False
    active: Fences | None = None


@contextlib.contextmanager
def fenced(clock: Clock) -> Generator[Fences]:
    """Fence the code inside. Raises `Escape` on leaving when an escape was tried and swallowed;
    an error from inside passes as it is. One fence at a time."""
    assert _HookState.active is None, "a simulation inside a simulation"
    fences = Fences()
    patches = _Patches()
    if not _HookState.is_installed:
        sys.addaudithook(_audit)
        _HookState.is_installed = True
    try:
        _fence_time(fences, patches, clock)
        _fence_datetime(fences, patches)
        _fence_randomness(fences, patches)
        patches.replace(threading.Thread, "start", _refusing(fences, "thread start"))
        # Makes its descriptors before any event is raised, and would leak them.
        patches.replace(socket, "socketpair", _refusing(fences, "socket.socketpair"))
        _HookState.active = fences
        yield fences
    finally:
        _HookState.active = None
        patches.restore()
    if fences.escapes:
        raise Escape(", ".join(fences.escapes) + " (raised before, and swallowed)")


def _audit(event: str, args: tuple[Any, ...]) -> None:
    fences = _HookState.active
    if fences is None:
        return
    if event == "open":
        _check_open(fences, *args)
    elif (what := AUDITED.get(event)) is not None:
        fences.refuse(what)


def _check_open(fences: Fences, path: Any, mode: Any, flags: Any) -> None:
    if path is None or isinstance(path, int):
        return  # a descriptor that is open already
    name = os.fsdecode(path)
    is_written = bool(flags & WRITE_FLAGS) if isinstance(flags, int) else False
    # The import system caches byte code, at its own time and nobody's notice.
    if is_written and "__pycache__" not in name and name != os.devnull:
        fences.refuse(f"open for writing ({os.path.basename(name)})")


def _fence_time(fences: Fences, patches: _Patches, clock: Clock) -> None:
    real_gmtime = time.gmtime
    real_localtime = time.localtime

    def now_s() -> float:
        return clock.now_ms() / 1000

    def gmtime(seconds: float | None = None, /) -> time.struct_time:
        return real_gmtime(now_s() if seconds is None else seconds)

    def localtime(seconds: float | None = None, /) -> time.struct_time:
        return real_localtime(now_s() if seconds is None else seconds)

    patches.replace(time, "time", now_s)
    patches.replace(time, "time_ns", lambda: clock.now_ms() * 1_000_000)
    for name in ("monotonic", "perf_counter"):
        patches.replace(time, name, lambda: clock.monotonic_ms() / 1000)
        patches.replace(time, f"{name}_ns", lambda: clock.monotonic_ms() * 1_000_000)
    patches.replace(time, "gmtime", gmtime)
    patches.replace(time, "localtime", localtime)
    for name in ("sleep", "clock_gettime", "clock_gettime_ns", "ctime", "asctime", "process_time"):
        patches.replace(time, name, _refusing(fences, f"time.{name}"))


def _fence_datetime(fences: Fences, patches: _Patches) -> None:
    stand_in = _stand_in_datetime(fences)
    patches.replace(datetime, "datetime", stand_in)
    for module in _project_modules():
        for name in sorted(vars(module)):
            if getattr(module, name) is _REAL_DATETIME:
                patches.replace(module, name, stand_in)


def _project_modules() -> Iterator[ModuleType]:
    for name in sorted(sys.modules):
        if name.startswith("boomtown.") and name != __name__:
            yield sys.modules[name]


def _stand_in_datetime(fences: Fences) -> type:
    class DatetimeMeta(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, _REAL_DATETIME)

        def __subclasscheck__(cls, subclass: type) -> bool:
            return issubclass(subclass, _REAL_DATETIME)

    def make(cls: type, *args: Any, **kwargs: Any) -> datetime.datetime:
        return _REAL_DATETIME(*args, **kwargs)

    members: dict[str, Any] = {"__new__": make}
    for name in ("now", "today", "utcnow"):
        members[name] = staticmethod(_refusing(fences, f"datetime.{name}"))
    return DatetimeMeta("datetime", (_REAL_DATETIME,), members)


def _fence_randomness(fences: Fences, patches: _Patches) -> None:
    for name in random.__all__:
        if not isinstance(getattr(random, name), type):
            patches.replace(random, name, _refusing(fences, f"random.{name}"))

    class SeededRandom(random.Random):
        def __init__(self, seed: Any = None) -> None:
            if seed is None:
                fences.refuse("random.Random without a seed")
            super().__init__(seed)

    patches.replace(random, "Random", SeededRandom)
    patches.replace(random, "_urandom", _refusing(fences, "os.urandom"))  # secrets rest on it
    for owner, name in ((os, "urandom"), (os, "getrandom"), (uuid, "uuid1"), (uuid, "uuid4")):
        if hasattr(owner, name):  # getrandom exists on Linux only
            patches.replace(owner, name, _refusing(fences, f"{owner.__name__}.{name}"))


def _refusing(fences: Fences, what: str) -> Callable[..., NoReturn]:
    def refuse(*args: object, **kwargs: object) -> NoReturn:
        fences.refuse(what)

    return refuse
