"""What becomes of a question when the forge fails: each fault has its outcome, is counted when it
fires, and nothing is ever taken for more than it is."""

from __future__ import annotations

from boomtown.container_sim.forge.forge_faults import ArmForgeFault, ForgeFaultKind
from boomtown.container_sim.forge.model import (
    CheckStatus,
    FailureKind,
    Fetched,
    ForgeFailed,
    Made,
    Merged,
    NotLearnt,
    PullRequest,
    RateLimited,
    ReviewVerdict,
    Unauthorized,
)
from support.forge_cases import (
    BRANCH,
    add_thread,
    checks_of,
    client_of,
    create,
    listed,
    merge,
    open_pull,
    review,
    reviews_of,
    shown,
    threads_of,
)
from support.forge_worlds import CALL_MS, REPO, ForgeCase, ForgeWorld, operator_of

HELD_CALL_MS = 100  # for a question that is not going to be answered


def arm(
    world: ForgeWorld, kind: ForgeFaultKind, operation: str | None = None, **counts: int
) -> None:
    world.desk.faults.arm(ArmForgeFault(kind=kind, operation=operation, **counts))


def fired(world: ForgeWorld) -> list[int]:
    return [report.fired for report in world.desk.faults.reports()]


def kind_of(outcome: object) -> FailureKind:
    assert isinstance(outcome, ForgeFailed), outcome
    return outcome.kind


async def each_fault_has_its_outcome(world: ForgeWorld) -> None:
    ann = client_of(world, "ann")
    pull = await open_pull(world, ann)

    async def ask() -> Fetched[PullRequest] | NotLearnt:
        return await ann.get_pull_request(REPO, pull.number, timeout_ms=CALL_MS)

    arm(world, ForgeFaultKind.UNAUTHORIZED)
    assert await ask() == Unauthorized(is_known=False)
    for kind in (ForgeFaultKind.RATE_LIMIT, ForgeFaultKind.TOO_MANY):
        world.desk.faults.clear()
        arm(world, kind, retry_after_s=90)
        before_ms = world.clock.now_ms()
        limited = await ask()
        assert isinstance(limited, RateLimited), limited
        # A limit's end is in whole seconds, the other counts from the answer.
        assert before_ms + 90_000 <= limited.retry_at_ms <= world.clock.now_ms() + 91_000
        assert fired(world) == [1]
    for kind, failure in (
        (ForgeFaultKind.SERVER_ERROR, FailureKind.SERVER_ERROR),
        (ForgeFaultKind.LOST, FailureKind.UNREACHABLE),
        (ForgeFaultKind.MALFORMED, FailureKind.MALFORMED),
    ):
        world.desk.faults.clear()
        arm(world, kind)
        assert kind_of(await ask()) is failure
        assert fired(world) == [1]
        assert await ask() == Fetched(value=pull)


async def fault_fires_at_its_operation_and_its_turn(world: ForgeWorld) -> None:
    ann = client_of(world, "ann")
    pull = await open_pull(world, ann)
    arm(world, ForgeFaultKind.SERVER_ERROR, "pulls/get", nth=2, times=2)
    await listed(ann)
    failures: list[bool] = []
    for _ in range(4):
        found = await ann.get_pull_request(REPO, pull.number, timeout_ms=CALL_MS)
        failures.append(isinstance(found, ForgeFailed))
    assert failures == [False, True, True, False]
    (report,) = world.desk.faults.reports()
    assert (report.reached, report.fired) == (4, 2)


async def held_question_ends_in_time_and_happens_later(world: ForgeWorld) -> None:
    ann = client_of(world, "ann")
    world.push_file("a.md", "a\n", branch=BRANCH)
    arm(world, ForgeFaultKind.HELD, "pulls/create")
    outcome = await ann.create_pull_request(
        REPO,
        title="Held",
        body="",
        head_branch=BRANCH,
        base_branch="main",
        is_draft=False,
        timeout_ms=HELD_CALL_MS,
    )
    assert kind_of(outcome) is FailureKind.TIMEOUT
    assert fired(world) == [1]
    assert (await listed(ann))[0].items == ()
    world.desk.faults.clear()
    # Carried out before any request that comes now: it was waiting for its turn.
    assert [pull.title for pull in (await listed(ann))[0].items] == ["Held"]


async def lost_answer_is_found_by_asking_again(world: ForgeWorld) -> None:
    ann, bob = client_of(world, "ann"), client_of(world, "bob")
    world.push_file("a.md", "a\n", branch=BRANCH)
    arm(world, ForgeFaultKind.LOST, "pulls/create")
    arm(world, ForgeFaultKind.LOST, "pulls/create-review")
    arm(world, ForgeFaultKind.LOST, "pulls/merge")
    assert kind_of(await create(ann, BRANCH)) is FailureKind.UNREACHABLE
    again = await create(ann, BRANCH)
    assert isinstance(again, Made)
    assert (again.value.number, again.is_new) == (1, False)
    said = await review(bob, again.value, ReviewVerdict.APPROVED)
    assert kind_of(said) is FailureKind.UNREACHABLE
    assert [item.author for item in (await reviews_of(bob, 1)).items] == ["bob"]
    assert kind_of(await merge(ann, again.value)) is FailureKind.UNREACHABLE
    assert await merge(ann, again.value) == Merged(merge_sha=world.head("main"))
    assert fired(world) == [1, 1, 1]


async def truncated_listing_is_never_complete(world: ForgeWorld) -> None:
    ann, bob = client_of(world, "ann"), client_of(world, "bob")
    calls = operator_of(world, ann)
    await open_pull(world, ann, "other")
    pull = await open_pull(world, ann)
    sha = pull.head_sha
    for name in ("one", "two"):
        await review(bob, pull, ReviewVerdict.COMMENTED)
        await add_thread(calls, pull, name)
        await calls.set_check(REPO, head_sha=sha, name=name, status=CheckStatus.PASSED, log=None)
        await calls.set_status(
            REPO, head_sha=sha, context=f"s-{name}", state="success", description=""
        )

    async def sizes() -> list[tuple[int, bool]]:
        pulls, _ = await listed(ann)
        checks, reviews = await checks_of(ann, sha), await reviews_of(ann, pull.number)
        threads = await threads_of(ann, pull.number)
        return [
            (len(listing.items), listing.is_complete)
            for listing in (pulls, checks, reviews, threads)
        ]

    assert await sizes() == [(2, True), (4, True), (2, True), (2, True)]
    for operation in ("pulls/list", "checks/list-for-ref", "pulls/list-reviews", "graphql"):
        arm(world, ForgeFaultKind.TRUNCATED, operation)
    assert await sizes() == [(1, False), (3, False), (1, False), (1, False)]
    world.desk.faults.clear()
    arm(world, ForgeFaultKind.TRUNCATED, "repos/get-combined-status")
    assert (await sizes())[1] == (3, False)
    assert fired(world) == [1]


async def truncated_listing_has_no_etag(world: ForgeWorld) -> None:
    ann = client_of(world, "ann")
    await open_pull(world, ann)
    arm(world, ForgeFaultKind.TRUNCATED, "pulls/list")
    assert (await listed(ann))[1] is None
    assert (await listed(ann))[1] is not None


async def fault_without_a_use_is_not_counted(world: ForgeWorld) -> None:
    ann = client_of(world, "ann")
    pull = await open_pull(world, ann)
    arm(world, ForgeFaultKind.TRUNCATED, "pulls/get")
    assert await shown(ann, pull.number) == pull
    assert fired(world) == [0]


async def failing_log_fails_the_question(world: ForgeWorld) -> None:
    """A log that cannot be had for now is not one that is not there."""
    ann = client_of(world, "ann")
    sha = world.head("main")
    calls = operator_of(world, ann)
    await calls.set_check(REPO, head_sha=sha, name="test", status=CheckStatus.FAILED, log="no\n")
    arm(world, ForgeFaultKind.SERVER_ERROR, "actions/download-job-logs")
    outcome = await ann.list_checks(REPO, sha, timeout_ms=CALL_MS)
    assert kind_of(outcome) is FailureKind.SERVER_ERROR
    assert [check.log_tail for check in (await checks_of(ann, sha)).items] == ["no"]


async def forge_that_is_cut_off_is_unreachable(world: ForgeWorld) -> None:
    ann = client_of(world, "ann")
    pull = await open_pull(world, ann)
    await world.cut_off()
    found = await ann.get_pull_request(REPO, pull.number, timeout_ms=CALL_MS)
    assert kind_of(found) is FailureKind.UNREACHABLE
    assert kind_of(await merge(ann, pull)) is FailureKind.UNREACHABLE


async def restart_forgets_faults(world: ForgeWorld) -> None:
    ann = client_of(world, "ann")
    pull = await open_pull(world, ann)
    arm(world, ForgeFaultKind.SERVER_ERROR, times=100)
    await world.restart()
    assert fired(world) == []
    assert await shown(ann, pull.number) == pull


CASES: tuple[ForgeCase, ...] = (
    each_fault_has_its_outcome,
    fault_fires_at_its_operation_and_its_turn,
    held_question_ends_in_time_and_happens_later,
    lost_answer_is_found_by_asking_again,
    truncated_listing_is_never_complete,
    truncated_listing_has_no_etag,
    fault_without_a_use_is_not_counted,
    failing_log_fails_the_question,
    forge_that_is_cut_off_is_unreachable,
    restart_forgets_faults,
)
