"""Containers that die in the middle of a clone, a push, a merge, and starts that time out: with
real processes, and judged by rows, repositories and the agents' own log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from boomtown.container_sim.git import LOCK_FILE
from boomtown.demo.held_pushes import HeldPushes, Moment
from support.held_origin import serve_held
from support.processes import wait_for
from support.shell_repository import git
from support.working_town import WorkingTown

pytestmark = pytest.mark.system

HANG = "```recipe\nhang\n```\n"
WORK = "```recipe\ncreate note.txt a note\ncommit Write the note\ndone\n```\n"


@pytest.fixture
def desk(tmp_path: Path, run_id: str) -> Iterator[WorkingTown]:
    town = WorkingTown(tmp_path, run_id)
    yield town
    town.end()


def locks_of(repository: Path) -> list[str]:
    """What git would stumble over; our own lock file is one that flock holds, and stays."""
    return [path.name for path in repository.rglob("*.lock") if path.name != LOCK_FILE]


def repositories_are_clean(desk: WorkingTown) -> None:
    """Whole, without a lock, without a worktree of a session that is over."""
    clones = sorted((desk.server.data_dir / "repos").glob("*.git"))
    assert clones, "the rig has its clone"
    for repository in (desk.origin, *clones):
        git(repository, "fsck", "--strict")
        assert locks_of(repository) == []
    worktrees = desk.server.data_dir / "worktrees"
    wait_for(lambda: not list(worktrees.glob("*/*")), "no worktree is left")


@pytest.mark.parametrize("moment", list(Moment), ids=lambda moment: moment.name.lower())
def test_a_container_killed_in_a_push_costs_one_more_dispatch(
    desk: WorkingTown, moment: Moment
) -> None:
    pushes = HeldPushes(desk.origin)
    pushes.install()
    pushes.hold_next(moment)
    bead = desk.sling(WORK)
    wait_for(lambda: pushes.is_held, "a push stands still")
    desk.arm("restart-containers")
    wait_for(lambda: desk.fired() == [("restart-containers", 1)], "the container is killed")
    desk.wait_closed(bead)
    is_merge = moment in (Moment.BEFORE_MERGE, Moment.AFTER_MERGE)
    killed = desk.review_of(bead) if is_merge else bead
    sessions = desk.sessions(killed)
    assert len(sessions) == 2, "dispatched once more"
    assert sessions[0]["verdict"] is None
    assert len(desk.agent_pids(killed)) == 2
    subjects = git(desk.origin, "log", "--format=%s", "main").splitlines()
    assert subjects.count("Write the note") == 1
    assert git(desk.origin, "show", "main:note.txt") == "a note"
    repositories_are_clean(desk)


def test_a_container_killed_in_a_clone_costs_one_more_dispatch(desk: WorkingTown) -> None:
    with serve_held(desk.origin) as held:
        desk.use_rig("slow", held.url)
        bead = desk.sling(HANG)
        wait_for(held.is_held.is_set, "the clone stands still")
        desk.arm("restart-containers")
        wait_for(lambda: desk.fired() == [("restart-containers", 1)], "the container is killed")
        held.released.set()
        desk.wait_running(bead, number=2)
        assert len(desk.sessions(bead)) == 2, "dispatched once more"
        wait_for(lambda: desk.agent_pids(bead), "its agent has begun")
        assert len(desk.agent_pids(bead)) == 1, "the first one never had an agent"
        (clone,) = (desk.server.data_dir / "repos").iterdir()
        assert locks_of(clone) == [], "no lock of the broken clone"


def test_a_start_that_times_out_and_then_succeeds_leads_to_one_agent(desk: WorkingTown) -> None:
    """start_timeout_ms is 2 s; the control server takes 3 s before it looks at the start."""
    desk.arm("slow-start")
    bead = desk.sling(HANG)
    wait_for(lambda: desk.fired() == [("slow-start", 1)], "the start is slow")
    wait_for(lambda: desk.agent_pids(bead), "its agent runs")
    late = desk.sling(WORK)
    desk.wait_closed(late)  # the town has gone on for a while
    assert len(desk.agent_pids(bead)) == 1
    (session,) = [row for row in desk.sessions(bead) if row["ended_at"] is None]
    assert session["pid"] == desk.agent_pids(bead)[0]
