"""Every named scenario passes; with a defect of its row planted, it fails; and they are listed."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner

from boomtown.cli import main
from boomtown.sim.scenarios.catalogue import SCENARIOS, find_scenario, nearest_names
from boomtown.sim.scenarios.scenario import Scenario, run_scenario
from boomtown.sim.town_server import ServerParts
from boomtown.wire import decode_json
from support.scenario_defects import ScenarioDefect, parts_with

pytestmark = pytest.mark.sim

SEED = 0
LEAST_SCENARIOS = 24
# Rows 5, 6, 8 and 16 are about credentials, addresses and routes: no run of a town provokes them.
ROWS_OF_THE_REVIEW = sorted(set(range(1, 25)) - {5, 6, 8, 16})

UNOWNED = "body without a session"

# (scenario, what is wrong, the checker that says so)
FAILING: tuple[tuple[str, ScenarioDefect, str], ...] = (
    ("late-done-of-a-finished-review", ScenarioDefect.GUESSES_BY_AGENT, "expectation"),
    ("late-done-of-a-killed-review-session", ScenarioDefect.GUESSES_BY_AGENT, "expectation"),
    ("eviction-of-the-session-before", ScenarioDefect.GUESSES_BY_AGENT, "expectation"),
    ("exit-of-the-session-before", ScenarioDefect.GUESSES_BY_AGENT, "expectation"),
    ("review-start-without-an-answer", ScenarioDefect.GIVES_UP_UNKNOWN_START, UNOWNED),
    ("work-start-without-an-answer", ScenarioDefect.GIVES_UP_UNKNOWN_START, UNOWNED),
    ("start-that-outlives-its-timeout", ScenarioDefect.GIVES_UP_UNKNOWN_START, UNOWNED),
    ("cold-start-that-is-not-found", ScenarioDefect.GIVES_UP_UNKNOWN_START, UNOWNED),
    ("probe-that-finds-nothing-once", ScenarioDefect.TRUSTS_SILENCE, UNOWNED),
    ("probes-without-answers", ScenarioDefect.TRUSTS_SILENCE, UNOWNED),
    ("slow-stop-spares-the-next-session", ScenarioDefect.STOPS_THE_NEWEST, "expectation"),
    ("power-cut-in-a-convoy", ScenarioDefect.NEVER_SYNCS, "lost acknowledgement"),
)


def scenario_id(scenario: Scenario) -> str:
    name = scenario.name.replace("-", "_")
    return f"scenario_row_{scenario.row:02}_{name}" if scenario.row else f"scenario_{name}"


def get(name: str) -> Scenario:
    scenario = find_scenario(name)
    assert scenario is not None
    return scenario


@pytest.mark.parametrize("scenario", SCENARIOS, ids=scenario_id)
def test_the_town_survives(scenario: Scenario) -> None:
    outcome = run_scenario(scenario, seed=SEED, parts=ServerParts())
    assert (outcome.kind, outcome.message) == ("", "")
    assert outcome.checks > 0


@pytest.mark.parametrize(
    ("name", "defect", "kind"),
    FAILING,
    ids=[f"{name}-{defect.name}" for name, defect, _ in FAILING],
)
def test_a_planted_defect_fails_its_scenario(name: str, defect: ScenarioDefect, kind: str) -> None:
    outcome = run_scenario(get(name), seed=SEED, parts=parts_with(defect))
    assert outcome.kind == kind, outcome.message


def test_every_defect_is_found_by_some_scenario() -> None:
    assert {defect for _, defect, _ in FAILING} == set(ScenarioDefect)


def test_the_rows_of_the_review_are_told_by_scenarios() -> None:
    assert len(SCENARIOS) >= LEAST_SCENARIOS
    told = {scenario.row for scenario in SCENARIOS}
    assert [row for row in ROWS_OF_THE_REVIEW if row not in told] == []


def test_a_seed_is_the_same_run_twice_and_another_seed_another() -> None:
    scenario = get("late-done-of-a-finished-review")
    first, again, other = (
        run_scenario(scenario, seed=seed, parts=ServerParts()) for seed in (3, 3, 4)
    )
    assert first == again
    assert first.digest != other.digest


def test_names_are_unique_and_speak() -> None:
    names = [scenario.name for scenario in SCENARIOS]
    assert len(set(names)) == len(names)
    assert [name for name in names if not re.fullmatch(r"[a-z]+(-[a-z]+)+", name)] == []


def test_the_list_is_a_name_two_spaces_and_a_sentence() -> None:
    ran = CliRunner().invoke(main, ["sim", "scenarios"])
    assert ran.exit_code == 0
    lines = ran.stdout.splitlines()
    assert lines == [f"{each.name}  {each.sentence}" for each in SCENARIOS]
    assert [line for line in lines if not re.fullmatch(r"[a-z-]+  [A-Z][^\n]*\.", line)] == []


def test_a_scenario_is_run_by_its_name() -> None:
    ran = CliRunner().invoke(main, ["sim", "--scenario", "closing-a-failed-bead", "--seed", "5"])
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.stdout.startswith("ok  closing-a-failed-bead, seed 5 (")
    assert len(ran.stdout.splitlines()) == 1


def test_a_scenario_tells_its_run_as_json() -> None:
    ran = CliRunner().invoke(main, ["sim", "--scenario", "closing-a-failed-bead", "--json"])
    told = decode_json(ran.stdout.encode())
    assert (told["scenario"], told["seed"], told["failures"]) == ("closing-a-failed-bead", 0, [])
    assert len(told["trace_sha256"]) == 64


def test_a_scenario_that_fails_says_why_and_exits_1() -> None:
    command = ["sim", "--scenario", "probe-that-finds-nothing-once", "--bug", "silence-is-death"]
    ran = CliRunner().invoke(main, command)
    assert ran.exit_code == 1
    assert ran.stdout.startswith("FAILED  probe-that-finds-nothing-once, seed 0: body without")
    assert "the last events:" in ran.stderr


def test_an_unknown_name_is_a_usage_error_with_the_nearest_names() -> None:
    ran = CliRunner().invoke(main, ["sim", "--scenario", "late-dome-of-a-finished-review"])
    assert ran.exit_code == 2
    assert "late-done-of-a-finished-review" in ran.stderr
    assert nearest_names("convoy")[0] == "convoy-whose-container-dies"
    assert len(nearest_names("")) == 1
