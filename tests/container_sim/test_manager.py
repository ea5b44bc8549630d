"""The manager with real control servers, agents and repositories."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import pytest

from boomtown.actors.town.ports import Containers
from boomtown.clock import SystemClock
from boomtown.container_sim.harnesses import HarnessSpec
from boomtown.container_sim.manager import ContainerManager
from boomtown.container_sim.model import (
    BodyState,
    Conflict,
    Known,
    NoContainer,
    NotFound,
    Rejected,
    Started,
    Stopped,
    Unknown,
)
from boomtown.container_sim.process_groups import find_start_mark
from boomtown.error_codes import ErrorCode
from boomtown.errors import Unavailable
from boomtown.ids import AgentId, SessionId
from boomtown.limits import ContainerLimits
from support.container_orders import AGENT, BEAD, RIG, TOWN, work_order
from support.container_world import CALL_MS, ContainerWorld, open_container_world, with_fields

pytestmark = pytest.mark.system

HANG = "```recipe\nhang\n```\n"
STUBBORN = "trap '' TERM; echo deaf; while :; do sleep 1; done"


def satisfies_the_port(manager: ContainerManager) -> Containers:
    return manager


def is_alive(pid: int) -> bool:
    """A zombie that nobody has waited for yet is not alive."""
    return find_start_mark(pid) is not None


async def test_probe_without_an_instance_is_no_container(tmp_path: Path) -> None:
    async with open_container_world(tmp_path) as world:
        containers = satisfies_the_port(world.manager)
        probed = await containers.probe_session(TOWN, SessionId("s1"), timeout_ms=CALL_MS)
        assert probed == NoContainer(ended_instance_id=None)
        assert world.manager.pids() == {}


async def test_defect_74_same_session_started_twice_has_one_process(tmp_path: Path) -> None:
    async with open_container_world(tmp_path) as world:
        order = work_order(session_id="s1", git_url=world.origin.url, body=HANG)
        first = await world.start(order)
        pid = await world.wait_running(order.session_id)
        again = await world.start(order)
        assert isinstance(first, Started)
        assert first.is_new
        assert first.report.state is BodyState.STARTING
        assert isinstance(again, Started)
        assert not again.is_new
        assert again.report.pid == pid


async def test_another_session_of_the_agent_conflicts_with_its_holder(tmp_path: Path) -> None:
    async with open_container_world(tmp_path) as world:
        await world.start(work_order(session_id="s1", git_url=world.origin.url, body=HANG))
        other = await world.start(work_order(session_id="s2", git_url=world.origin.url))
        assert other == Conflict(holder_session_id=SessionId("s1"))
        probed = await world.manager.probe_session(TOWN, SessionId("s2"), timeout_ms=CALL_MS)
        assert isinstance(probed, NotFound)


async def test_defect_68_heartbeats_flow_before_the_agent_runs(tmp_path: Path) -> None:
    async with open_container_world(tmp_path) as world:
        order = work_order(session_id="s1", git_url=world.origin.url, body=HANG)
        outcome = await world.start(order)
        first = await world.api.wait_for("heartbeat")
        assert isinstance(outcome, Started)
        assert first.body["status"] == "starting"
        assert first.body["containerInstanceId"] == outcome.report.instance_id
        assert first.headers["Authorization"].startswith("Bearer container-token-")
        assert first.headers["X-Gastown-Agent-Id"] == AGENT
        assert first.headers["X-Gastown-Rig-Id"] == RIG
        assert first.headers["X-Boomtown-Session-Id"] == "s1"
        pid = await world.wait_running(order.session_id)
        count = len(world.api.of("heartbeat"))
        later = await world.api.wait_for("heartbeat", count + 2)
        assert (later.body["status"], later.body["pid"]) == ("running", pid)


async def test_stop_ends_a_process_that_ignores_sigterm(tmp_path: Path) -> None:
    harnesses = {"deaf": HarnessSpec(argv=("sh", "-c", STUBBORN))}
    async with open_container_world(tmp_path, harnesses=harnesses) as world:
        order = work_order(session_id="s1", git_url=world.origin.url)
        order = with_fields(order, harness="deaf")
        await world.start(order)
        pid = await world.wait_running(order.session_id)
        while "deaf" not in await world.output(order.session_id):
            await world.api.wait_for("heartbeat", len(world.api.of("heartbeat")) + 1)
        stopped = await world.manager.stop_session(
            TOWN, order.session_id, grace_ms=100, timeout_ms=CALL_MS
        )
        assert isinstance(stopped, Stopped)
        assert stopped.report.state is BodyState.EXITED
        assert stopped.report.exit_reason == "stopped"
        assert not is_alive(pid)
        assert world.processes() == list(world.manager.pids().values())
        assert world.worktrees() == []
        completed = await world.api.wait_for("completed")
        assert completed.body["reason"] == "stopped"
        again = await world.manager.stop_session(
            TOWN, order.session_id, grace_ms=100, timeout_ms=CALL_MS
        )
        assert again == stopped


async def test_killed_control_server_is_reported_gone_when_no_process_is_left(
    tmp_path: Path,
) -> None:
    harnesses = {"deaf": HarnessSpec(argv=("sh", "-c", STUBBORN))}
    async with open_container_world(tmp_path, harnesses=harnesses) as world:
        order = work_order(session_id="s1", git_url=world.origin.url)
        order = with_fields(order, harness="deaf")
        started = await world.start(order)
        await world.wait_running(order.session_id)
        while "deaf" not in await world.output(order.session_id):
            await world.api.wait_for("heartbeat", len(world.api.of("heartbeat")) + 1)
        os.kill(world.manager.pids()[TOWN], signal.SIGKILL)
        await world.gone_seen.wait()
        assert isinstance(started, Started)
        gone = world.gone[0]
        assert (gone.instance_id, gone.exit_code) == (started.report.instance_id, -9)
        assert world.processes() == []
        probed = await world.manager.probe_session(TOWN, order.session_id, timeout_ms=CALL_MS)
        assert probed == NoContainer(ended_instance_id=gone.instance_id)
        again = await world.start(with_fields(order, session_id=SessionId("s2")))
        assert isinstance(again, Started)
        assert again.report.instance_id != gone.instance_id
        # The same branch again: the first session's worktree must have been cleared away.
        await world.wait_running(SessionId("s2"))
        assert len(world.worktrees()) == 1


async def test_answer_that_does_not_come_in_time_is_unknown(tmp_path: Path) -> None:
    async with open_container_world(tmp_path) as world:
        order = work_order(session_id="s1", git_url=world.origin.url, body=HANG)
        await world.start(order)
        control = world.manager.pids()[TOWN]
        os.kill(control, signal.SIGSTOP)
        try:
            started = await world.manager.start_session(order, timeout_ms=200)
            probed = await world.manager.probe_session(TOWN, order.session_id, timeout_ms=200)
        finally:
            os.kill(control, signal.SIGCONT)
        assert started == Unknown(reason="timeout")
        assert probed == Unknown(reason="timeout")


async def test_missing_program_is_rejected_before_anything_is_made(tmp_path: Path) -> None:
    harnesses = {"none": HarnessSpec(argv=("no-such-program-here",))}
    async with open_container_world(tmp_path, harnesses=harnesses) as world:
        order = with_fields(work_order(session_id="s1", git_url=world.origin.url), harness="none")
        missing = await world.start(order)
        unknown = await world.start(with_fields(order, harness="nobody"))
        assert isinstance(missing, Rejected)
        assert missing.code is ErrorCode.AGENT_BINARY_NOT_FOUND
        assert isinstance(unknown, Rejected)
        assert unknown.code is ErrorCode.UNKNOWN_HARNESS
        probed = await world.manager.probe_session(TOWN, order.session_id, timeout_ms=CALL_MS)
        assert isinstance(probed, NotFound)
        assert not (world.data_dir / "repos").exists()


async def test_defect_17_two_failing_starts_keep_their_own_reasons(tmp_path: Path) -> None:
    async with open_container_world(tmp_path) as world:
        order = work_order(session_id="s1", git_url=world.origin.url)
        outcomes = await asyncio.gather(
            world.start(with_fields(order, harness="nobody")),
            world.start(with_fields(order, branch="bad..name")),
        )
        codes = [o.code for o in outcomes if isinstance(o, Rejected)]
        assert codes == [ErrorCode.UNKNOWN_HARNESS, ErrorCode.INVALID_BRANCH]


async def test_unreachable_address_fails_the_session_and_leaves_nothing(tmp_path: Path) -> None:
    async with open_container_world(tmp_path) as world:
        url = f"file://{tmp_path}/nowhere.git"
        said = await world.run_to_end(work_order(session_id="s1", git_url=url))
        assert (said["status"], said["reason"]) == ("failed", "GIT_UNREACHABLE")
        probed = await world.manager.probe_session(TOWN, SessionId("s1"), timeout_ms=CALL_MS)
        assert isinstance(probed, Known)
        assert probed.report.state is BodyState.FAILED
        assert world.worktrees() == []
        assert list((world.data_dir / "repos").iterdir()) == []


async def test_stop_during_a_clone_ends_it_and_heartbeats_flowed_meanwhile(
    tmp_path: Path,
) -> None:
    async def never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    silent = await asyncio.start_server(never_answer, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    async with silent, open_container_world(tmp_path) as world:
        order = work_order(session_id="s1", git_url=f"http://127.0.0.1:{port}/a.git")
        await world.start(order)
        beat = await world.api.wait_for("heartbeat", 3)
        assert beat.body["status"] == "starting"
        stopped = await world.manager.stop_session(
            TOWN, order.session_id, grace_ms=100, timeout_ms=CALL_MS
        )
        assert isinstance(stopped, Stopped)
        assert (stopped.report.pid, stopped.report.exit_reason) == (None, "stopped")
        assert list((world.data_dir / "repos").iterdir()) == []


async def test_worker_imports_nothing_from_the_repository(tmp_path: Path) -> None:
    async with open_container_world(tmp_path) as world:
        world.origin.push_file("msgspec.py", "raise SystemExit(77)\n", branch="main")
        said = await world.run_to_end(work_order(session_id="s1", git_url=world.origin.url))
        assert said["reason"] == "exit 0"


async def test_missing_git_program_fails_the_session_by_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_container_world(tmp_path) as world:
        order = work_order(session_id="s1", git_url=world.origin.url)
        monkeypatch.setenv("PATH", str(tmp_path))
        said = await world.run_to_end(order)
        assert (said["status"], said["reason"]) == ("failed", "GIT_NOT_FOUND")


async def test_control_server_that_cannot_boot_is_a_rejection(tmp_path: Path) -> None:
    async with open_container_world(tmp_path) as world:
        shutil.rmtree(world.data_dir / "containers")
        outcome = await world.start(work_order(session_id="s1", git_url=world.origin.url))
        assert isinstance(outcome, Rejected)
        assert outcome.code is ErrorCode.CONTAINER_ERROR
        probed = await world.manager.probe_session(TOWN, SessionId("s1"), timeout_ms=CALL_MS)
        assert probed == NoContainer(ended_instance_id=None)


async def test_drain_saves_unfinished_work_and_says_so(tmp_path: Path) -> None:
    async with open_container_world(tmp_path) as world:
        body = "```recipe\ncreate half.txt begun\nstatus half\nhang\n```\n"
        order = work_order(session_id="s1", git_url=world.origin.url, body=body)
        await world.start(order)
        await world.api.wait_for("status")
        await world.manager.stop_container(TOWN, timeout_ms=10_000)
        assert world.origin.show(order.branch, "half.txt") == "begun"
        assert [c.body["reason"] for c in world.api.of("completed")] == ["container eviction"]
        assert [(g.exit_code, g.reason) for g in world.gone] == [(0, "stopped")]
        assert world.processes() == []


async def test_container_without_sessions_sleeps_and_the_next_start_boots_another(
    tmp_path: Path,
) -> None:
    limits = ContainerLimits(sleep_after_ms=300)
    async with open_container_world(tmp_path, limits=limits) as world:
        order = work_order(session_id="s1", git_url=world.origin.url)
        first = await world.start(order)
        await world.gone_seen.wait()
        assert [call.body["reason"] for call in world.api.of("completed")] == ["exit 0"]
        assert [(gone.exit_code, gone.reason) for gone in world.gone] == [(0, "sleep")]
        assert world.processes() == []
        second = await world.start(with_fields(order, session_id=SessionId("s2")))
        assert isinstance(first, Started)
        assert isinstance(second, Started)
        assert second.report.instance_id != first.report.instance_id


async def test_completion_is_repeated_under_one_key_until_it_is_heard(tmp_path: Path) -> None:
    async with open_container_world(tmp_path) as world:
        world.api.answers["completed"].extend([(500, {}), (503, {})])
        await world.start(work_order(session_id="s1", git_url=world.origin.url))
        await world.api.wait_for("completed", 3)
        keys = {call.headers["Idempotency-Key"] for call in world.api.of("completed")}
        assert keys == {"completed-s1"}


async def test_refused_container_token_is_refreshed_once(tmp_path: Path) -> None:
    async with open_container_world(tmp_path) as world:
        world.api.answers["heartbeat"].append((401, {}))
        world.api.answers["refresh-container-token"].append((200, {"token": "next-token"}))
        await world.start(work_order(session_id="s1", git_url=world.origin.url, body=HANG))
        again = await world.api.wait_for("heartbeat", 2)
        assert again.headers["Authorization"] == "Bearer next-token"


async def test_run_limit_ends_the_session_as_timeout(tmp_path: Path) -> None:
    async with open_container_world(tmp_path) as world:
        order = work_order(session_id="s1", git_url=world.origin.url, body=HANG)
        said = await world.run_to_end(with_fields(order, run_ms_max=200))
        assert (said["status"], said["reason"]) == ("failed", "timeout")


async def test_two_agents_of_a_rig_work_at_once_in_worktrees_of_their_own(tmp_path: Path) -> None:
    async with open_container_world(tmp_path) as world:
        one = work_order(session_id="0-11111111", git_url=world.origin.url)
        two = with_fields(
            one,
            session_id=SessionId("0-22222222"),
            agent_id=AgentId("a-33333333"),
            branch="gt/birch/work",
        )
        await asyncio.gather(world.start(one), world.start(two))
        await world.api.wait_for("completed", 2)
        assert {c.body["reason"] for c in world.api.of("completed")} == {"exit 0"}
        assert {c.body["branch"] for c in world.api.of("done")} == {one.branch, two.branch}
        assert BEAD in one.bead_id


async def test_next_life_ends_what_an_unfinished_life_left(tmp_path: Path) -> None:
    async with open_container_world(tmp_path) as world:
        order = work_order(session_id="s1", git_url=world.origin.url, body=HANG)
        await world.start(order)
        pid = await world.wait_running(order.session_id)
        # A second manager on the same data stands for the server's next life.
        async with world.make_manager():
            assert not is_alive(pid)
            await world.gone_seen.wait()
        assert world.processes() == []


async def test_containers_of_a_killed_server_die_and_their_ledgers_are_swept(
    tmp_path: Path,
) -> None:
    tests = Path(__file__).parents[1]
    async with open_container_world(tmp_path) as world:
        program = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "support.manager_program",
            str(tmp_path / "killed"),
            world.api.url,
            world.origin.url,
            cwd=tests,
            stdout=asyncio.subprocess.PIPE,
        )
        assert program.stdout is not None
        agent, control = (int(word) for word in (await program.stdout.readline()).split())
        assert is_alive(agent)
        program.kill()
        await program.wait()
        clock = SystemClock()
        # Another process's end is nobody's event; the runner's time limit is the bound.
        while is_alive(agent) or is_alive(control):
            await clock.sleep_until_ms(clock.now_ms() + 20)
        left = tmp_path / "killed" / "data" / "containers"
        assert len(list(left.glob("*/ledger.jsonl"))) == 1
        next_world = ContainerWorld(tmp_path / "killed", world.api, {}, ContainerLimits())
        async with next_world.manager:
            assert list(left.glob("*/ledger.jsonl")) == []


async def test_mark_of_a_test_run_reaches_every_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOOMTOWN_TEST_RUN", "run-7")
    monkeypatch.setenv("BOOMTOWN_OTHER", "stays")
    body = "```recipe\nrun sh -c 'env > env.txt'\n```\n"
    async with open_container_world(tmp_path) as world:
        order = work_order(session_id="s1", git_url=world.origin.url, body=body)
        await world.run_to_end(with_fields(order, env={"MY_KEY": "mine"}))
        lines = world.origin.show(order.branch, "env.txt").splitlines()
        seen = {line.partition("=")[0]: line.partition("=")[2] for line in lines}
        assert seen["BOOMTOWN_TEST_RUN"] == "run-7"
        assert seen["MY_KEY"] == "mine"
        assert "BOOMTOWN_OTHER" not in seen
        assert seen["GASTOWN_API_URL"] == seen["BOOMTOWN_API_URL"] == world.api.url
        assert seen["GASTOWN_CONTAINER_TOKEN"] == seen["GASTOWN_SESSION_TOKEN"] == "session-token"
        assert seen["BOOMTOWN_SESSION_ID"] == "s1"
        assert seen["BOOMTOWN_BRANCH"] == order.branch
        assert not any("container-token-" in value for value in seen.values())


@pytest.mark.parametrize("target", ["main", "convoy/one"])
async def test_origin_without_a_commit_fails_the_session_and_names_the_branch(
    tmp_path: Path, target: str
) -> None:
    origin = tmp_path / "empty.git"
    async with open_container_world(tmp_path) as world:
        world.origin.git("init", "--bare", "--quiet", str(origin))
        order = work_order(session_id="s1", git_url=f"file://{origin}")
        said = await world.run_to_end(with_fields(order, target_branch=target))
        assert (said["status"], said["reason"]) == ("failed", "INVALID_BRANCH")
        assert said["message"] == "Origin has no branch 'main'; it needs a first commit there"
        assert world.worktrees() == []


async def test_long_temporary_folder_is_passed_over_for_sockets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    async with open_container_world(tmp_path) as world:
        said = await world.run_to_end(work_order(session_id="s1", git_url=world.origin.url))
        assert said["reason"] == "exit 0"
        named = Path((world.data_dir / "containers" / "socket_folder").read_text())
        assert list(long.iterdir()) == []
        assert named.stat().st_mode & 0o777 == 0o700
    assert not named.exists()


async def test_no_short_folder_at_all_is_said_at_once(tmp_path: Path) -> None:
    limits = ContainerLimits(socket_path_bytes_max=5)
    with pytest.raises(Unavailable, match="short enough"):
        async with open_container_world(tmp_path, limits=limits):
            pass
