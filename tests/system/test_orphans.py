"""After SIGKILL of the server, of its container, or of both, the next start ends what was left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from boomtown.container_sim.process_groups import find_start_mark
from support.processes import RUN_VARIABLE, boomtown, processes_of_run, wait_for
from support.working_town import CONFIG, WorkingTown

pytestmark = pytest.mark.system

# A child of the agent's, which the agent's death does not end.
STUBBORN = "```recipe\nrun sh -c \"trap '' TERM HUP; while :; do sleep 600; done\"\n```\n"


@pytest.fixture
def desk(tmp_path: Path, run_id: str) -> Iterator[WorkingTown]:
    town = WorkingTown(tmp_path, run_id)
    yield town
    town.end()


class Tree:
    """The processes of a working town, by name."""

    def __init__(self, desk: WorkingTown) -> None:
        bead = desk.sling(STUBBORN)
        self.bead = bead
        agent = desk.wait_running(bead, number=1)["pid"]
        self.container = psutil.Process(agent).ppid()
        child = wait_for(lambda: psutil.Process(agent).children(recursive=True), "its child runs")
        self.all = [self.container, agent, *(process.pid for process in child)]

    def living(self) -> list[int]:
        return [pid for pid in self.all if find_start_mark(pid) is not None]


def test_the_check_finds_processes_by_their_mark_and_by_that_of_the_session(
    session_mark: str, run_id: str
) -> None:
    command = [sys.executable, "-c", "print('up', flush=True); input()"]
    environment = {**os.environ, RUN_VARIABLE: run_id}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as left:
        assert left.stdout is not None
        assert left.stdout.readline() == b"up\n"
        assert [process.pid for process in processes_of_run(run_id)] == [left.pid]
        assert left.pid in [process.pid for process in processes_of_run(session_mark)]
        assert processes_of_run(run_id[:-1]) == []
        left.kill()


@pytest.mark.parametrize("victims", ["server", "container", "both", "server, container stopped"])
def test_the_next_start_ends_what_was_left(desk: WorkingTown, run_id: str, victims: str) -> None:
    tree = Tree(desk)
    if "stopped" in victims:
        os.kill(tree.container, signal.SIGSTOP)  # it cannot see its server die
    if victims in ("container", "both"):
        os.kill(tree.container, signal.SIGKILL)
    if victims != "container":
        desk.server.kill()
    if "stopped" in victims:
        assert tree.living() == tree.all
        where = ("--data-dir", str(desk.server.data_dir), "--port", "0")
        done = boomtown("doctor", *where, cwd=desk.folder, env={})
        assert done.returncode == 1
        assert str(tree.container) in done.stdout
    if victims != "container":
        desk.start_server()
    wait_for(lambda: not tree.living(), "nothing of the old container lives")
    second = desk.wait_running(tree.bead, number=2)
    assert second["pid"] not in tree.all
    desk.end()
    wait_for(lambda: not processes_of_run(run_id), "nothing at all lives")


def test_a_town_hears_from_the_next_start_that_its_container_is_gone(
    tmp_path: Path, run_id: str
) -> None:
    patient = CONFIG.replace("lease_ms = 2000", "lease_ms = 600000")
    desk = WorkingTown(tmp_path, run_id, config=patient)
    tree = Tree(desk)
    desk.server.kill()
    desk.start_server()
    desk.wait_running(tree.bead, number=2)  # no lease was waited for
    assert desk.sessions(tree.bead)[0]["end_reason"] == "container_gone"
    containers = desk.server.data_dir / "containers"
    assert len([path for path in containers.iterdir() if path.is_dir()]) == 1
    desk.end()
