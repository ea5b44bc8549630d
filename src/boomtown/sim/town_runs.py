"""Runs of a simulated town by seed: one, many, one replayed from its plan, one made small.

A run is named by its seed and its plan (choices.py); with the settings and the commit that is all
that it takes to see it again. `describe` says what was found in words, and prints that line.
"""

from __future__ import annotations

import msgspec

from boomtown.sim.armed_faults import StartFault
from boomtown.sim.choices import Choices, Plan, format_plan
from boomtown.sim.escapes import Escape
from boomtown.sim.planted_bugs import PlantedBug, parts_with
from boomtown.sim.shrink import shrink
from boomtown.sim.town_world import (
    HOUR_MS,
    NTH_MAX,
    TROUBLES,
    OtherTrouble,
    TownOutcome,
    TownSettings,
    run_town,
)
from boomtown.sim.virtual_loop import Hang, Livelock

SHRINK_RUNS_MAX = 120


class TownFinding(msgspec.Struct, frozen=True, kw_only=True):
    """A run that broke something, with the few choices that it takes."""

    seed: int
    bug: PlantedBug | None
    run_ms: int
    outcome: TownOutcome  # of the shrunk plan
    plan: Plan
    shrink_runs: int


def settings_of(run_ms: int, bug: PlantedBug | None, *, is_idle: bool) -> TownSettings:
    """The standard load and faults for so long, with or without a planted bug; or neither load
    nor faults."""
    return TownSettings(
        run_ms=run_ms, parts=parts_with(bug), has_load=not is_idle, has_faults=not is_idle
    )


def run_seed(
    seed: int,
    *,
    run_ms: int,
    bug: PlantedBug | None = None,
    plan: Plan | None = None,
    is_idle: bool = False,
) -> TownOutcome:
    """One run. A hang, a livelock and an escape are outcomes; what else is raised is a bug of the
    simulator."""
    choices = Choices(seed=seed, plan=plan)
    try:
        return run_town(choices, settings_of(run_ms, bug, is_idle=is_idle))
    except (Hang, Livelock, Escape) as error:
        return broken_off(error, choices)


def broken_off(error: Exception, choices: Choices) -> TownOutcome:
    """The outcome of a run that did not come to its end."""
    return TownOutcome(
        kind=type(error).__name__.lower(),
        message=str(error),
        digest="",
        events=0,
        faults_fired=(),
        checks=0,
        tail=(),
        statuses={},
        simulated_ms=0,
        taken=dict(choices.taken),
    )


def shrink_run(
    seed: int, outcome: TownOutcome, *, run_ms: int, bug: PlantedBug | None
) -> TownFinding:
    """Find the few choices that it takes to see the same kind of failure."""

    def fails(plan: Plan) -> bool:
        return run_seed(seed, run_ms=run_ms, bug=bug, plan=plan).kind == outcome.kind

    shrunk = shrink(fails, outcome.taken, runs_max=SHRINK_RUNS_MAX)
    return TownFinding(
        seed=seed,
        bug=bug,
        run_ms=run_ms,
        outcome=run_seed(seed, run_ms=run_ms, bug=bug, plan=shrunk.plan),
        plan=shrunk.plan,
        shrink_runs=shrunk.runs,
    )


def faults_of(plan: Plan) -> tuple[str, ...]:
    """The plan's faults in words, in the order in which they are armed."""
    words: list[str] = []
    for (label, nth), value in sorted(plan.items()):
        if label == "chaos":
            which, count = divmod(value - 1, NTH_MAX)
            trouble = TROUBLES[which]
            if isinstance(trouble, OtherTrouble | StartFault):
                words.append(f"minute {nth + 1}: {trouble.value}")
            else:
                what = f"{trouble.kind.value} at {trouble.point}"
                words.append(f"minute {nth + 1}: {what}, passing {count + 1}")
    return tuple(words)


def replay_line(finding: TownFinding) -> str:
    """What shows it again."""
    bug = "" if finding.bug is None else f" --bug {finding.bug.value}"
    hours = f"{finding.run_ms / HOUR_MS:g}"
    plan = format_plan(finding.plan)
    return f"boomtown sim replay --seed {finding.seed} --hours {hours}{bug} --plan '{plan}'"


def describe(finding: TownFinding, *, commit: str) -> str:
    """The report of a failure."""
    outcome = finding.outcome
    lines = [
        f"{outcome.kind}: {outcome.message}",
        f"seed {finding.seed}, commit {commit}",
        f"{len(finding.plan)} choices matter (shrunk in {finding.shrink_runs} runs):",
        *(f"  {words}" for words in faults_of(finding.plan)),
        *(
            f"  {label} {nth}: {value}"
            for (label, nth), value in sorted(finding.plan.items())
            if label != "chaos"
        ),
        "the last events:",
        *(f"  {line}" for line in outcome.tail),
        f"again: {replay_line(finding)}",
    ]
    return "\n".join(lines)
