"""One suite for real and simulated containers: the same cases, the same assertions."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import agent_cases, container_cases, reviewer_cases
from support.conformance_worlds import Case, run_real, run_simulated

CASES = (*container_cases.CASES, *agent_cases.CASES, *reviewer_cases.CASES)
NAMES = [case.__name__ for case in CASES]
SEEDS = (1, 2, 3, 4, 5)


@pytest.mark.system
@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_real_containers(case: Case, tmp_path: Path) -> None:
    run_real(case, tmp_path)


@pytest.mark.sim
@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_simulated_containers(case: Case) -> None:
    for seed in SEEDS:
        run_simulated(case, seed=seed)
