"""One plan value against real and simulated containers: what the town's side sees of it."""

from __future__ import annotations

from boomtown.container_sim.faults import Fault, FaultKind, FaultPlan
from boomtown.container_sim.model import Known, MergeProof, NotFound, Started, Unknown
from boomtown.ids import SessionId
from support.conformance_worlds import Case, World, run_to_end, start, wait_running
from support.container_orders import TOWN, review_order, work_order
from support.container_world import CALL_MS, with_fields

HANG = "```recipe\nhang\n```\n"
S1, S2 = SessionId("s1"), SessionId("s2")


async def start_that_times_out_and_then_succeeds(world: World) -> None:
    repository = work_order(session_id=S1, git_url=world.url).repository
    await world.containers.prove_merge(  # so that the boot is not part of the start
        TOWN, repository, branch="main", target_branch="main", timeout_ms=CALL_MS
    )
    order = work_order(session_id=S1, git_url=world.url, body=HANG)
    outcome = await world.containers.start_session(order, timeout_ms=200)
    assert outcome == Unknown(reason="timeout")
    await world.wait_for("heartbeat")
    again = await start(world, order)
    assert isinstance(again, Started)
    assert not again.is_new
    assert world.fired("start.slow") == 1


async def start_answered_500_that_did_not_happen(world: World) -> None:
    order = work_order(session_id=S1, git_url=world.url, body=HANG)
    assert await start(world, order) == Unknown(reason="status 500")
    probed = await world.containers.probe_session(TOWN, S1, timeout_ms=CALL_MS)
    assert isinstance(probed, NotFound)
    again = await start(world, order)
    assert isinstance(again, Started)
    assert again.is_new
    assert world.fired("start.before") == 1


async def start_whose_answer_is_lost_happened(world: World) -> None:
    order = work_order(session_id=S1, git_url=world.url, body=HANG)
    outcome = await world.containers.start_session(order, timeout_ms=3_000)
    assert outcome == Unknown(reason="timeout")
    probed = await world.containers.probe_session(TOWN, S1, timeout_ms=CALL_MS)
    assert isinstance(probed, Known)
    again = await start(world, order)
    assert isinstance(again, Started)
    assert not again.is_new
    assert world.fired("start.reply") == 1


async def probes_that_fail_prove_nothing_and_404_says_who(world: World) -> None:
    outcome = await start(world, work_order(session_id=S1, git_url=world.url, body=HANG))
    assert isinstance(outcome, Started)
    probe = world.containers.probe_session
    missing = await probe(TOWN, S1, timeout_ms=CALL_MS)
    assert missing == NotFound(instance_id=outcome.report.instance_id)
    assert await probe(TOWN, S1, timeout_ms=CALL_MS) == Unknown(reason="status 500")
    assert await probe(TOWN, S1, timeout_ms=50) == Unknown(reason="timeout")
    assert isinstance(await probe(TOWN, S1, timeout_ms=CALL_MS), Known)
    assert world.fired("probe.status") == 3


async def stop_that_is_slow_stops_all_the_same(world: World) -> None:
    await start(world, work_order(session_id=S1, git_url=world.url, body=HANG))
    await wait_running(world, S1)
    outcome = await world.containers.stop_session(TOWN, S1, grace_ms=100, timeout_ms=100)
    assert outcome == Unknown(reason="timeout")
    said = await world.wait_for("completed")
    assert said.body["reason"] == "stopped"
    assert world.fired("stop.slow") == 1


async def lost_reports_are_made_up_for(world: World) -> None:
    order = work_order(session_id=S1, git_url=world.url)
    said = await run_to_end(world, with_fields(order, heartbeat_ms=50_000))
    assert said["reason"] == "exit 0"
    assert world.fired("heartbeat.lost") == 1
    assert world.fired("completed.lost") == 1
    assert world.of("heartbeat")[0].body["status"] == "running"


async def full_disk_fails_the_session(world: World) -> None:
    order = work_order(session_id=S1, git_url=world.url)
    said = await run_to_end(world, order)
    assert (said["status"], said["reason"]) == ("failed", "CONTAINER_ERROR")
    again = await run_to_end(world, with_fields(order, session_id=S2))
    assert again["reason"] == "exit 0"


async def partition_delays_what_is_said(world: World) -> None:
    said = await run_to_end(world, work_order(session_id=S1, git_url=world.url))
    assert said["reason"] == "exit 0"
    assert world.fired("partition") == 1


async def work_that_crashes_is_done_by_the_next_instance(world: World) -> None:
    order = work_order(session_id=S1, git_url=world.url)
    crashed = await start(world, order)
    gone = await world.wait_gone()
    assert (gone.exit_code, gone.reason) == (-9, "crashed")
    assert world.of("completed") == []
    if isinstance(crashed, Started):
        assert gone.instance_id == crashed.report.instance_id
    said = await run_to_end(world, with_fields(order, session_id=S2))
    assert said["reason"] == "exit 0"
    assert world.show(order.branch, "work/0000000d.md").startswith("# Add a file")
    assert len(world.worktrees()) == 0


async def merge_that_crashes_is_made_once(world: World) -> None:
    order = review_order(session_id=S1, git_url=world.url)
    world.push_file("a.txt", "a\n", branch=order.branch)
    await start(world, order)
    await world.wait_gone()
    said = await run_to_end(world, with_fields(order, session_id=S2))
    assert said["reason"] == "exit 0"
    assert world.of("done")[-1].body["commit_sha"] == world.head("main")
    assert world.show("main", "a.txt") == "a"
    proof = await world.containers.prove_merge(
        TOWN, order.repository, branch=order.branch, target_branch="main", timeout_ms=CALL_MS
    )
    assert proof == MergeProof(is_merged=True, target_head=world.head("main"))


def crash(place: str) -> FaultPlan:
    return (Fault(point=f"container.crash@{place}", kind=FaultKind.CRASH),)


def once(point: str, kind: FaultKind, ms: int = 0) -> FaultPlan:
    return (Fault(point=point, kind=kind, ms=ms),)


PROBES = tuple(
    Fault(point="probe.status", nth=nth, kind=kind)
    for nth, kind in enumerate((FaultKind.MISSING, FaultKind.ERROR, FaultKind.LOST), start=1)
)

CASES: tuple[tuple[str, Case, FaultPlan], ...] = (
    ("slow", start_that_times_out_and_then_succeeds, once("start.slow", FaultKind.SLOW, 800)),
    ("500", start_answered_500_that_did_not_happen, once("start.before", FaultKind.ERROR)),
    ("lost", start_whose_answer_is_lost_happened, once("start.reply", FaultKind.LOST)),
    ("probes", probes_that_fail_prove_nothing_and_404_says_who, PROBES),
    ("stop", stop_that_is_slow_stops_all_the_same, once("stop.slow", FaultKind.SLOW, 500)),
    (
        "reports",
        lost_reports_are_made_up_for,
        (
            *once("heartbeat.lost", FaultKind.LOST),
            *once("completed.lost", FaultKind.LOST),
        ),
    ),
    ("disk", full_disk_fails_the_session, once("disk.full", FaultKind.DISK_FULL)),
    ("partition", partition_delays_what_is_said, once("partition", FaultKind.PARTITION, 300)),
    *(
        (f"work@{place}", work_that_crashes_is_done_by_the_next_instance, crash(place))
        for place in ("start", "clone", "worktree", "spawn", "commit", "push", "report")
    ),
    *(
        (f"merge@{place}", merge_that_crashes_is_made_once, crash(place))
        for place in ("merge", "push", "between merge and report", "report")
    ),
)
