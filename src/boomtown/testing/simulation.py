"""`simulate`: a user's own class under many seeds, and the smallest plan of one that fails.

Theory of operation. A seed is one world (simulated_world.py) on a virtual loop, inside the
fences: real time, randomness, threads, sockets and files are out of reach, and whoever tries has
found an Escape. Each seed runs twice, and two traces that differ are a finding of their own. A
seed fails when the workload or the invariant raises, when nothing can happen any more, or when
the run takes longer than its bound of virtual time. The choices of a failing seed are reduced to
those that are needed (shrink.py); the report names them, and the line that runs them again.

No state is kept between runs, and none must be kept by the classes under test outside of their
instances: what one run leaves in a module or a class, the next one finds.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, NamedTuple

from boomtown.actors.runtime.durable_object import DurableObject
from boomtown.actors.runtime.ports import Durability
from boomtown.limits import SimulationLimits
from boomtown.sim.choices import ChoiceKey, Choices, Plan, format_plan, parse_plan
from boomtown.sim.escapes import Escape
from boomtown.sim.fences import fenced
from boomtown.sim.seed_search import Finding, Outcome, outcome_of, search_seeds
from boomtown.sim.virtual_loop import Hang, Livelock, VirtualClock, VirtualLoop, run_virtually
from boomtown.testing.simulated_world import Scenario, World

Workload = Callable[[World], Awaitable[None]]
Provide = Callable[[World], Mapping[str, Any]]
Replay = Callable[[int, Plan], str]

_ADDRESS = re.compile(r"\b0x[0-9a-f]{6,}")  # of an object's default repr: differs in every run


class SimulationReport(NamedTuple):
    """What a simulation did in which no seed failed."""

    digests: dict[int, str]  # by seed: equal digests are equal runs
    outages: int  # of all seeds: none means that no outage was tested
    acknowledged: int  # entries of all ledgers


class SimulationFailed(AssertionError):
    """A seed broke something. Its text is the report; `replay` is the line that shows it again."""

    def __init__(self, finding: Finding, replay: str) -> None:
        self.seed: int = finding.seed
        self.kind: str = finding.kind  # the exception's class, or "hang", "not deterministic", ...
        self.plan: dict[ChoiceKey, int] = dict(finding.plan)
        self.replay = replay
        size = "" if finding.is_minimal else ", not minimal: the runs were used up"
        super().__init__(
            f"{finding.kind}: {finding.message}\n"
            f"seed {finding.seed}: {finding.choices} choices, shrunk to {len(finding.plan)} "
            f"in {finding.runs} runs{size}\n"
            f"plan: {format_plan(finding.plan) or 'empty: it fails without any strange choice'}\n"
            f"again: {replay}"
        )


async def nothing_to_check(world: World) -> None:
    """An invariant that always holds, for workloads that assert by themselves."""


def nothing_outside(world: World) -> Mapping[str, Any]:
    """No services, no bindings: the objects have only one another."""
    return {}


def simulate(
    classes: type[DurableObject] | Mapping[str, type[DurableObject]],
    workload: Workload,
    *,
    seeds: Iterable[int],
    invariant: Workload = nothing_to_check,
    services: Provide = nothing_outside,
    bindings: Provide = nothing_outside,
    durability: Durability = Durability.FULL,
    limits: SimulationLimits | None = None,
    plan: str | None = None,
    replay: Replay | None = None,
) -> SimulationReport:
    """Run `workload(world)` under every seed and, after a last power cut and a restart, check
    `invariant(world)`; both fail by raising. Not for use while a loop runs.

    `services(world)` and `bindings(world)` are called once for each run and give what objects
    find in `env`, as the arguments of Host of the same names. With `plan`, the text of a report,
    each seed runs once, with the choices of the plan only, and nothing is shrunk.
    `replay(seed, plan)` writes the line of the report that shows a failure again. Raises
    SimulationFailed for the first seed that fails.
    """
    bounds = limits or SimulationLimits()
    named = {classes.__name__: classes} if isinstance(classes, type) else dict(classes)
    scenario = Scenario(named, services, bindings, durability, bounds)
    line_of = replay or _call_line
    runs = _Runs(scenario, workload, invariant)
    if plan is None:
        finding = search_seeds(runs.run, seeds, shrink_runs_max=bounds.shrink_runs_max)
    else:
        finding = _replayed(runs, seeds, parse_plan(plan))
    if finding is not None:
        raise SimulationFailed(finding, line_of(finding.seed, finding.plan))
    worlds = runs.worlds.values()
    return SimulationReport(
        digests={seed: seen.digest for seed, seen in runs.worlds.items()},
        outages=sum(seen.outages for seen in worlds),
        acknowledged=sum(seen.acknowledged for seen in worlds),
    )


class _Seen(NamedTuple):
    digest: str
    outages: int
    acknowledged: int


class _Runs:
    """Runs one scenario under given choices, and counts what happened."""

    def __init__(self, scenario: Scenario, workload: Workload, invariant: Workload) -> None:
        self.worlds: dict[int, _Seen] = {}
        self._scenario = scenario
        self._workload = workload
        self._invariant = invariant

    def run(self, choices: Choices) -> Outcome:
        async def main(loop: VirtualLoop) -> Outcome:
            # What tasks of a stopped machine die of is nobody's news.
            loop.set_exception_handler(_keep_quiet)
            with fenced(VirtualClock(loop)):
                world = World(loop, choices, self._scenario)
                failure = await self._failure_of(world)
            self.worlds[choices.seed] = _Seen(world.trace.digest, world.outages, len(world.ledger))
            kind, message = ("", "") if failure is None else _described(failure)
            return Outcome(kind, message, world.trace.digest)

        return run_virtually(main, choices)

    async def _failure_of(self, world: World) -> Exception | None:
        try:
            await world.run(self._workload, self._invariant)
        except (Hang, Livelock, Escape):
            raise
        except Exception as error:
            return error
        return None


def _replayed(runs: _Runs, seeds: Iterable[int], plan: Plan) -> Finding | None:
    for seed in seeds:
        outcome = outcome_of(runs.run, Choices(seed=seed, plan=plan))
        if outcome.kind:
            return Finding(seed, outcome.kind, outcome.message, dict(plan), len(plan), 1, True)
    return None


def _described(error: Exception) -> tuple[str, str]:
    text = str(error) or "no message"
    return type(error).__name__, _ADDRESS.sub("0x...", text)


def _keep_quiet(loop: Any, context: dict[str, Any]) -> None:
    """An exception handler of the loop that says nothing."""


def _call_line(seed: int, plan: Plan) -> str:
    return f"simulate(..., seeds=[{seed}], plan={format_plan(plan)!r})"
