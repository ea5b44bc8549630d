"""One suite for a forge behind HTTP with git, and a forge in memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import forge_cases, forge_fault_cases
from support.forge_worlds import ForgeCase, run_real_forge, run_simulated_forge

CASES: tuple[ForgeCase, ...] = (*forge_cases.CASES, *forge_fault_cases.CASES)
NAMES = [case.__name__ for case in CASES]


@pytest.mark.system
@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_forge_server(case: ForgeCase, tmp_path: Path) -> None:
    run_real_forge(case, tmp_path)


@pytest.mark.sim
@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_simulated_forge(case: ForgeCase) -> None:
    run_simulated_forge(case, seed=1)
