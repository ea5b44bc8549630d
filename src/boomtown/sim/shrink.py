"""Make a failing plan small: the few choices that matter.

Whole labels are dropped first, the largest first, because the order of ready tasks is most of a
plan and hardly ever the cause. Then ever smaller runs of keys are dropped (ddmin), then each value
is lowered. What comes back always fails: it is the smallest plan that was seen to fail, and when
the runs are used up it is simply less small.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from boomtown.sim.choices import ChoiceKey, Plan


class Shrunk(NamedTuple):
    """What shrinking came to."""

    plan: dict[ChoiceKey, int]
    runs: int  # simulations run, the first check included
    is_minimal: bool  # False when the runs ran out before nothing more could be dropped


class _OutOfRuns(Exception):
    """The bound is reached; the best plan so far stands."""


class _Shrinker:
    def __init__(self, fails: Callable[[Plan], bool], plan: Plan, runs_max: int) -> None:
        self._fails = fails
        self._runs_max = runs_max
        self.plan = dict(plan)
        self.runs = 0

    def accept(self, candidate: dict[ChoiceKey, int]) -> bool:
        """Run `candidate`; keep it when it fails."""
        if self.runs >= self._runs_max:
            raise _OutOfRuns
        self.runs += 1
        if not self._fails(candidate):
            return False
        self.plan = candidate
        return True

    def drop_labels(self) -> None:
        sizes: dict[str, int] = {}
        for label, _ in self.plan:
            sizes[label] = sizes.get(label, 0) + 1
        for label in sorted(sizes, key=lambda name: (-sizes[name], name)):
            self.accept({key: value for key, value in self.plan.items() if key[0] != label})

    def drop_keys(self) -> None:
        size = max(1, len(self.plan) // 2)
        while True:
            keys = sorted(self.plan)
            for start in range(0, len(keys), size):
                chunk = frozenset(keys[start : start + size])
                self.accept({key: value for key, value in self.plan.items() if key not in chunk})
            if size > 1:
                size //= 2
            elif len(self.plan) == len(keys):
                return  # a whole round of single keys dropped nothing: minimal

    def lower_values(self) -> None:
        for key in sorted(self.plan):
            for value in sorted({1, self.plan[key] // 2, self.plan[key] - 1}):
                if 0 < value < self.plan[key] and self.accept({**self.plan, key: value}):
                    break


def shrink(fails: Callable[[Plan], bool], plan: Plan, *, runs_max: int) -> Shrunk:
    """The smallest plan found that still fails, after at most `runs_max` calls of `fails`.

    `fails` runs a simulation under the plan and says whether *the same* failure shows. Raises
    ValueError when `plan` itself does not fail: then the run is not deterministic, or the failure
    was told from another too loosely.
    """
    shrinker = _Shrinker(fails, plan, runs_max)
    if not shrinker.accept(dict(plan)):
        raise ValueError("the plan does not fail: the run is not deterministic")
    is_minimal = True
    try:
        if shrinker.plan and not shrinker.accept({}):
            shrinker.drop_labels()
            shrinker.drop_keys()
            shrinker.lower_values()
    except _OutOfRuns:
        is_minimal = False
    return Shrunk(shrinker.plan, shrinker.runs, is_minimal)
