"""What an owner is told of its request, and what is no news."""

from __future__ import annotations

import msgspec

from boomtown.actors.town.nudges import hashes_of, is_acknowledged, plan_nudges
from boomtown.actors.town.observer_model import Pr, PrCheck, PrThread
from boomtown.container_sim.forge.model import (
    CheckStatus,
    Mergeability,
    PullRequestState,
    ReviewDecision,
)
from boomtown.ids import AgentId
from boomtown.limits import TownLimits

LIMITS = TownLimits()
URL = "https://forge.invalid/acme/widgets/pull/7"
PR = Pr(
    url=URL,
    forge="https://forge.invalid",
    repo_owner="acme",
    repo_name="widgets",
    number=7,
    agent_id=AgentId("a"),
    session_id=None,
    rig_id=None,
    title="t",
    author="ann",
    branch="work",
    base_branch="main",
    head_sha="c0ffee",
    head_since_ms=1,
    state=PullRequestState.OPEN,
    is_draft=False,
    review_decision=None,
    ci_status=None,
    mergeability=None,
    metadata_hash=None,
    checks_hash=None,
    reviews_hash=None,
    nudges={},
    opened_at_ms=1,
    observed_at_ms=1,
)


def check(name: str, status: CheckStatus, *, head: str = "c0ffee", log: str = "") -> PrCheck:
    return PrCheck(pr_url=URL, name=name, head_sha=head, status=status, log_tail=log or None)


def thread(thread_id: str, *, is_resolved: bool = False) -> PrThread:
    return PrThread(
        pr_url=URL,
        thread_id=thread_id,
        path="a.md",
        line=3,
        is_resolved=is_resolved,
        is_bot=False,
        body=f"words of {thread_id}",
    )


def tell(
    pr: Pr, checks: tuple[PrCheck, ...] = (), threads: tuple[PrThread, ...] = ()
) -> tuple[list[str], Pr]:
    """(the subjects that are said, the row as it is after)."""
    plan = plan_nudges(pr, checks, threads, limits=LIMITS)
    after = msgspec.structs.replace(pr, nudges=plan.remembered)
    return [nudge.subject for nudge in plan.nudges], after


def test_what_was_said_is_not_said_again() -> None:
    pr = msgspec.structs.replace(
        PR,
        mergeability=Mergeability.CONFLICTING,
        review_decision=ReviewDecision.CHANGES_REQUESTED,
    )
    checks = (check("test", CheckStatus.FAILED),)
    said, after = tell(pr, checks, (thread("t1"),))
    assert said == ["CI fails on #7", "Review feedback on #7", "#7 conflicts with main"]
    assert tell(after, checks, (thread("t1"),))[0] == []


def test_another_failing_check_or_head_is_news_and_a_passing_run_between_is_not() -> None:
    failed = check("test", CheckStatus.FAILED)
    _, after = tell(PR, (failed,))
    _, passed = tell(after, (check("test", CheckStatus.PASSED),))
    assert tell(passed, (failed,))[0] == []
    assert tell(after, (failed, check("lint", CheckStatus.FAILED)))[0] == ["CI fails on #7"]
    moved = msgspec.structs.replace(after, head_sha="beef")
    assert tell(moved, (check("test", CheckStatus.FAILED, head="beef"),))[0] == ["CI fails on #7"]


def test_checks_of_an_older_head_are_no_news() -> None:
    assert tell(PR, (check("test", CheckStatus.FAILED, head="old"),))[0] == []


def test_a_log_is_quoted_from_its_end() -> None:
    log = "x" * LIMITS.nudge_log_characters_max + "the end"
    plan = plan_nudges(PR, (check("test", CheckStatus.FAILED, log=log),), (), limits=LIMITS)
    assert plan.nudges[0].body.endswith("the end")
    assert len(plan.nudges[0].body) < LIMITS.nudge_log_characters_max + 200


def test_resolving_one_of_several_threads_is_no_feedback() -> None:
    _, after = tell(PR, threads=(thread("t1"), thread("t2")))
    assert tell(after, threads=(thread("t1", is_resolved=True), thread("t2")))[0] == []


def test_changes_asked_for_again_after_an_approval_are_news() -> None:
    wish = msgspec.structs.replace(PR, review_decision=ReviewDecision.CHANGES_REQUESTED)
    _, after = tell(wish)
    _, approved = tell(msgspec.structs.replace(after, review_decision=ReviewDecision.APPROVED))
    again = msgspec.structs.replace(approved, review_decision=ReviewDecision.CHANGES_REQUESTED)
    assert tell(again)[0] == ["Review feedback on #7"]


def test_feedback_is_told_a_bounded_number_of_times() -> None:
    pr, count = PR, 0
    for number in range(10):
        said, pr = tell(pr, threads=tuple(thread(f"t{n}") for n in range(number + 1)))
        count += len(said)
    assert count == LIMITS.nudges_about_reviews_max


def test_equal_facts_are_acknowledged_by_equal_fingerprints() -> None:
    checks, threads = (check("test", CheckStatus.PASSED),), (thread("t1"),)
    hashes = hashes_of(PR, checks, threads)
    acknowledged = msgspec.structs.replace(
        PR,
        metadata_hash=hashes.metadata,
        checks_hash=hashes.checks,
        reviews_hash=hashes.reviews,
    )
    assert is_acknowledged(acknowledged, hashes_of(acknowledged, checks, threads))
    for changed in (
        hashes_of(msgspec.structs.replace(PR, head_sha="beef"), checks, threads),
        hashes_of(PR, (check("test", CheckStatus.FAILED),), threads),
        hashes_of(PR, checks, (thread("t1", is_resolved=True),)),
    ):
        assert not is_acknowledged(acknowledged, changed)
