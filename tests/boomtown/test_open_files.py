"""The bound of open files: raised for the objects, and kept to where the system has no more."""

from __future__ import annotations

import subprocess
import sys

import pytest

from boomtown.limits import RuntimeLimits
from boomtown.open_files import files_wanted, fit_databases

LIMITS = RuntimeLimits(open_databases_max=1_000, evictions_per_sweep_max=200)
PROGRAM = """
import resource, sys
from boomtown.limits import RuntimeLimits
from boomtown.open_files import allow_open_files
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[2])))
limits = allow_open_files(RuntimeLimits(open_databases_max=200))
print(*resource.getrlimit(resource.RLIMIT_NOFILE), limits.open_databases_max)
"""


@pytest.mark.parametrize(
    ("files_max", "databases", "evictions"),
    [(3_256, 1_000, 200), (3_255, 999, 200), (600, 114, 114), (100, 32, 32)],
    ids=["all-fit", "one-less", "few", "hardly-any"],
)
def test_no_more_databases_are_open_than_files_allow(
    files_max: int, databases: int, evictions: int
) -> None:
    fitted = fit_databases(LIMITS, files_max=files_max)
    assert (fitted.open_databases_max, fitted.evictions_per_sweep_max) == (databases, evictions)


@pytest.mark.system
@pytest.mark.parametrize(
    ("soft", "hard", "then", "databases"),
    [(300, 2_000, files_wanted(200), 200), (300, 500, 500, 81), (900, 2_000, 900, 200)],
    ids=["raised", "raised-as-far-as-it-goes", "never-lowered"],
)
def test_a_process_raises_its_bound_to_what_its_objects_need(
    soft: int, hard: int, then: int, databases: int
) -> None:
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(soft), str(hard)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert told.stdout.split() == [str(then), str(hard), str(databases)]
