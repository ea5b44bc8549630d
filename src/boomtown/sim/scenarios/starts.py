"""Scenarios about starting sessions: answers that are lost, late, or no."""

from __future__ import annotations

import asyncio

import msgspec

from boomtown.container_sim.faults import FaultKind
from boomtown.container_sim.model import Rejected
from boomtown.container_sim.sim_timings import Span
from boomtown.error_codes import ErrorCode
from boomtown.sim.scenarios.scenario import Scenario
from boomtown.sim.scenarios.scenario_world import (
    MINUTE_MS,
    QUICK,
    SECOND_MS,
    ScenarioWorld,
    origin_of,
)
from boomtown.sim.scenarios.scripted_port import Script

PLAIN = "create src/{name}.txt {name}\ncommit Add {name}\ndone\n"
SLOW = "sleep 300\n" + PLAIN
HANGING = "hang\n"
# The session still works when the answer that was lost has timed out.
UNHURRIED = msgspec.structs.replace(QUICK, work=Span(90 * SECOND_MS, 90 * SECOND_MS))
SLOW_CLONE_MS = 200 * SECOND_MS
NO_ROOM = Rejected(code=ErrorCode.CONTAINER_ERROR, message="no room")
NO_HARNESS = Rejected(code=ErrorCode.UNKNOWN_HARNESS, message="no such harness")


async def _lost_answer_of_a_review(world: ScenarioWorld) -> None:
    bead = await world.sling("wall", "sleep 30\n" + PLAIN)
    await world.wait_running(bead)
    world.arm("start.reply", FaultKind.LOST)
    review = (await world.wait_review(bead))["bead_id"]
    await world.advance(5 * MINUTE_MS)
    world.expect_starts(review, 1)
    world.expect(world.bodies_of(review) == 1, "the review had more than one body")
    await world.rest()
    world.expect_status(review, "closed")


async def _lost_answer_of_work(world: ScenarioWorld) -> None:
    world.arm("start.reply", FaultKind.LOST)
    bead = await world.sling("wall", "sleep 660\n" + PLAIN)
    await world.advance(10 * MINUTE_MS)
    world.expect_starts(bead, 1)
    world.expect(world.bodies_of(bead) == 1, "the bead has not exactly one body")
    await world.rest()
    world.expect_starts(bead, 1)
    world.expect_status(bead, "closed")


async def _start_that_fails_after_its_lost_answer(world: ScenarioWorld) -> None:
    world.arm("start.reply", FaultKind.LOST)
    world.arm("disk.full", FaultKind.DISK_FULL)
    bead = await world.sling("wall", PLAIN)
    first = await world.wait_first_end(bead)
    world.expect(world.bead(bead)["dispatch_attempts"] == 1, "the failed start is no attempt")
    await world.rest()
    world.expect_starts(bead, 2)
    second = world.sessions_of(bead)[1]
    pause_ms = second["claimed_at_ms"] - first["ended_at_ms"]
    world.expect(pause_ms >= 25 * SECOND_MS, f"tried again after {pause_ms} ms")
    world.expect_status(bead, "closed")


async def _rejected_start_of_a_closed_bead(world: ScenarioWorld) -> None:
    bead = await world.sling("wall", HANGING)
    world.port.order(
        Script(verb="start", bead_id=bead, outcome=NO_ROOM, after_ms=5 * SECOND_MS), times=1
    )
    await world.wait_for("the start is sent", lambda: bool(world.port.starts_of(bead)))
    await world.set_status(bead, "closed")
    await world.advance(2 * MINUTE_MS)
    world.expect_status(bead, "closed")
    world.expect(world.bead(bead)["dispatch_attempts"] == 0, "the closed bead has an attempt")
    world.expect_starts(bead, 1)


async def _two_starts_that_fail_differently(world: ScenarioWorld) -> None:
    reasons = (NO_ROOM, NO_HARNESS)
    beads = [await world.sling(f"wall-{nth}", PLAIN) for nth in range(len(reasons))]
    for bead, outcome in zip(beads, reasons, strict=True):
        script = Script(verb="start", bead_id=bead, outcome=outcome, after_ms=2 * SECOND_MS)
        world.port.order(script, times=1)
    for bead, outcome in zip(beads, reasons, strict=True):
        first = await world.wait_first_end(bead)
        reason = first["end_reason"]
        world.expect(reason == outcome.code, f"{outcome.code} was told as {reason}")
    await world.rest()
    for bead in beads:
        world.expect_starts(bead, 2)
        world.expect_status(bead, "closed")


async def _rig_that_cannot_start(world: ScenarioWorld) -> None:
    other = await world.add_rig()
    failing = await world.sling("never", PLAIN)
    world.port.order(Script(verb="start", bead_id=failing, outcome=NO_ROOM), times=3)
    fine = await world.sling("fine", PLAIN, rig=other)
    await world.wait_status(fine, "closed")
    world.expect_status(failing, "open")
    world.expect(bool(world.port.starts_of(failing)), "the failing rig was never tried")
    await world.rest()
    world.expect_status(failing, "closed")


async def _start_that_outlives_its_timeout(world: ScenarioWorld) -> None:
    world.arm("start.slow", FaultKind.SLOW, ms=70 * SECOND_MS)
    bead = await world.sling("wall", PLAIN)
    session = await world.wait_running(bead)
    await world.rest()
    world.expect_starts(bead, 1)
    ended = world.session(session["session_id"])
    world.expect(ended["verdict"] == "submitted", f"the session ended as {ended['end_reason']}")
    world.expect_status(bead, "closed")


async def _cold_start(world: ScenarioWorld) -> None:
    world.arm("start.reply", FaultKind.LOST)
    for _ in range(8):
        world.arm("probe.status", FaultKind.MISSING)
    heartbeats = world.courier.withhold("heartbeat", None, is_taken=False)
    bead = await world.sling("wall", SLOW)
    await world.advance(2 * MINUTE_MS)
    probes = world.port.calls_of("probe", world.port.starts_of(bead)[0])
    world.expect(len(probes) >= 8, f"only {len(probes)} probes were answered 404")
    heartbeats.lift()
    await world.wait_running(bead)
    await world.rest()
    world.expect_starts(bead, 1)
    world.expect_status(bead, "closed")


async def _slow_clone(world: ScenarioWorld) -> None:
    bead = await world.sling("wall", PLAIN)
    await world.advance(SLOW_CLONE_MS - 10 * SECOND_MS)
    world.expect(world.bodies_of(bead) == 0, "the clone is over")
    await world.rest()
    world.expect_starts(bead, 1)
    world.expect_status(bead, "closed")


async def _slings_at_once(world: ScenarioWorld) -> None:
    slings = [world.sling(f"wall-{nth}", PLAIN) for nth in range(4)]
    beads = await asyncio.gather(*slings)
    await world.rest()
    for nth, bead in enumerate(beads):
        world.expect_starts(bead, 1)
        world.expect_status(bead, "closed")
        world.expect(f"src/wall-{nth}.txt" in origin_of(world), f"wall {nth} is not in main")


async def _repeated_start(world: ScenarioWorld) -> None:
    world.port.doubles_starts = True
    bead = await world.sling("wall", "sleep 60\n" + PLAIN)
    session = await world.wait_running(bead)
    await world.rest()
    ended = world.session(session["session_id"])
    world.expect(ended["verdict"] == "submitted", f"the session ended as {ended['end_reason']}")
    world.expect(world.bodies_of(bead) == 1, "the second start made a second body")
    world.expect_status(bead, "closed")


SCENARIOS = (
    Scenario(
        name="review-start-without-an-answer",
        sentence="The answer of a review's start is lost: the claim stays, and one start is sent.",
        row=2,
        script=_lost_answer_of_a_review,
        timings=UNHURRIED,
    ),
    Scenario(
        name="rejected-start-of-a-closed-bead",
        sentence="A start is rejected after its bead was closed: the bead stays closed.",
        row=11,
        script=_rejected_start_of_a_closed_bead,
    ),
    Scenario(
        name="two-starts-that-fail-differently",
        sentence="Two starts are rejected at once: each session has the reason of its own.",
        row=17,
        script=_two_starts_that_fail_differently,
    ),
    Scenario(
        name="work-start-without-an-answer",
        sentence="The answer of a worker's start is lost: ten minutes later one body works.",
        row=19,
        script=_lost_answer_of_work,
    ),
    Scenario(
        name="start-that-fails-after-its-lost-answer",
        sentence="A start whose answer is lost fails: it is tried again, after a pause.",
        row=21,
        script=_start_that_fails_after_its_lost_answer,
    ),
    Scenario(
        name="rig-that-cannot-start",
        sentence="The starts of one rig are rejected: another rig's bead is worked on and merged.",
        row=24,
        script=_rig_that_cannot_start,
    ),
    Scenario(
        name="start-that-outlives-its-timeout",
        sentence="A start takes effect after its timeout: the same session goes on.",
        row=31,
        script=_start_that_outlives_its_timeout,
    ),
    Scenario(
        name="cold-start-that-is-not-found",
        sentence="A new container answers 404 about a session for two minutes: one start is sent.",
        row=32,
        script=_cold_start,
    ),
    Scenario(
        name="clone-that-takes-minutes",
        sentence="A clone takes longer than a lease and a start's deadline: one start is sent.",
        row=68,
        script=_slow_clone,
        timings=msgspec.structs.replace(QUICK, clone=Span(SLOW_CLONE_MS, SLOW_CLONE_MS)),
    ),
    Scenario(
        name="slings-at-once",
        sentence="Four beads are slung at one instant while the loop runs: each is started once.",
        row=69,
        script=_slings_at_once,
    ),
    Scenario(
        name="start-that-arrives-twice",
        sentence="Each start arrives a second time: it is the same session, with one body.",
        row=74,
        script=_repeated_start,
    ),
)
