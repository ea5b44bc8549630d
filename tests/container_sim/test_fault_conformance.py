"""One plan drives real and simulated containers to the same ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from boomtown.container_sim.faults import FaultPlan
from support import fault_cases
from support.conformance_worlds import Case, run_real, run_simulated

NAMES = [name for name, _, _ in fault_cases.CASES]
PLANS = [(case, plan) for _, case, plan in fault_cases.CASES]
SEEDS = (1, 2, 3, 4, 5)


@pytest.mark.system
@pytest.mark.parametrize(("case", "plan"), PLANS, ids=NAMES)
def test_real_containers_obey_the_plan(case: Case, plan: FaultPlan, tmp_path: Path) -> None:
    run_real(case, tmp_path, plan)


@pytest.mark.sim
@pytest.mark.parametrize(("case", "plan"), PLANS, ids=NAMES)
def test_simulated_containers_obey_the_plan(case: Case, plan: FaultPlan) -> None:
    for seed in SEEDS:
        run_simulated(case, seed=seed, plan=plan)
