"""A failing seed is found, made small, and reported with the line that shows it again."""

from __future__ import annotations

import asyncio
import itertools

from boomtown.sim.choices import Choices, parse_plan
from boomtown.sim.escapes import Escape
from boomtown.sim.seed_search import Outcome, search_seeds
from boomtown.sim.virtual_loop import VirtualLoop, run_virtually


def draw_faults(choices: Choices) -> Outcome:
    """Fails when the fifth fault is a 3; draws much else."""
    noise = [choices.pick(4, label="order") for _ in range(200)]
    faults = [choices.pick(4, label="fault") for _ in range(10)]
    kind = "fifth fault" if faults[4] == 3 else ""
    return Outcome(kind, f"faults were {faults}", digest=str(noise))


def test_the_first_failing_seed_is_found_and_made_small() -> None:
    finding = search_seeds(draw_faults, range(100), shrink_runs_max=100)
    assert finding is not None
    sound = [draw_faults(Choices(seed=seed)).kind for seed in range(finding.seed)]
    assert not any(sound)
    assert finding.plan == {("fault", 4): 3}
    assert finding.message == "faults were [0, 0, 0, 0, 3, 0, 0, 0, 0, 0]"
    assert finding.is_minimal


def test_the_report_has_a_line_that_shows_it_again() -> None:
    finding = search_seeds(draw_faults, range(100), shrink_runs_max=100)
    assert finding is not None
    lines = finding.describe("boomtown sim").splitlines()
    assert lines[0] == "fifth fault: faults were [0, 0, 0, 0, 3, 0, 0, 0, 0, 0]"
    assert lines[2] == f"again: boomtown sim --seed {finding.seed} --plan 'fault.4=3'"
    plan = parse_plan("fault.4=3")
    assert draw_faults(Choices(seed=finding.seed, plan=plan)).kind == "fifth fault"


def test_a_finding_that_could_not_be_made_small_says_so() -> None:
    finding = search_seeds(draw_faults, range(100), shrink_runs_max=1)
    assert finding is not None
    assert not finding.is_minimal
    assert "not minimal" in finding.describe("boomtown sim")


def test_no_finding_in_sound_seeds() -> None:
    assert search_seeds(lambda choices: Outcome("", "", ""), range(10), shrink_runs_max=1) is None


def test_a_run_that_differs_the_second_time_is_a_finding() -> None:
    counter = itertools.count()
    finding = search_seeds(
        lambda choices: Outcome("", "", str(next(counter))), range(3), shrink_runs_max=1
    )
    assert finding is not None
    assert (finding.seed, finding.kind) == (0, "not deterministic")


def test_a_hang_and_an_escape_are_findings() -> None:
    async def wait_for_nobody(loop: VirtualLoop) -> Outcome:
        await asyncio.Event().wait()
        return Outcome("", "", "")

    def escape(choices: Choices) -> Outcome:
        raise Escape("os.urandom")

    hang = search_seeds(
        lambda choices: run_virtually(wait_for_nobody, choices), range(1), shrink_runs_max=5
    )
    assert hang is not None
    assert (hang.kind, hang.plan) == ("hang", {})
    assert "wait_for_nobody" in hang.message
    escaped = search_seeds(escape, range(1), shrink_runs_max=5)
    assert escaped is not None
    assert (escaped.kind, escaped.message) == ("escape", "os.urandom inside a simulation")
