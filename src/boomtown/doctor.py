"""Looks at the machine under a server: what boomtown needs of it, and what an earlier life left.

Each check is one function that answers one Finding and changes nothing that it does not remove
again: probe files are made in the data directory where there is one, else in a temporary folder.
`fail` is what a server cannot work with, `warn` what will be slow, or will bite later. Processes
are judged by the ledgers of the data directory and by the marks of its instances; those of other
data directories are none of this one's business.
"""

from __future__ import annotations

import enum
import os
import platform
import re
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from boomtown.actors.runtime.database_probe import probe_database, sqlite_version
from boomtown.actors.runtime.runtime_errors import SqlError
from boomtown.clock import Clock
from boomtown.container_sim.instance import LEDGER_NAME
from boomtown.container_sim.ledger import groups_to_end, read_ledger
from boomtown.container_sim.process_groups import find_members, instance_mark
from boomtown.data_directory import LAYOUT_VERSION, find_running_server
from boomtown.ids import InstanceId
from boomtown.open_files import files_allowed, files_wanted
from boomtown.settings import Settings

PYTHON_MIN = (3, 11)
GIT_MIN = (2, 31)  # settings through the environment, which keep secrets out of argument lists
SQLITE_MIN = (3, 37)  # STRICT tables
SYNCS = 50
SYNC_BYTES = 4_096
SYNC_P99_MS_SLOW = 50  # every acknowledgement waits for one
DESCRIPTORS_MIN = 256
CLOCK_LOOKS = 20
CLOCK_LOOK_MS = 10
CLOCK_STEP_MS_MAX = 50


class Level(enum.StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What one check found."""

    name: str
    level: Level
    message: str
    facts: dict[str, object] = {}


def _finding(name: str, level: Level, message: str, **facts: object) -> Finding:
    return Finding(name=name, level=level, message=message, facts=facts)


async def examine(settings: Settings, clock: Clock) -> list[Finding]:
    """Every check, always in the same order. Raises nothing: what goes wrong is a finding."""
    data_dir = settings.data_dir.resolve()
    return [
        check_python(sys.version_info[:3]),
        check_git(_ask_git()),
        check_sqlite(data_dir, settings),
        check_open_files(files_allowed(), settings.limits.runtime.open_databases_max),
        await check_clock(clock),
        check_data_directory(data_dir),
        check_sync(data_dir, clock),
        check_port(settings, data_dir),
        check_orphans(data_dir),
    ]


def check_python(version: tuple[int, ...]) -> Finding:
    level = Level.OK if version >= PYTHON_MIN else Level.FAIL
    said = ".".join(str(part) for part in version)
    wanted = "" if level is Level.OK else f", needs {PYTHON_MIN[0]}.{PYTHON_MIN[1]}"
    return _finding(
        "python", level, f"{platform.python_implementation()} {said}{wanted}", version=said
    )


def check_git(said: str | None) -> Finding:
    """`said` is what `git --version` printed; None where there is no git."""
    if said is None:
        return _finding("git", Level.FAIL, "the git program is not installed")
    found = re.search(r"(\d+)\.(\d+)(?:\.\d+)?", said)
    if found is None:
        return _finding("git", Level.FAIL, f"not a version of git: {said[:60]!r}")
    version = found.group(0)
    if (int(found.group(1)), int(found.group(2))) < GIT_MIN:
        wanted = f"{GIT_MIN[0]}.{GIT_MIN[1]}"
        return _finding("git", Level.FAIL, f"{version}, needs {wanted}", version=version)
    return _finding("git", Level.OK, version, version=version)


def _ask_git() -> str | None:
    try:
        done = subprocess.run(
            ["git", "--version"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip()


def check_sqlite(data_dir: Path, settings: Settings) -> Finding:
    """Opens a file as the runtime does, which reads every pragma back."""
    version = ".".join(str(part) for part in sqlite_version())
    if sqlite_version() < SQLITE_MIN:
        return _finding("sqlite", Level.FAIL, f"{version} is too old", version=version)
    try:
        with tempfile.TemporaryDirectory(dir=_probe_folder(data_dir), prefix="doctor-") as folder:
            probe_database(Path(folder), settings.limits.runtime)
    except (SqlError, OSError) as error:
        return _finding("sqlite", Level.FAIL, f"{version}: {error}", version=version)
    return _finding(
        "sqlite", Level.OK, f"{version}, every pragma reads back as set", version=version
    )


def check_open_files(files_max: int, open_databases_max: int) -> Finding:
    """Whether as many files as a server may raise its bound to are enough for its objects."""
    wanted = files_wanted(open_databases_max)
    level = Level.OK
    message = f"{files_max} at most"
    if files_max < DESCRIPTORS_MIN:
        level, message = Level.FAIL, f"{files_max} at most, needs {DESCRIPTORS_MIN}: ulimit -Hn"
    elif files_max < wanted:
        level = Level.WARN
        message = (
            f"{files_max} at most; {open_databases_max} open objects take {wanted}: ulimit -Hn"
        )
    return _finding("open-files", level, message, limit=files_max, wanted=wanted)


async def check_clock(clock: Clock) -> Finding:
    """Whether the wall clock runs as the monotonic one does while we watch."""
    wall_ms, monotonic_ms = clock.now_ms(), clock.monotonic_ms()
    step_ms = 0
    for _ in range(CLOCK_LOOKS):
        await clock.sleep_until_ms(clock.now_ms() + CLOCK_LOOK_MS)
        apart_ms = (clock.now_ms() - wall_ms) - (clock.monotonic_ms() - monotonic_ms)
        step_ms = max(step_ms, abs(apart_ms))
    if step_ms > CLOCK_STEP_MS_MAX:
        said = f"the wall clock went {step_ms} ms apart from the monotonic one while we looked"
        return _finding("clock", Level.WARN, said, step_ms=step_ms)
    return _finding("clock", Level.OK, "wall and monotonic clock agree", step_ms=step_ms)


def check_data_directory(data_dir: Path) -> Finding:
    """Whether a server may have it, or which one has it now."""
    name = "data-directory"
    if not data_dir.exists():
        parent = _existing_parent(data_dir)
        if not os.access(parent, os.W_OK | os.X_OK):
            return _finding(name, Level.FAIL, f"{data_dir} cannot be made in {parent}")
        return _finding(name, Level.OK, f"{data_dir} will be made by the first start")
    if not os.access(data_dir, os.W_OK | os.X_OK):
        return _finding(name, Level.FAIL, f"{data_dir} cannot be written")
    version_file = data_dir / "VERSION"
    version = version_file.read_text().strip() if version_file.exists() else LAYOUT_VERSION
    if version != LAYOUT_VERSION:
        said = f"{data_dir} has version {version}; this is {LAYOUT_VERSION}"
        return _finding(name, Level.FAIL, said, version=version)
    holder = find_running_server(data_dir)
    if holder is None:
        return _finding(name, Level.OK, f"{data_dir} is free")
    where = f" at {holder.address}" if holder.address else ""
    said = f"{data_dir} is in use by process {holder.pid}{where}"
    return _finding(name, Level.OK, said, pid=holder.pid, address=holder.address)


def check_sync(data_dir: Path, clock: Clock) -> Finding:
    """Writes and syncs a small file again and again."""
    spans_ms: list[int] = []
    try:
        with tempfile.TemporaryFile(dir=_probe_folder(data_dir)) as probe:
            for _ in range(SYNCS):
                before_ms = clock.monotonic_ms()
                os.pwrite(probe.fileno(), b"s" * SYNC_BYTES, len(spans_ms) * SYNC_BYTES)
                os.fsync(probe.fileno())
                spans_ms.append(clock.monotonic_ms() - before_ms)
    except OSError as error:
        return _finding("fsync", Level.FAIL, f"{error.strerror} in {data_dir}")
    return judge_sync(spans_ms)


def judge_sync(spans_ms: list[int]) -> Finding:
    """The 99th percentile of what syncs took."""
    p99_ms = sorted(spans_ms)[len(spans_ms) * 99 // 100]
    said = f"p99 {p99_ms} ms of {len(spans_ms)}" if p99_ms else f"p99 below 1 ms of {len(spans_ms)}"
    if p99_ms > SYNC_P99_MS_SLOW:
        said += ": every acknowledged write waits for one"
        return _finding("fsync", Level.WARN, said, p99_ms=p99_ms)
    return _finding("fsync", Level.OK, said, p99_ms=p99_ms)


def check_port(settings: Settings, data_dir: Path) -> Finding:
    """Whether a server could listen, or whether this data directory's does already."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            holder = find_running_server(data_dir)
            said = f"{settings.host}:{settings.port}: {error.strerror}"
            if holder and holder.address and holder.address.endswith(f":{settings.port}"):
                said = f"{settings.port} is served by process {holder.pid} of this data directory"
                return _finding("port", Level.OK, said, port=settings.port)
            return _finding("port", Level.WARN, f"{said}; choose --port", port=settings.port)
    return _finding("port", Level.OK, f"{settings.port} is free", port=settings.port)


def check_orphans(data_dir: Path) -> Finding:
    """Whether processes of containers live whose server does not."""
    if find_running_server(data_dir) is not None:
        return _finding("orphans", Level.OK, "the containers are a running server's", pids=[])
    folder = data_dir / "containers"
    instances = (
        sorted(path for path in folder.iterdir() if path.is_dir()) if folder.exists() else []
    )
    pids: list[int] = []
    for instance in instances:
        groups = groups_to_end(read_ledger(instance / LEDGER_NAME))
        pids += find_members(groups, instance_mark(InstanceId(instance.name)))
    if pids:
        named = ", ".join(str(pid) for pid in sorted(pids))
        said = f"processes {named} outlived their server; the next start ends them"
        return _finding("orphans", Level.FAIL, said, pids=sorted(pids))
    said = "no process is left"
    if instances:
        said += f"; {len(instances)} dead ledgers, which the next start removes"
    return _finding("orphans", Level.OK, said, pids=[], dead_ledgers=len(instances))


def _existing_parent(path: Path) -> Path:
    return next(parent for parent in path.parents if parent.exists())


def _probe_folder(data_dir: Path) -> Path | None:
    """Where probe files go: the disk that counts, where there is one."""
    return data_dir if data_dir.is_dir() else None
