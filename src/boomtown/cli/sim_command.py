"""`boomtown sim`: run whole towns in virtual time, by seed, and replay what was found.

Exit code 1 when a run broke something; the report ends with the line that shows it again. With
--json one object per seed: seed, trace_sha256, hours, events, faults_fired, checks, failures.

With --scenario it runs one named scenario instead (sim/scenarios/): a line that begins with `ok`
or `FAILED`, or the same object with the scenario's name; an unknown name is exit code 2.
"""

from __future__ import annotations

import multiprocessing
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import click

from boomtown.sim.choices import Plan, parse_plan
from boomtown.sim.planted_bugs import PlantedBug, parts_with
from boomtown.sim.scenarios.catalogue import SCENARIOS, find_scenario, nearest_names
from boomtown.sim.scenarios.scenario import Scenario, run_scenario
from boomtown.sim.town_runs import TownFinding, describe, run_seed, shrink_run
from boomtown.sim.town_world import HOUR_MS, TownOutcome
from boomtown.wire import encode_json

_bug = click.option(
    "--bug",
    type=click.Choice([bug.value for bug in PlantedBug]),
    help="Plant this defect, to see that it is found.",
)
_hours = click.option(
    "--hours", type=click.FloatRange(min=0.02), default=0.5, show_default=True, help="Of load."
)
_json = click.option("--json", "as_json", is_flag=True, help="One JSON object per seed.")


@click.group(invoke_without_command=True)
@click.option("--seed", type=int, default=0, show_default=True, help="The first seed.")
@click.option("--seeds", type=click.IntRange(min=1), default=1, show_default=True, help="How many.")
@click.option("--jobs", type=click.IntRange(1, 64), default=1, show_default=True)
@click.option("--idle", "is_idle", is_flag=True, help="A town that nobody uses, without faults.")
@click.option("--scenario", "scenario_name", metavar="NAME", help="Run this scenario instead.")
@_hours
@_bug
@_json
@click.pass_context
def sim(
    context: click.Context,
    *,
    seed: int,
    seeds: int,
    jobs: int,
    is_idle: bool,
    scenario_name: str | None,
    hours: float,
    bug: str | None,
    as_json: bool,
) -> None:
    """Simulate a town: the real server on a simulated disk, network, clock and containers. Seeds
    are shared out among `--jobs` processes and shown in their order."""
    if context.invoked_subcommand is not None:
        return
    run_ms, planted = round(hours * HOUR_MS), _planted(bug)
    numbers = range(seed, seed + seeds)
    if scenario_name is not None:
        _run_scenario(_named(scenario_name), numbers, planted, as_json=as_json)
        return
    run = partial(run_seed, run_ms=run_ms, bug=planted, is_idle=is_idle)
    for number, outcome in _run_seeds(run, numbers, jobs=jobs):
        _show(number, outcome, as_json=as_json)
        if outcome.kind:
            finding = shrink_run(number, outcome, run_ms=run_ms, bug=planted)
            click.echo(describe(finding, commit=_commit()), err=True)
            raise SystemExit(1)


def _run_seeds(
    run: Callable[[int], TownOutcome], numbers: range, *, jobs: int
) -> Iterator[tuple[int, TownOutcome]]:
    if jobs == 1:
        yield from ((number, run(number)) for number in numbers)
        return
    # A process of its own for each share: the fences of a run are for the whole process.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        yield from zip(numbers, pool.map(run, numbers), strict=True)


@sim.command()
def scenarios() -> None:
    """List the named scenarios: the name, two spaces, a sentence."""
    for scenario in SCENARIOS:
        click.echo(f"{scenario.name}  {scenario.sentence}")


@sim.command()
@click.option("--seed", type=int, required=True)
@click.option("--plan", "plan_text", required=True, help="The choices that are not boring.")
@_hours
@_bug
@_json
def replay(*, seed: int, plan_text: str, hours: float, bug: str | None, as_json: bool) -> None:
    """Run one seed with exactly the choices of a plan, as a report printed it."""
    run_ms, planted = round(hours * HOUR_MS), _planted(bug)
    plan = _parsed(plan_text)
    outcome = run_seed(seed, run_ms=run_ms, bug=planted, plan=plan)
    _show(seed, outcome, as_json=as_json)
    if outcome.kind:
        finding = TownFinding(
            seed=seed, bug=planted, run_ms=run_ms, outcome=outcome, plan=plan, shrink_runs=0
        )
        click.echo(describe(finding, commit=_commit()), err=True)
        raise SystemExit(1)


def _named(name: str) -> Scenario:
    found = find_scenario(name)
    if found is None:
        near = ", ".join(nearest_names(name))
        raise click.BadParameter(
            f"there is no scenario {name!r}; the nearest are: {near}", param_hint="--scenario"
        )
    return found


def _run_scenario(
    scenario: Scenario, seeds: range, bug: PlantedBug | None, *, as_json: bool
) -> None:
    for seed in seeds:
        outcome = run_scenario(scenario, seed=seed, parts=parts_with(bug))
        if as_json:
            click.echo(encode_json({"scenario": scenario.name, **_facts(seed, outcome)}).decode())
        else:
            why = f": {outcome.kind}: {outcome.message}" if outcome.kind else ""
            verdict = "FAILED" if outcome.kind else "ok"
            click.echo(f"{verdict}  {scenario.name}, seed {seed}{why} ({_counts(outcome)})")
        if outcome.kind:
            click.echo("the last events:", err=True)
            for line in outcome.tail:
                click.echo(f"  {line}", err=True)
            raise SystemExit(1)


def _parsed(text: str) -> Plan:
    try:
        return parse_plan(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--plan") from error


def _planted(bug: str | None) -> PlantedBug | None:
    return None if bug is None else PlantedBug(bug)


def _show(seed: int, outcome: TownOutcome, *, as_json: bool) -> None:
    if as_json:
        click.echo(encode_json(_facts(seed, outcome)).decode())
        return
    verdict = f"{outcome.kind}: {outcome.message}" if outcome.kind else "ok"
    click.echo(f"seed {seed}: {verdict} ({_counts(outcome)})")


def _facts(seed: int, outcome: TownOutcome) -> dict[str, object]:
    return {
        "seed": seed,
        "trace_sha256": outcome.digest,
        "hours": round(outcome.simulated_ms / HOUR_MS, 3),
        "events": outcome.events,
        "faults_fired": outcome.faults_fired,
        "checks": outcome.checks,
        "failures": [f"{outcome.kind}: {outcome.message}"] if outcome.kind else [],
    }


def _counts(outcome: TownOutcome) -> str:
    return (
        f"{round(outcome.simulated_ms / HOUR_MS, 3):g} h, {outcome.events} events, "
        f"{len(outcome.faults_fired)} faults, {outcome.checks} checks, {outcome.digest[:16]}"
    )


def _commit() -> str:
    """The commit that this code was run from; "unknown" outside a checkout."""
    git = shutil.which("git")
    if git is None:
        return "unknown"
    folder = Path(__file__).parent
    found = subprocess.run(
        [git, "rev-parse", "--short=12", "HEAD"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip() if found.returncode == 0 else "unknown"
