"""The simulator's parts together: the same seed is the same run, planted defects are found."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from boomtown.sim.choices import ChoiceKey, Choices, Plan
from boomtown.sim.shrink import shrink
from support.small_world import Planted, run_world

SEEDS = range(12)


def test_no_seed_finds_anything_in_a_sound_world() -> None:
    outcomes = [run_world(Choices(seed=seed)) for seed in SEEDS]
    assert [outcome.violation for outcome in outcomes] == [""] * len(SEEDS)
    assert sum(outcome.lives for outcome in outcomes) > 2 * len(SEEDS)


def test_same_seed_same_trace() -> None:
    first = [run_world(Choices(seed=seed)) for seed in range(4)]
    assert first == [run_world(Choices(seed=seed)) for seed in range(4)]
    assert len({outcome.digest for outcome in first}) == 4


def test_a_recorded_plan_is_the_same_run() -> None:
    first = run_world(Choices(seed=5))
    assert run_world(Choices(seed=5, plan=first.taken)) == first


@pytest.mark.parametrize("hash_seed", ["0", "1"])
def test_the_trace_does_not_depend_on_hashing(hash_seed: str) -> None:
    program = (
        "from support.small_world import run_world\n"
        "from boomtown.sim.choices import Choices\n"
        "print(run_world(Choices(seed=3)).digest)\n"
    )
    tests = str(Path(__file__).parent.parent)
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": tests},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == run_world(Choices(seed=3)).digest


def shrunk_finding(planted: Planted) -> tuple[str, dict[ChoiceKey, int]]:
    """What the first seed that finds the defect says, and the choices that it takes."""
    runs = [run_world(Choices(seed=seed), planted) for seed in range(10)]
    seed, found = next((seed, run) for seed, run in enumerate(runs) if run.violation)
    kind = found.violation[:8]

    def fails(plan: Plan) -> bool:
        return run_world(Choices(seed=seed, plan=plan), planted).violation.startswith(kind)

    return found.violation, shrink(fails, found.taken, runs_max=200).plan


def test_a_missing_sync_is_found_and_shrinks_to_one_fault() -> None:
    violation, plan = shrunk_finding(Planted.NO_SYNC)
    assert violation.startswith("lost acknowledged")
    assert [label for label, _ in plan] == ["fault.disk.op"]


def test_a_missing_lock_is_found_and_needs_no_choice_at_all() -> None:
    assert shrunk_finding(Planted.NO_LOCK) == ("lost update", {})
