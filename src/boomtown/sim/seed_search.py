"""Run seeds, find the first that breaks an invariant, make it small, say how to see it again.

The first run of each seed is also the proof that it can be trusted: every seed runs twice, and two
digests of one seed that differ are a finding of their own ("not deterministic"), since nothing
else that such a run says could be repeated. A hang, a livelock and an escape are findings too. Any
other exception of a run is a bug of the harness and passes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from boomtown.sim.choices import ChoiceKey, Choices, Plan, format_plan
from boomtown.sim.escapes import Escape
from boomtown.sim.shrink import shrink
from boomtown.sim.virtual_loop import Hang, Livelock


class Outcome(NamedTuple):
    """How one run ended."""

    kind: str  # which invariant broke, in a few words; "" when all held
    message: str  # the facts, for people
    digest: str  # of the run's trace


Run = Callable[[Choices], Outcome]


class Finding(NamedTuple):
    """A failing seed, made small."""

    seed: int
    kind: str
    message: str
    plan: dict[ChoiceKey, int]  # the choices that are needed; all others are boring
    choices: int  # how many the seed took before
    runs: int  # spent on shrinking
    is_minimal: bool

    def describe(self, command: str) -> str:
        """The report: what broke, how small it is, and the line that shows it again. `command`
        is what starts a simulation, such as "boomtown sim"."""
        size = "" if self.is_minimal else ", not minimal: the runs were used up"
        return (
            f"{self.kind}: {self.message}\n"
            f"seed {self.seed}: {self.choices} choices, shrunk to {len(self.plan)} "
            f"in {self.runs} runs{size}\n"
            f"again: {command} --seed {self.seed} --plan '{format_plan(self.plan)}'"
        )


def outcome_of(run: Run, choices: Choices) -> Outcome:
    """Run once; what ends a run from within is an outcome."""
    try:
        return run(choices)
    except (Hang, Livelock, Escape) as error:
        return Outcome(type(error).__name__.lower(), str(error), "")


def search_seeds(run: Run, seeds: Iterable[int], *, shrink_runs_max: int) -> Finding | None:
    """The first seed that breaks something, or None. Each seed costs two runs."""
    for seed in seeds:
        choices = Choices(seed=seed)
        outcome = outcome_of(run, choices)
        again = outcome_of(run, Choices(seed=seed))
        if outcome != again:
            message = f"{outcome} and then {again}"
            taken = dict(choices.taken)
            return Finding(seed, "not deterministic", message, taken, len(taken), 0, False)
        if outcome.kind:
            return _shrink_finding(run, seed, outcome, choices, shrink_runs_max)
    return None


def _shrink_finding(
    run: Run, seed: int, outcome: Outcome, choices: Choices, runs_max: int
) -> Finding:
    def fails(plan: Plan) -> bool:
        return outcome_of(run, Choices(seed=seed, plan=plan)).kind == outcome.kind

    shrunk = shrink(fails, choices.taken, runs_max=runs_max)
    last = outcome_of(run, Choices(seed=seed, plan=shrunk.plan))
    return Finding(
        seed,
        outcome.kind,
        last.message,
        shrunk.plan,
        len(choices.taken),
        shrunk.runs,
        shrunk.is_minimal,
    )
