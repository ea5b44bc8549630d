"""The convoy survives: container and server are killed on the way, and it lands."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.processes import boomtown
from support.survival import Interval, check_no_overlap, run_killed_demo

pytestmark = pytest.mark.system


@pytest.mark.parametrize("merge_mode", ["review-then-land", "review-and-merge"])
def test_a_convoy_survives_its_container_and_its_server(
    tmp_path: Path, run_id: str, merge_mode: str
) -> None:
    seen = run_killed_demo(
        tmp_path, merge_mode=merge_mode, containers=2, servers=2, seed=11, run_id=run_id
    )
    moments = [kill["moment"] for kill in seen.kills]
    assert moments[0].endswith(" work"), "the first while a worker runs"
    assert moments[-1] == "post-receive merge", "the last between a merge and its report"


def test_the_summary_says_what_was_restarted(tmp_path: Path, run_id: str) -> None:
    done = boomtown(
        *("demo", "--kill-container", "1", "--kill-server", "1"),
        cwd=tmp_path,
        env={"BOOMTOWN_TEST_RUN": run_id},
        bound_s=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert any(line.startswith("kills        2, seed ") for line in lines), "the drawn seed"
    (end,) = [index for index, line in enumerate(lines) if "landed" in line]
    assert lines[end].startswith("convoy landed: 3 beads, ")
    restarted = lines[end + 1 : end + 3]
    assert sorted(line.split()[2] for line in restarted) == ["container,", "server,"]
    assert all(line.startswith("restarted    the ") for line in restarted)
    assert lines[end + 3].startswith("Greet a person  closed")


def test_the_judge_finds_two_agents_of_one_bead() -> None:
    first = Interval(session_id="s1", bead_id="b", pid=1, started_at=10, ended_at=None)
    second = Interval(session_id="s2", bead_id="b", pid=2, started_at=25, ended_at=40)
    check_no_overlap([first, second], ({"at_ms": 20, "gone_at_ms": 25},))
    with pytest.raises(AssertionError, match="two agents of one bead"):
        check_no_overlap([first, second], ({"at_ms": 20, "gone_at_ms": 26},))
    with pytest.raises(AssertionError, match="nobody killed"):
        check_no_overlap([first, second], ({"at_ms": 9, "gone_at_ms": 26},))
