"""How many files this process may have open, and how many objects' databases fit in that.

A shell gives a process 1,024 files where the system would give it a million; a host that runs out
of them fails its objects one by one. So a server raises its own bound as far as its objects need
and the system lets it, and keeps fewer databases open where that is not enough: they take turns.
"""

from __future__ import annotations

import resource
import sys

import msgspec

from boomtown.limits import RuntimeLimits

DESCRIPTORS_PER_DATABASE = 3  # the file, its log and its lock
DESCRIPTORS_BESIDE = 256  # connections, pipes, containers
DATABASES_MIN = 32  # with fewer nothing would stay open for two calls


def files_wanted(open_databases_max: int) -> int:
    """Descriptors of a host with so many databases."""
    return open_databases_max * DESCRIPTORS_PER_DATABASE + DESCRIPTORS_BESIDE


def files_allowed() -> int:
    """What the system lets this process raise its bound to."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if hard == resource.RLIM_INFINITY else hard


def allow_open_files(limits: RuntimeLimits) -> RuntimeLimits:
    """Raise this process's bound to what the host needs, never lower it. Returns the limits that
    keep within what the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(files_wanted(limits.open_databases_max), files_allowed())
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return fit_databases(limits, files_max=files_allowed())


def fit_databases(limits: RuntimeLimits, *, files_max: int) -> RuntimeLimits:
    """`limits` with no more open databases than so many files allow."""
    room = (files_max - DESCRIPTORS_BESIDE) // DESCRIPTORS_PER_DATABASE
    databases_max = min(limits.open_databases_max, max(DATABASES_MIN, room))
    if databases_max == limits.open_databases_max:
        return limits
    return msgspec.structs.replace(
        limits,
        open_databases_max=databases_max,
        evictions_per_sweep_max=min(limits.evictions_per_sweep_max, databases_max),
    )
