"""Scenarios about reviews: which one counts, who may run, and what becomes of the source."""

from __future__ import annotations

import msgspec

from boomtown.container_sim.faults import FaultKind
from boomtown.container_sim.model import Unknown
from boomtown.container_sim.sim_timings import Span
from boomtown.sim.scenarios.scenario import Scenario
from boomtown.sim.scenarios.scenario_world import (
    HOUR_MS,
    MINUTE_MS,
    QUICK,
    SECOND_MS,
    ScenarioWorld,
    origin_of,
)
from boomtown.sim.scenarios.scripted_port import Script

PLAIN = "create src/{name}.txt {name}\ncommit Add {name}\ndone\n"
PULL = "https://forge.example.com/app/pull/7"
NIGHT_MS = 8 * HOUR_MS
# Agents that think so long before they do anything: a review is under way while others act.
THOUGHTFUL = msgspec.structs.replace(QUICK, work=Span(MINUTE_MS, MINUTE_MS))
PONDERING = msgspec.structs.replace(QUICK, work=Span(41 * MINUTE_MS, 41 * MINUTE_MS))


async def _wait_two_reviews(world: ScenarioWorld) -> tuple[str, str]:
    """(the review that the refinery works on, the one that waits) of two new beads."""
    beads = [await world.sling(name, PLAIN) for name in ("first", "second")]
    reviews = [(await world.wait_review(bead))["bead_id"] for bead in beads]
    taken, waiting = sorted(reviews, key=lambda review: not world.sessions_of(review))
    await world.wait_running(taken)
    return taken, waiting


async def _late_done_of_an_ended_review(world: ScenarioWorld) -> None:
    first, second = await _wait_two_reviews(world)
    (session,) = world.sessions_of(first)
    done = world.courier.withhold("done", session["session_id"], is_taken=False)
    await world.wait_ended(session["session_id"])
    later = await world.wait_running(second)
    answer = await world.deliver(done.letters[0])
    world.expect(answer["stale"], "the late done was not called stale")
    await world.advance(SECOND_MS)
    world.expect_status(first, "open")
    world.expect_status(second, "in_progress")
    state = world.session(later["session_id"])["state"]
    world.expect(state == "running", f"the second review's session is {state}")
    await world.rest()
    for review in (first, second):
        world.expect_status(review, "closed")
        world.expect_status(world.bead(review)["subject"], "closed")


async def _second_submission(world: ScenarioWorld) -> None:
    bead = await world.sling("wall", PLAIN)
    older = (await world.wait_review(bead))["bead_id"]
    await world.wait_running(older)
    branch = world.sessions_of(bead)[0]["branch"]
    await world.ask_rig("POST", "review-queue", {"bead_id": bead, "branch": branch})
    first, second = world.reviews_of(bead)
    world.expect(first["failure_code"] == "superseded", "the older review was not superseded")
    await world.rest()
    world.expect_status(older, "failed")
    world.expect_status(second["bead_id"], "closed")
    world.expect_status(bead, "closed")


async def _open_a_pull_request(world: ScenarioWorld, name: str) -> tuple[str, str]:
    """(the bead, its review), which waits for a person at its forge."""
    bead = await world.sling(name, PLAIN + "review hang\n")
    review = (await world.wait_review(bead))["bead_id"]
    session = await world.wait_running(review)
    body = {"branch": session["branch"], "verdict": "pr_created", "pr_url": PULL}
    answer = await world.deliver(world.courier.write_as(session["session_id"], "done", body))
    world.expect(not answer["stale"], "the living session's done was called stale")
    await world.wait_ended(session["session_id"])
    return bead, review


async def _pull_request_that_waits(world: ScenarioWorld) -> None:
    bead, review = await _open_a_pull_request(world, "waits")
    other = await world.sling("other", PLAIN)
    await world.wait_status(other, "closed")
    world.expect_status(review, "in_progress")
    world.expect_status(bead, "in_review")
    await world.complete_review(review, "merged", "The person has merged it.")
    await world.rest()
    world.expect_status(bead, "closed")


async def _pull_request_of_a_night(world: ScenarioWorld) -> None:
    bead, review = await _open_a_pull_request(world, "waits")
    await world.advance(NIGHT_MS)
    world.expect_status(review, "in_progress")
    world.expect_status(bead, "in_review")
    world.expect_starts(review, 1)
    await world.complete_review(review, "merged", "The person has merged it.")
    await world.rest()
    world.expect_status(bead, "closed")


async def _review_that_a_person_fails(world: ScenarioWorld) -> None:
    bead = await world.sling("wall", PLAIN)
    review = (await world.wait_review(bead))["bead_id"]
    await world.wait_running(review)
    await world.set_status(review, "failed")
    source = world.bead(bead)
    world.expect(source["status"] == "open", f"its source is {source['status']}")
    world.expect(source["assignee_agent_id"] is None, "its source is still somebody's")
    await world.rest()
    world.expect_starts(bead, 2)
    world.expect_status(review, "failed")
    world.expect_status(bead, "closed")


async def _late_done_of_the_first_session(world: ScenarioWorld) -> None:
    bead = await world.sling("wall", PLAIN)
    review = (await world.wait_review(bead))["bead_id"]
    dones = world.courier.withhold("done", None, is_taken=False)
    first = (await world.wait_running(review))["session_id"]
    await world.wait_for("the done is said", lambda: bool(dones.letters))
    world.kill_container()
    second = (await world.wait_running(review, number=2))["session_id"]
    answer = await world.deliver(dones.letters[0])
    world.expect(dones.letters[0].session_id == first, "the letter is not the first session's")
    world.expect(answer["stale"], "the late done was not called stale")
    await world.advance(SECOND_MS)
    world.expect_status(review, "in_progress")
    world.expect(world.session(second)["verdict"] is None, "the second session has a verdict")
    await world.rest()
    world.expect_status(review, "closed")
    world.expect_status(bead, "closed")


async def _merge_after_a_failed_review(world: ScenarioWorld) -> None:
    bead = await world.sling("wall", PLAIN + "review conflict not like this\n")
    await world.rest()
    failed, merged = world.reviews_of(bead)
    world.expect(failed["status"] == "failed", f"the failed review is {failed['status']}")
    message = failed["failure_message"]
    world.expect(message == "not like this", f"the failed review says {message!r}")
    world.expect(merged["status"] == "closed", f"the second review is {merged['status']}")
    world.expect_status(bead, "closed")


async def _failed_review_of_a_lone_bead(world: ScenarioWorld) -> None:
    bead = await world.sling("wall", PLAIN + "review conflict no\n")
    review = (await world.wait_review(bead))["bead_id"]
    await world.wait_status(review, "failed")
    await world.wait_running(bead, number=2)
    await world.rest()
    world.expect_starts(bead, 2)
    world.expect_status(bead, "closed")
    world.expect("src/wall.txt" in origin_of(world), "the work is not in main")


async def _refinery_that_is_not_proven_over(world: ScenarioWorld) -> None:
    review, waiting = await _wait_two_reviews(world)
    session = world.sessions_of(review)[0]["session_id"]
    silence = Script(verb="stop", bead_id=review, outcome=Unknown(reason="status 503"))
    world.port.order(silence, times=3)
    await world.set_status(review, "failed")
    await world.wait_for(
        "the third stop is sent", lambda: len(world.port.calls_of("stop", session)) == 3
    )
    world.expect(world.session(session)["state"] == "ending", "the session ended without proof")
    world.expect(not world.port.starts_of(waiting), "the refinery was taken while it lived")
    await world.wait_ended(session)
    await world.rest()
    world.expect_starts(waiting, 1)
    world.expect_status(waiting, "closed")


async def _done_after_the_completion(world: ScenarioWorld) -> None:
    bead = await world.sling("wall", PLAIN)
    review = (await world.wait_review(bead))["bead_id"]
    dones = world.courier.withhold("done", None, is_taken=True)
    session = (await world.wait_running(review))["session_id"]
    await world.wait_for("the body is over", lambda: world.session(session)["state"] == "ending")
    await world.advance(20 * SECOND_MS)
    answer = await world.deliver(dones.letters[0])
    world.expect(not answer["stale"], "the late done was called stale within its grace")
    await world.wait_status(review, "closed")
    await world.rest()
    world.expect_starts(review, 1)
    world.expect(world.bead(review)["dispatch_attempts"] == 0, "the review has an attempt more")
    world.expect_status(bead, "closed")


async def _long_review(world: ScenarioWorld) -> None:
    bead = await world.sling("wall", PLAIN)
    await world.advance(41 * MINUTE_MS)  # the work takes as long
    review = (await world.wait_review(bead))["bead_id"]
    session = (await world.wait_running(review))["session_id"]
    await world.advance(40 * MINUTE_MS)
    state = world.session(session)["state"]
    world.expect(state == "running", f"after forty minutes the session is {state}")
    world.expect_starts(review, 1)
    world.expect(not world.port.calls_of("stop", session), "a stop was sent to a living review")
    await world.rest()
    world.expect_starts(review, 1)
    world.expect_status(bead, "closed")


async def _merge_that_nobody_told(world: ScenarioWorld) -> None:
    world.arm("container.crash@between merge and report", FaultKind.CRASH)
    bead = await world.sling("wall", PLAIN)
    await world.wait_for_faults(1)
    await world.rest()
    (review,) = world.reviews_of(bead)
    world.expect(world.bodies_of(review["bead_id"]) == 2, "nobody looked at it again")
    world.expect(review["status"] == "closed", f"the review is {review['status']}")
    world.expect_status(bead, "closed")


SCENARIOS = (
    Scenario(
        name="late-done-of-a-finished-review",
        sentence="The done of an ended review session comes while another review is under way: it"
        " is stale.",
        row=1,
        script=_late_done_of_an_ended_review,
        timings=THOUGHTFUL,
    ),
    Scenario(
        name="second-submission-of-one-bead",
        sentence="A bead is submitted twice: the older review fails as superseded, the newer"
        " merges.",
        row=3,
        script=_second_submission,
        timings=THOUGHTFUL,
    ),
    Scenario(
        name="pull-request-that-waits",
        sentence="A review told its pull request (done with pr_url) and waits for a person: the"
        " next is merged.",
        row=4,
        script=_pull_request_that_waits,
    ),
    Scenario(
        name="pull-request-of-a-night",
        sentence="A review that told its pull request (done with pr_url) stays without a refinery"
        " for a night.",
        row=9,
        script=_pull_request_of_a_night,
    ),
    Scenario(
        name="review-that-a-person-fails",
        sentence="A person fails a review: its source is open, nobody's, and worked on again.",
        row=10,
        script=_review_that_a_person_fails,
        timings=THOUGHTFUL,
    ),
    Scenario(
        name="late-done-of-a-killed-review-session",
        sentence="The done of a review's killed session comes while its next one works: it is"
        " stale.",
        row=12,
        script=_late_done_of_the_first_session,
    ),
    Scenario(
        name="merge-after-a-failed-review",
        sentence="A review fails and the next one merges: the failed one stays failed, with its"
        " reason.",
        row=18,
        script=_merge_after_a_failed_review,
    ),
    Scenario(
        name="failed-review-of-a-lone-bead",
        sentence="The review of a bead outside every convoy fails: the bead is worked on again and"
        " merged.",
        row=20,
        script=_failed_review_of_a_lone_bead,
    ),
    Scenario(
        name="refinery-that-is-not-proven-over",
        sentence="Three stops of a refinery get no answer: the next review waits for proof of its"
        " end.",
        row=22,
        script=_refinery_that_is_not_proven_over,
        timings=THOUGHTFUL,
    ),
    Scenario(
        name="done-after-the-completion",
        sentence="A review's done comes twenty seconds after its body's end: it counts, and one"
        " start was sent.",
        row=23,
        script=_done_after_the_completion,
    ),
    Scenario(
        name="review-of-forty-minutes",
        sentence="A review takes forty minutes and sends heartbeats: nobody stops or repeats it.",
        row=25,
        script=_long_review,
        timings=PONDERING,
    ),
    Scenario(
        name="merge-that-nobody-told",
        sentence="The container dies after the push of a merge: the next session finds it merged,"
        " once.",
        row=0,
        script=_merge_that_nobody_told,
    ),
)
