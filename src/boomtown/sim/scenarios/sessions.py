"""Scenarios about sessions that live, fall silent and die, and about words that come too late."""

from __future__ import annotations

from boomtown.container_sim.faults import FaultKind
from boomtown.sim import faults as machine_faults
from boomtown.sim.scenarios.scenario import Scenario
from boomtown.sim.scenarios.scenario_world import (
    MINUTE_MS,
    SECOND_MS,
    ScenarioWorld,
    origin_of,
)

PLAIN = "create src/{name}.txt {name}\ncommit Add {name}\ndone\n"
TICKS_MS = 100 * SECOND_MS  # twenty ticks of a town at work
SILENCE_MS = 95 * SECOND_MS  # a lease, and a probe after it


async def _triage_request(world: ScenarioWorld) -> None:
    made = await world.ask_rig(
        "POST", "beads", {"title": "Look at it", "labels": ["gt:triage-request"]}
    )
    request = made["bead_id"]
    working = await world.sling("wall", "sleep 100\n" + PLAIN)
    await world.advance(TICKS_MS)
    world.expect(not world.sessions_of(request), "the triage request was given to somebody")
    world.expect_status(request, "open")
    await world.set_status(request, "closed")
    await world.rest()
    world.expect_status(working, "closed")


async def _probe_that_finds_nothing_once(world: ScenarioWorld) -> None:
    bead = await world.sling("wall", "sleep 300\n" + PLAIN)
    session = (await world.wait_running(bead))["session_id"]
    heartbeats = world.courier.withhold("heartbeat", session, is_taken=False)
    world.arm("probe.status", FaultKind.MISSING)
    await world.wait_for(
        "the town asks about it", lambda: bool(world.port.calls_of("probe", session))
    )
    heartbeats.lift()
    await world.advance(2 * MINUTE_MS)
    state = world.session(session)["state"]
    world.expect(state == "running", f"after one 404 the session is {state}")
    await world.rest()
    world.expect_starts(bead, 1)
    world.expect_status(bead, "closed")


async def _death_that_is_proven(world: ScenarioWorld) -> None:
    bead = await world.sling("wall", "sleep 60\n" + PLAIN)
    first = (await world.wait_running(bead))["session_id"]
    world.kill_container()
    ended = await world.wait_ended(first)
    world.expect(ended["end_reason"] == "container_gone", f"it ended as {ended['end_reason']}")
    await world.wait_running(bead, number=2)
    pause_ms = world.sessions_of(bead)[1]["claimed_at_ms"] - ended["ended_at_ms"]
    world.expect(pause_ms <= SECOND_MS, f"the bead waited {pause_ms} ms after the proof")
    world.expect(world.bead(bead)["dispatch_attempts"] == 0, "the container's death is an attempt")
    await world.rest()
    world.expect_status(bead, "closed")


async def _closing_a_failed_bead(world: ScenarioWorld) -> None:
    bead = await world.sling("wall", "hang\n")
    session = (await world.wait_running(bead))["session_id"]
    await world.set_status(bead, "failed")
    await world.wait_ended(session)
    audit = len(world.rows().tables["bead_events"])
    answer = await world.set_status(bead, "closed")
    await world.advance(SECOND_MS)
    world.expect(answer["status"] == "failed", f"the answer says {answer['status']}")
    world.expect(len(world.rows().tables["bead_events"]) == audit, "the audit tells of a change")
    world.expect_status(bead, "failed")
    await world.rest()
    world.expect_starts(bead, 1)


async def _probes_without_answers(world: ScenarioWorld) -> None:
    world.arm("start.reply", FaultKind.LOST)
    heartbeats = world.courier.withhold("heartbeat", None, is_taken=False)
    for _ in range(100):
        world.arm("probe.status", FaultKind.ERROR)
    bead = await world.sling("wall", "sleep 900\n" + PLAIN)
    await world.advance(150 * SECOND_MS)
    (session,) = world.sessions_of(bead)
    world.expect(session["state"] == "starting", f"the session is {session['state']}")
    heartbeats.lift()
    await world.advance(10 * MINUTE_MS)
    state = world.session(session["session_id"])["state"]
    world.expect(state == "running", f"the session is {state}")
    await world.rest()
    world.expect_starts(bead, 1)
    world.expect_status(bead, "closed")


async def _eviction_of_the_session_before(world: ScenarioWorld) -> None:
    bead = await world.sling("wall", "sleep 120\n" + PLAIN)
    first = (await world.wait_running(bead))["session_id"]
    world.kill_container()
    second = (await world.wait_running(bead, number=2))["session_id"]
    body = {"status": "completed", "reason": "container eviction"}
    answer = await world.deliver(world.courier.write_as(first, "completed", body))
    world.expect(answer["stale"], "the word about the session before was not called stale")
    await world.advance(SECOND_MS)
    state = world.session(second)["state"]
    world.expect(state == "running", f"the second session is {state}")
    await world.rest()
    world.expect_starts(bead, 2)
    world.expect_status(bead, "closed")


async def _exit_of_the_session_before(world: ScenarioWorld) -> None:
    completions = world.courier.withhold("completed", None, is_taken=True)
    bead = await world.sling("wall", "sleep 5\nfail\n")
    first = (await world.wait_running(bead))["session_id"]
    await world.wait_ended(first)
    second = (await world.wait_running(bead, number=2))["session_id"]
    letter = next(kept for kept in completions.letters if kept.session_id == first)
    answer = await world.deliver(letter)
    world.expect(answer["stale"], "the exit of the session before was not called stale")
    state = world.session(second)["state"]
    world.expect(state == "running", f"the second session is {state}")
    world.courier.lift()
    await world.rest()
    world.expect_status(bead, "failed")
    world.expect_starts(bead, 5)


async def _slow_stop(world: ScenarioWorld) -> None:
    first = await world.sling("first", "hang\n")
    session = await world.wait_running(first)
    world.arm("stop.slow", FaultKind.SLOW, ms=10 * SECOND_MS)
    await world.set_status(first, "closed")
    second = await world.sling("second", "sleep 60\n" + PLAIN)
    await world.wait_ended(session["session_id"])
    await world.rest()
    world.expect_starts(second, 1)
    world.expect_status(second, "closed")
    world.expect("src/second.txt" in origin_of(world), "the second bead's work is not in main")


async def _agent_that_forgets_its_done(world: ScenarioWorld) -> None:
    bead = await world.sling("wall", "create src/{name}.txt {name}\nforget-done\n")
    first = (await world.wait_running(bead))["session_id"]
    ended = await world.wait_ended(first)
    world.expect(ended["end_reason"] == "no_result", f"it ended as {ended['end_reason']}")
    world.expect_status(bead, "open")
    world.expect(not world.reviews_of(bead), "the unsaid work is in review")
    await world.rest()
    world.expect_status(bead, "failed")


async def _server_killed_at_a_start(world: ScenarioWorld) -> None:
    world.arm_server("effect.after", machine_faults.FaultKind.KILL)
    bead = await world.sling("wall", PLAIN)
    await world.wait_for_faults(1)
    await world.rest()
    world.expect(world.machine.lives == 2, f"the server has {world.machine.lives} lives")
    world.expect_status(bead, "closed")
    world.expect("src/wall.txt" in origin_of(world), "the work is not in main")


async def _power_cut_in_a_convoy(world: ScenarioWorld) -> None:
    convoy, beads = await world.sling_convoy(PLAIN, "sleep 20\n" + PLAIN, PLAIN)
    await world.wait_review(beads[0])
    world.kill_server(machine_faults.FaultKind.POWER_CUT)
    await world.rest()
    world.expect(world.machine.lives == 2, f"the server has {world.machine.lives} lives")
    for bead in (convoy, *beads):
        world.expect_status(bead, "closed")
    files = origin_of(world)
    for nth in range(len(beads)):
        world.expect(f"src/task-{nth}.txt" in files, f"task {nth} is not in main")


async def _convoy_whose_container_dies(world: ScenarioWorld) -> None:
    convoy, beads = await world.sling_convoy(PLAIN, PLAIN, PLAIN)
    for bead in beads:
        await world.wait_body(bead)
        world.kill_container()
    await world.rest()
    for bead in (convoy, *beads):
        world.expect_status(bead, "closed")


SCENARIOS = (
    Scenario(
        name="triage-request-stays-where-it-is",
        sentence="A triage request waits for twenty ticks: nobody is hooked to it.",
        row=7,
        script=_triage_request,
    ),
    Scenario(
        name="probe-that-finds-nothing-once",
        sentence="A probe of a silent session is answered 404 once: its heartbeats return, it goes"
        " on.",
        row=13,
        script=_probe_that_finds_nothing_once,
    ),
    Scenario(
        name="death-that-is-proven",
        sentence="A worker's container is seen gone: its bead is given out again at once, without"
        " an attempt.",
        row=14,
        script=_death_that_is_proven,
    ),
    Scenario(
        name="closing-a-failed-bead",
        sentence="A failed bead is asked to close: it stays failed, and the audit says nothing.",
        row=15,
        script=_closing_a_failed_bead,
    ),
    Scenario(
        name="probes-without-answers",
        sentence="All probes are answered 500 for ten minutes: they are evidence of nothing.",
        row=26,
        script=_probes_without_answers,
    ),
    Scenario(
        name="agent-that-forgets-its-done",
        sentence="A worker ends without a done each time: nothing is reviewed, and the bead fails"
        " at its cap.",
        row=41,
        script=_agent_that_forgets_its_done,
    ),
    Scenario(
        name="eviction-of-the-session-before",
        sentence="An earlier session is told as evicted while the next one works: that one works"
        " on.",
        row=59,
        script=_eviction_of_the_session_before,
    ),
    Scenario(
        name="exit-of-the-session-before",
        sentence="The exit of a failed session is told while the next one runs: that one works on.",
        row=67,
        script=_exit_of_the_session_before,
    ),
    Scenario(
        name="slow-stop-spares-the-next-session",
        sentence="A stop takes ten seconds: it ends the session it was for, and not the next one.",
        row=70,
        script=_slow_stop,
    ),
    Scenario(
        name="server-killed-at-a-start",
        sentence="The server is killed after a start was carried out and before it is written"
        " down.",
        row=0,
        script=_server_killed_at_a_start,
    ),
    Scenario(
        name="power-cut-in-a-convoy",
        sentence="The power fails while a convoy is under way: it lands, with every task merged.",
        row=0,
        script=_power_cut_in_a_convoy,
    ),
    Scenario(
        name="convoy-whose-container-dies",
        sentence="The container is killed at each task of a convoy: the convoy lands.",
        row=0,
        script=_convoy_whose_container_dies,
    ),
)
