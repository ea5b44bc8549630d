"""`boomtown sim`: what it prints, and its exit codes."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from boomtown.cli import main

pytestmark = pytest.mark.sim

KEYS = ["seed", "trace_sha256", "hours", "events", "faults_fired", "checks", "failures"]
REPLAY = ["sim", "replay", "--seed", "0", "--hours", "0.1", "--plan", "chaos.0=1347,recipe.0=1"]


def test_one_json_object_per_seed() -> None:
    ran = CliRunner().invoke(main, ["sim", "--seeds", "2", "--hours", "0.05", "--json"])
    assert ran.exit_code == 0
    rows = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [list(row) for row in rows] == [KEYS, KEYS]
    assert [(row["seed"], row["failures"]) for row in rows] == [(0, []), (1, [])]


def test_a_finding_is_reported_with_the_line_that_replays_it() -> None:
    ran = CliRunner().invoke(main, [*REPLAY, "--bug", "silence-is-death"])
    assert ran.exit_code == 1
    assert "minute 1: partition at partition, passing 3" in ran.stderr
    assert "again: boomtown sim replay --seed 0 --hours 0.1 --bug silence-is-death" in ran.stderr
    assert "--plan 'chaos.0=1347,recipe.0=1'" in ran.stderr
    assert CliRunner().invoke(main, REPLAY).exit_code == 0


def test_a_plan_that_is_none_is_a_usage_error() -> None:
    ran = CliRunner().invoke(main, [*REPLAY[:-1], "chaos=x"])
    assert ran.exit_code == 2
    assert "chaos=x" in ran.stderr
