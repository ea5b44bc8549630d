"""A failing plan is reduced to the choices that matter."""

from __future__ import annotations

import pytest

from boomtown.sim.choices import ChoiceKey, Plan
from boomtown.sim.shrink import shrink


def noisy_plan() -> dict[ChoiceKey, int]:
    plan: dict[ChoiceKey, int] = {("order", nth): 1 + nth % 7 for nth in range(400)}
    plan |= {("fault", nth): 1 + nth % 3 for nth in range(60)}
    return plan | {("delay", nth): 5 for nth in range(62)}


def test_one_choice_of_522_is_found_in_few_runs() -> None:
    shrunk = shrink(lambda plan: plan.get(("fault", 29), 0) >= 2, noisy_plan(), runs_max=200)
    assert shrunk.plan == {("fault", 29): 2}
    assert shrunk.is_minimal
    assert shrunk.runs < 40


def test_two_choices_that_only_fail_together_are_both_kept() -> None:
    def fails(plan: Plan) -> bool:
        return plan.get(("fault", 3), 0) > 0 and plan.get(("order", 120), 0) > 0

    shrunk = shrink(fails, noisy_plan(), runs_max=500)
    assert shrunk.plan == {("fault", 3): 1, ("order", 120): 1}


def test_values_are_lowered_only_as_far_as_the_failure_stays() -> None:
    shrunk = shrink(lambda plan: plan.get(("delay", 4), 0) >= 4, noisy_plan(), runs_max=500)
    assert shrunk.plan == {("delay", 4): 4}


def test_a_failure_without_any_choice_shrinks_to_nothing_at_once() -> None:
    shrunk = shrink(lambda plan: True, noisy_plan(), runs_max=100)
    assert (shrunk.plan, shrunk.runs, shrunk.is_minimal) == ({}, 2, True)


def test_the_runs_are_bounded_and_the_best_so_far_still_fails() -> None:
    runs = 0

    def fails(plan: Plan) -> bool:
        nonlocal runs
        runs += 1
        return sum(1 for label, _ in plan if label == "order") >= 200

    shrunk = shrink(fails, noisy_plan(), runs_max=10)
    assert runs == shrunk.runs == 10
    assert not shrunk.is_minimal
    assert fails(shrunk.plan)
    assert len(shrunk.plan) < 522


def test_a_plan_that_does_not_fail_is_refused() -> None:
    with pytest.raises(ValueError, match="not deterministic"):
        shrink(lambda plan: False, noisy_plan(), runs_max=10)
