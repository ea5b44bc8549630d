"""What every implementation of containers does: starts, probes, stops, ends."""

from __future__ import annotations

from boomtown.container_sim.model import (
    BodyState,
    Conflict,
    Known,
    NoContainer,
    NotFound,
    Rejected,
    Started,
    Stopped,
)
from boomtown.error_codes import ErrorCode
from boomtown.ids import SessionId
from support.conformance_worlds import Case, World, run_to_end, start, wait_running
from support.container_orders import AGENT, RIG, TOWN, work_order
from support.container_world import CALL_MS, with_fields

HANG = "```recipe\nhang\n```\n"
S1, S2 = SessionId("s1"), SessionId("s2")


async def new_session_is_starting_and_beats_before_it_runs(world: World) -> None:
    outcome = await start(world, work_order(session_id=S1, git_url=world.url, body=HANG))
    assert isinstance(outcome, Started)
    assert outcome.is_new
    assert outcome.report.state is BodyState.STARTING
    first = await world.wait_for("heartbeat")
    assert first.body["status"] == "starting"
    assert first.body["containerInstanceId"] == outcome.report.instance_id
    token = f"Bearer container-token-{outcome.report.instance_id}"
    assert first.headers["Authorization"] == token
    assert first.headers["X-Gastown-Agent-Id"] == AGENT
    assert first.headers["X-Gastown-Rig-Id"] == RIG
    assert first.headers["X-Boomtown-Session-Id"] == S1
    pid = await wait_running(world, S1)
    later = await world.wait_for("heartbeat", len(world.of("heartbeat")) + 2)
    assert (later.body["status"], later.body["pid"]) == ("running", pid)


async def same_session_again_has_one_body(world: World) -> None:
    order = work_order(session_id=S1, git_url=world.url, body=HANG)
    await start(world, order)
    pid = await wait_running(world, S1)
    again = await start(world, order)
    assert isinstance(again, Started)
    assert not again.is_new
    assert again.report.pid == pid


async def another_session_of_the_agent_conflicts_with_its_holder(world: World) -> None:
    await start(world, work_order(session_id=S1, git_url=world.url, body=HANG))
    other = await start(world, work_order(session_id=S2, git_url=world.url))
    assert other == Conflict(holder_session_id=S1)
    probed = await world.containers.probe_session(TOWN, S2, timeout_ms=CALL_MS)
    assert isinstance(probed, NotFound)


async def what_can_never_work_is_rejected_by_its_code(world: World) -> None:
    order = work_order(session_id=S1, git_url=world.url)
    wrong = {
        ErrorCode.UNKNOWN_HARNESS: with_fields(order, harness="nobody"),
        ErrorCode.AGENT_BINARY_NOT_FOUND: with_fields(order, harness="absent"),
        ErrorCode.INVALID_BRANCH: with_fields(order, branch="a..b"),
        ErrorCode.INVALID_GIT_URL: work_order(session_id=S1, git_url="ext::sh -c true"),
    }
    for code, bad in wrong.items():
        outcome = await start(world, bad)
        assert isinstance(outcome, Rejected), outcome
        assert outcome.code == code
    probed = await world.containers.probe_session(TOWN, S1, timeout_ms=CALL_MS)
    assert isinstance(probed, NotFound)


async def unreachable_repository_fails_the_session(world: World) -> None:
    said = await run_to_end(world, work_order(session_id=S1))
    assert (said["status"], said["reason"]) == ("failed", "GIT_UNREACHABLE")
    assert world.worktrees() == []


async def probe_says_what_is_known_and_where_nothing_is(world: World) -> None:
    probe = world.containers.probe_session
    assert await probe(TOWN, S1, timeout_ms=CALL_MS) == NoContainer(ended_instance_id=None)
    outcome = await start(world, work_order(session_id=S1, git_url=world.url, body=HANG))
    assert isinstance(outcome, Started)
    known = await probe(TOWN, S1, timeout_ms=CALL_MS)
    assert isinstance(known, Known)
    assert known.report.instance_id == outcome.report.instance_id
    unheard = await probe(TOWN, S2, timeout_ms=CALL_MS)
    assert unheard == NotFound(instance_id=outcome.report.instance_id)


async def stop_ends_a_hanging_agent_and_says_so_again(world: World) -> None:
    await start(world, work_order(session_id=S1, git_url=world.url, body=HANG))
    await wait_running(world, S1)
    stop = world.containers.stop_session
    stopped = await stop(TOWN, S1, grace_ms=500, timeout_ms=CALL_MS)
    assert isinstance(stopped, Stopped)
    assert stopped.report.state is BodyState.EXITED
    assert (stopped.report.exit_reason, stopped.report.exit_code) == ("stopped", -15)
    assert world.worktrees() == []
    completed = await world.wait_for("completed")
    assert (completed.body["status"], completed.body["reason"]) == ("completed", "stopped")
    assert await stop(TOWN, S1, grace_ms=500, timeout_ms=CALL_MS) == stopped


async def stop_of_what_is_over_or_unknown_changes_nothing(world: World) -> None:
    order = work_order(session_id=S1, git_url=world.url)
    await run_to_end(world, order)
    stop = world.containers.stop_session
    stopped = await stop(TOWN, S1, grace_ms=500, timeout_ms=CALL_MS)
    assert isinstance(stopped, Stopped)
    assert (stopped.report.exit_reason, stopped.report.exit_code) == ("exit 0", 0)
    assert isinstance(await stop(TOWN, S2, grace_ms=500, timeout_ms=CALL_MS), NotFound)
    assert len(world.of("completed")) == 1


async def stop_before_the_agent_runs_leaves_nothing(world: World) -> None:
    await start(world, work_order(session_id=S1, git_url=world.url, body=HANG))
    stopped = await world.containers.stop_session(TOWN, S1, grace_ms=500, timeout_ms=CALL_MS)
    assert isinstance(stopped, Stopped)
    assert stopped.report.exit_reason == "stopped"
    assert world.worktrees() == []


async def killed_instance_is_reported_and_no_session_is_left(world: World) -> None:
    order = work_order(session_id=S1, git_url=world.url, body=HANG)
    started = await start(world, order)
    await wait_running(world, S1)
    world.kill_instance()
    gone = await world.wait_gone()
    assert isinstance(started, Started)
    assert (gone.town_id, gone.instance_id) == (TOWN, started.report.instance_id)
    assert (gone.exit_code, gone.reason) == (-9, "crashed")
    probed = await world.containers.probe_session(TOWN, S1, timeout_ms=CALL_MS)
    assert probed == NoContainer(ended_instance_id=gone.instance_id)
    assert world.of("completed") == []
    again = await start(world, order)
    assert isinstance(again, Started)
    assert again.is_new
    assert again.report.instance_id != gone.instance_id
    await wait_running(world, S1)


async def completion_is_told_when_the_body_is_gone(world: World) -> None:
    said = await run_to_end(world, work_order(session_id=S1, git_url=world.url))
    assert (said["status"], said["reason"], said["exit_code"]) == ("completed", "exit 0", 0)
    assert world.worktrees() == []
    probed = await world.containers.probe_session(TOWN, S1, timeout_ms=CALL_MS)
    assert isinstance(probed, Known)
    assert probed.report.state is BodyState.EXITED
    assert world.of("completed")[0].headers["Idempotency-Key"] == f"completed-{S1}"


async def completion_is_repeated_under_one_key_until_heard(world: World) -> None:
    world.answers["completed"].extend([(500, {}), (503, {})])
    await start(world, work_order(session_id=S1, git_url=world.url))
    await world.wait_for("completed", 3)
    keys = [call.headers["Idempotency-Key"] for call in world.of("completed")]
    assert keys == [f"completed-{S1}"] * 3


async def run_limit_ends_a_session_as_timeout(world: World) -> None:
    order = work_order(session_id=S1, git_url=world.url, body=HANG)
    said = await run_to_end(world, with_fields(order, run_ms_max=300))
    assert (said["status"], said["reason"]) == ("failed", "timeout")


async def drain_saves_work_tells_it_and_ends(world: World) -> None:
    body = "```recipe\ncreate half.md done by half\nstatus waiting\nhang\n```\n"
    order = work_order(session_id=S1, git_url=world.url, body=body)
    await start(world, order)
    await world.wait_for("status")
    await world.containers.stop_container(TOWN, timeout_ms=CALL_MS)
    assert world.show(order.branch, "half.md") == "done by half"
    assert [c.body["reason"] for c in world.of("completed")] == ["container eviction"]
    gone = world.gone[-1]
    assert (gone.exit_code, gone.reason) == (0, "stopped")
    probed = await world.containers.probe_session(TOWN, S1, timeout_ms=CALL_MS)
    assert probed == NoContainer(ended_instance_id=gone.instance_id)


async def stop_container_without_one_is_no_error(world: World) -> None:
    await world.containers.stop_container(TOWN, timeout_ms=CALL_MS)
    assert world.gone == []


CASES: tuple[Case, ...] = (
    new_session_is_starting_and_beats_before_it_runs,
    same_session_again_has_one_body,
    another_session_of_the_agent_conflicts_with_its_holder,
    what_can_never_work_is_rejected_by_its_code,
    unreachable_repository_fails_the_session,
    probe_says_what_is_known_and_where_nothing_is,
    stop_ends_a_hanging_agent_and_says_so_again,
    stop_of_what_is_over_or_unknown_changes_nothing,
    stop_before_the_agent_runs_leaves_nothing,
    killed_instance_is_reported_and_no_session_is_left,
    completion_is_told_when_the_body_is_gone,
    completion_is_repeated_under_one_key_until_heard,
    run_limit_ends_a_session_as_timeout,
    drain_saves_work_tells_it_and_ends,
    stop_container_without_one_is_no_error,
)
