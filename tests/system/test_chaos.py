"""`boomtown chaos` against a running server: each fault really happens, and is repaired."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from support.processes import boomtown, wait_for
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


def test_restart_containers_kills_the_container_and_the_town_starts_another(
    desk: WorkingTown,
) -> None:
    bead = desk.sling(HANG)
    first = desk.wait_running(bead, number=1)
    container = psutil.Process(first["pid"]).ppid()
    (fault,) = desk.chaos("restart-containers", "--wait", "30")
    assert (fault["fired"], fault["pids"]) == (1, [container])
    second = desk.wait_running(bead, number=2)
    assert psutil.Process(second["pid"]).ppid() != container
    assert desk.sessions(bead)[0]["ended_at"] is not None
    assert not psutil.pid_exists(container)


def test_kill_agent_kills_the_one_that_is_aimed_at(desk: WorkingTown) -> None:
    bead = desk.sling(HANG)
    first = desk.wait_running(bead, number=1)
    aim = ("--target", first["id"], "--wait", "30")
    (fault,) = desk.chaos("kill-agent", *aim)
    assert fault["pids"] == [first["pid"]]
    assert desk.wait_running(bead, number=2)["pid"] != first["pid"]
    assert desk.sessions(bead)[0]["end_reason"] == "signal 9"


def test_kill_agent_waits_for_an_agent(desk: WorkingTown) -> None:
    (fault,) = desk.chaos("kill-agent")
    assert fault["fired"] == 0
    bead = desk.sling(WORK)
    wait_for(lambda: desk.fired() == [("kill-agent", 1)], "an agent is killed")
    desk.wait_closed(bead)


def test_stop_agent_freezes_it_and_its_time_runs_out(desk: WorkingTown) -> None:
    bead = desk.sling(HANG)
    first = desk.wait_running(bead, number=1)
    desk.chaos("stop-agent", "--wait", "30")
    assert psutil.Process(first["pid"]).status() == psutil.STATUS_STOPPED
    desk.server.data("POST", f"{desk.beads}/{bead}/close")
    wait_for(lambda: not psutil.pid_exists(first["pid"]), "the frozen agent is ended")


def test_drop_heartbeats_frees_nobody_who_lives(desk: WorkingTown) -> None:
    bead = desk.sling(HANG)
    first = desk.wait_running(bead, number=1)
    desk.chaos("drop-heartbeats")
    wait_for(lambda: desk.fired() == [("drop-heartbeats", 5)], "five heartbeats are lost")
    assert desk.sessions(bead) == desk.sessions(bead)[:1], "a lease alone never frees"
    assert psutil.Process(first["pid"]).is_running()


@pytest.mark.parametrize(
    "fault",
    [
        "crash-in-clone",
        "crash-in-push",
        "crash-in-merge",
        "crash-after-merge",
        "refuse-start",
        "lose-start-reply",
        "drop-completions",
        "partition",
    ],
)
def test_a_bead_gets_through_what_happens_to_its_container(desk: WorkingTown, fault: str) -> None:
    desk.chaos(fault)
    bead = desk.sling(WORK)
    wait_for(lambda: desk.fired()[0][1] > 0, "the fault happens")
    desk.wait_closed(bead)
    subjects = git(desk.origin, "log", "--no-merges", "--format=%s", "main").splitlines()
    assert subjects.count("Write the note") == 1
    assert desk.server.data("GET", f"/api/towns/{desk.town}/invariants") == []


def test_one_idempotency_key_arms_one_fault(desk: WorkingTown) -> None:
    path = f"/api/towns/{desk.town}/chaos"
    body = {"fault": "kill-agent"}
    armed = [desk.server.call("POST", path, body, Idempotency_Key="k")[1] for _ in range(2)]
    assert armed[0]["data"]["id"] == armed[1]["data"]["id"]
    assert len(desk.fired()) == 1


def test_chaos_without_a_server_or_a_town_says_so(desk: WorkingTown) -> None:
    where = ("--data-dir", str(desk.server.data_dir))
    assert boomtown("chaos", "earthquake", *where, cwd=desk.folder, env={}).returncode == 2
    unknown = boomtown("chaos", "kill-agent", "--town", "x", *where, cwd=desk.folder, env={})
    assert (unknown.returncode, unknown.stderr) == (1, "there is no such town\n")
    late = boomtown("chaos", "kill-agent", "--wait", "1", *where, cwd=desk.folder, env={})
    assert late.returncode == 1
    nowhere = boomtown("chaos", "kill-agent", "--data-dir", "none", cwd=desk.folder, env={})
    assert nowhere.returncode == 3
