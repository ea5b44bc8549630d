"""One suite for git as a program and git in memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.git_cases import CASES
from support.git_session_cases import SESSION_CASES
from support.git_worlds import GitCase, run_real_git, run_simulated_git

ALL = (*CASES, *SESSION_CASES)
NAMES = [case.__name__ for case in ALL]


@pytest.mark.system
@pytest.mark.parametrize("case", ALL, ids=NAMES)
def test_git_program(case: GitCase, tmp_path: Path) -> None:
    run_real_git(case, tmp_path)


@pytest.mark.sim
@pytest.mark.parametrize("case", ALL, ids=NAMES)
def test_simulated_git(case: GitCase) -> None:
    run_simulated_git(case, seed=1)
