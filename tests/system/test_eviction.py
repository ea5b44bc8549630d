"""SIGTERM to the container of a running server: a drain that the town shows, and that ends."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.processes import wait_for
from support.shell_repository import git
from support.working_town import WorkingTown

pytestmark = pytest.mark.system

HALF = "```recipe\ncreate half.txt begun\nhang\n```\n"


@pytest.fixture
def desk(tmp_path: Path, run_id: str) -> Iterator[WorkingTown]:
    town = WorkingTown(tmp_path, run_id)
    yield town
    town.end()


def status_of(desk: WorkingTown) -> dict[str, Any]:
    return dict(desk.server.data("GET", f"/api/towns/{desk.town}/status"))


def evict_container_of(desk: WorkingTown, bead: str) -> int:
    """SIGTERM, and its pid once the town shows the drain."""
    pid = psutil.Process(desk.wait_running(bead, number=1)["pid"]).ppid()
    assert status_of(desk)["draining"] is False
    os.kill(pid, signal.SIGTERM)
    wait_for(lambda: "drainStartedAt" in status_of(desk), "the town drains")
    assert status_of(desk)["draining"] is True
    return int(pid)


def test_row_55_evicted_agent_is_saved_and_its_bead_dispatched_again_at_no_cost(
    desk: WorkingTown,
) -> None:
    bead = desk.sling(HALF)
    worktrees = desk.server.data_dir / "worktrees"
    wait_for(lambda: list(worktrees.glob("*/*/half.txt")), "its work is begun")
    pid = evict_container_of(desk, bead)
    late = desk.sling(HALF)
    assert desk.sessions(bead)[0]["ended_at"] is None, "its agent may finish"
    os.kill(pid, signal.SIGUSR1)  # instead of the five minutes
    second = desk.wait_running(bead, number=2)
    first = desk.sessions(bead)[0]
    assert first["end_reason"] == "container eviction"
    assert second["instance_id"] != first["instance_id"]
    assert desk.server.data("GET", f"{desk.beads}/{bead}")["dispatch_attempts"] == 0
    assert git(desk.origin, "show", f"{first['branch']}:half.txt") == "begun"
    assert status_of(desk)["draining"] is False
    assert desk.wait_running(late, number=1)["instance_id"] == second["instance_id"]


def test_agent_that_finishes_in_the_drain_has_its_work_merged_after_it(
    desk: WorkingTown, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)
    work = f"```recipe\nrun cat {go}\ncreate note.txt a note\ncommit Write the note\ndone\n```\n"
    bead = desk.sling(work)
    evict_container_of(desk, bead)
    go.write_text("go")
    desk.wait_closed(bead)
    (session,) = desk.sessions(bead)
    assert session["verdict"] == "submitted"
    assert git(desk.origin, "show", "main:note.txt") == "a note"
    assert status_of(desk)["draining"] is False
