"""What a forge does for its askers: pull requests, checks, reviews, threads, merges. Each case runs
against our server with the git program, and against the twin. Faults are in forge_fault_cases."""

from __future__ import annotations

import msgspec

from boomtown.container_sim.forge.client import ForgeClient
from boomtown.container_sim.forge.model import (
    Check,
    CheckStatus,
    CredentialsValid,
    Fetched,
    HeadMoved,
    Listing,
    Made,
    Mergeability,
    Merged,
    MergeMethod,
    NoCredentials,
    NotFound,
    NotLearnt,
    NotMergeable,
    NotModified,
    PullRequest,
    PullRequestState,
    Refused,
    RepositoryName,
    Review,
    ReviewDecision,
    ReviewThread,
    ReviewVerdict,
    Unauthorized,
    decide_reviews,
)
from boomtown.container_sim.forge.operator_calls import OperatorCalls
from support.forge_worlds import CALL_MS, REPO, ForgeCase, ForgeWorld, operator_of

BRANCH = "bead/one"
ABSENT = RepositoryName(owner="acme", name="absent")
NO_COMMIT = "0123456789" * 4


def client_of(world: ForgeWorld, login: str, *, is_bot: bool = False) -> ForgeClient:
    return world.make_client(world.desk.grant_token(login, is_bot=is_bot))


async def open_pull(
    world: ForgeWorld, client: ForgeClient, branch: str = BRANCH, *, is_draft: bool = False
) -> PullRequest:
    """A pull request from a branch with one commit of its own."""
    world.push_file(f"{branch.replace('/', '-')}.md", "new\n", branch=branch)
    made = await create(client, branch, is_draft=is_draft)
    assert isinstance(made, Made), made
    return made.value


async def create(
    client: ForgeClient, branch: str, *, base: str = "main", is_draft: bool = False
) -> Made[PullRequest] | Refused | NotLearnt:
    return await client.create_pull_request(
        REPO,
        title=f"Title of {branch}",
        body="Why",
        head_branch=branch,
        base_branch=base,
        is_draft=is_draft,
        timeout_ms=CALL_MS,
    )


async def merge(
    client: ForgeClient,
    pull: PullRequest,
    *,
    head_sha: str | None = None,
    method: MergeMethod = MergeMethod.MERGE,
) -> Merged | HeadMoved | NotMergeable | NotLearnt:
    return await client.merge_pull_request(
        REPO,
        pull.number,
        expected_head_sha=head_sha or pull.head_sha,
        method=method,
        title="Merge it",
        timeout_ms=CALL_MS,
    )


async def listed(client: ForgeClient) -> tuple[Listing[PullRequest], str | None]:
    found = await client.list_open_pull_requests(REPO, etag=None, timeout_ms=CALL_MS)
    assert isinstance(found, Fetched), found
    return found.value, found.etag


async def shown(client: ForgeClient, number: int) -> PullRequest:
    found = await client.get_pull_request(REPO, number, timeout_ms=CALL_MS)
    assert isinstance(found, Fetched), found
    return found.value


async def checks_of(client: ForgeClient, sha: str) -> Listing[Check]:
    found = await client.list_checks(REPO, sha, timeout_ms=CALL_MS)
    assert isinstance(found, Fetched), found
    return found.value


async def threads_of(client: ForgeClient, number: int) -> Listing[ReviewThread]:
    found = await client.list_review_threads(REPO, number, timeout_ms=CALL_MS)
    assert isinstance(found, Fetched), found
    return found.value


async def reviews_of(client: ForgeClient, number: int) -> Listing[Review]:
    found = await client.list_reviews(REPO, number, timeout_ms=CALL_MS)
    assert isinstance(found, Fetched), found
    return found.value


async def review(
    client: ForgeClient, pull: PullRequest, verdict: ReviewVerdict, *, body: str = "Because"
) -> Made[Review] | Refused | NotLearnt:
    return await client.post_review(
        REPO, pull.number, head_sha=pull.head_sha, verdict=verdict, body=body, timeout_ms=CALL_MS
    )


async def add_thread(calls: OperatorCalls, pull: PullRequest, body: str) -> int:
    return await calls.add_thread(
        REPO, pull.number, head_sha=pull.head_sha, path="a.md", line=3, body=body
    )


async def credentials_are_valid_wrong_or_none(world: ForgeWorld) -> None:
    good = client_of(world, "ann")
    assert await good.check_credentials("acme", timeout_ms=CALL_MS) == CredentialsValid()
    wrong = world.make_client("wrong")
    unknown = Unauthorized(is_known=False)
    assert await wrong.check_credentials("acme", timeout_ms=CALL_MS) == unknown
    assert await wrong.get_pull_request(REPO, 1, timeout_ms=CALL_MS) == unknown
    # Without a token nobody is asked: also not a forge that is cut off.
    await world.cut_off()
    none = world.make_client(None)
    assert await none.check_credentials("acme", timeout_ms=CALL_MS) == NoCredentials()
    assert await none.list_checks(REPO, NO_COMMIT, timeout_ms=CALL_MS) == NoCredentials()


async def pull_request_is_made_once_and_says_all(world: ForgeWorld) -> None:
    ann = client_of(world, "ann")
    before_ms = world.clock.now_ms()
    pull = await open_pull(world, ann, is_draft=True)
    assert before_ms <= pull.created_at_ms <= world.clock.now_ms()
    assert pull == PullRequest(
        number=1,
        url=f"{world.site.base_url}/acme/widgets/pull/1",
        title=f"Title of {BRANCH}",
        author="ann",
        state=PullRequestState.OPEN,
        is_draft=True,
        head_branch=BRANCH,
        head_sha=world.head(BRANCH),
        base_branch="main",
        mergeability=Mergeability.MERGEABLE,
        created_at_ms=pull.created_at_ms,
    )
    assert await create(ann, BRANCH) == Made(value=_without_mergeability(pull), is_new=False)
    assert await shown(ann, 1) == pull
    spelled = RepositoryName(owner="ACME", name="Widgets")
    assert await ann.get_pull_request(spelled, 1, timeout_ms=CALL_MS) == Fetched(value=pull)


async def pull_request_needs_branches_and_commits(world: ForgeWorld) -> None:
    ann = client_of(world, "ann")
    assert isinstance(await create(ann, "never"), Refused)
    assert isinstance(await create(ann, "main"), Refused)
    world.push_file("a.md", "a\n", branch=BRANCH)
    for base in ("never", "main~0", "", "../main"):
        assert isinstance(await create(ann, BRANCH, base=base), Refused)
    assert (await listed(ann))[0] == Listing(items=(), is_complete=True)


async def what_is_not_there_is_not_found(world: ForgeWorld) -> None:
    ann = client_of(world, "ann")
    assert await ann.get_pull_request(REPO, 7, timeout_ms=CALL_MS) == NotFound()
    assert await ann.list_reviews(REPO, 7, timeout_ms=CALL_MS) == NotFound()
    assert await ann.list_review_threads(REPO, 7, timeout_ms=CALL_MS) == NotFound()
    assert await ann.list_checks(REPO, NO_COMMIT, timeout_ms=CALL_MS) == NotFound()
    found = await ann.list_open_pull_requests(ABSENT, etag=None, timeout_ms=CALL_MS)
    assert found == NotFound()


async def etag_holds_until_something_changes(world: ForgeWorld) -> None:
    ann = client_of(world, "ann")

    async def is_modified(etag: str | None) -> bool:
        found = await ann.list_open_pull_requests(REPO, etag=etag, timeout_ms=CALL_MS)
        return not isinstance(found, NotModified)

    _, none = await listed(ann)
    assert not await is_modified(none)
    # Three requests are two pages, and the etag is of both.
    for name in ("one", "two", "three"):
        await open_pull(world, ann, name)
    assert await is_modified(none)
    listing, three = await listed(ann)
    assert [pull.number for pull in listing.items] == [3, 2, 1]
    assert listing.is_complete
    assert not await is_modified(three)
    for change in ("one", "three"):
        world.push_file("more.md", f"{change}\n", branch=change)
        assert await is_modified(three)
        _, three = await listed(ann)
    await operator_of(world, ann).close_pull_request(REPO, 1)
    assert await is_modified(three)


async def listing_past_the_bound_is_incomplete(world: ForgeWorld) -> None:
    ann = client_of(world, "ann")
    for number in range(7):
        await open_pull(world, ann, f"branch-{number}")
    listing, etag = await listed(ann)
    assert ([pull.number for pull in listing.items], etag) == ([7, 6, 5, 4, 3, 2], None)
    assert not listing.is_complete
    assert {pull.mergeability for pull in listing.items} == {Mergeability.UNKNOWN}


async def branch_finds_its_open_request_before_older_ones(world: ForgeWorld) -> None:
    ann = client_of(world, "ann")

    async def find() -> PullRequest | None:
        found = await ann.find_pull_request_by_branch(REPO, BRANCH, timeout_ms=CALL_MS)
        assert isinstance(found, Fetched), found
        return found.value

    assert await find() is None
    first = await open_pull(world, ann)
    await open_pull(world, ann, "other")
    assert await find() == _without_mergeability(first)
    closed = await operator_of(world, ann).close_pull_request(REPO, first.number)
    assert (closed.state, closed.mergeability) == (PullRequestState.CLOSED, Mergeability.UNKNOWN)
    assert await find() == closed
    again = await create(ann, BRANCH)
    assert isinstance(again, Made)
    assert again.is_new
    assert await find() == _without_mergeability(again.value)
    world.push_file("stage.md", "stage\n", branch="stage")
    newer = await create(ann, BRANCH, base="stage")
    assert isinstance(newer, Made)
    await operator_of(world, ann).close_pull_request(REPO, newer.value.number)
    assert await find() == _without_mergeability(again.value)


async def checks_are_the_newest_and_the_worst_of_each_name(world: ForgeWorld) -> None:
    ann = client_of(world, "ann")
    calls = operator_of(world, ann)
    sha = world.push_file("a.md", "a\n", branch=BRANCH)
    assert await checks_of(ann, sha) == Listing(items=(), is_complete=True)
    log = "".join(f"line {number}\n" for number in range(100))
    for name, status, text in (
        ("build", CheckStatus.FAILED, "old\n"),
        ("build", CheckStatus.PASSED, None),
        ("lint", CheckStatus.PENDING, None),
        ("style", CheckStatus.NEUTRAL, None),
        ("test", CheckStatus.FAILED, log),
        ("quiet", CheckStatus.FAILED, None),
    ):
        await calls.set_check(REPO, head_sha=sha, name=name, status=status, log=text)
    for context, state in (("lint", "failure"), ("deploy", "success"), ("wait", "pending")):
        await calls.set_status(REPO, head_sha=sha, context=context, state=state, description="Said")
    listing = await checks_of(ann, sha)
    assert listing.is_complete
    assert [(check.name, check.status.value, check.head_sha) for check in listing.items] == [
        ("build", "passed", sha),
        ("deploy", "passed", sha),
        ("lint", "failed", sha),
        ("quiet", "failed", sha),
        ("style", "neutral", sha),
        ("test", "failed", sha),
        ("wait", "pending", sha),
    ]
    tails = {check.name: check.log_tail for check in listing.items if check.log_tail}
    ends = "\n".join(f"line {number}" for number in range(93, 100))
    assert tails == {"lint": "Said", "test": ends}


async def reviews_are_said_in_order_and_decide(world: ForgeWorld) -> None:
    ann, bob = client_of(world, "ann"), client_of(world, "bob")
    bot = client_of(world, "robot", is_bot=True)
    pull = await open_pull(world, ann)
    assert isinstance(await review(ann, pull, ReviewVerdict.APPROVED), Refused)
    assert isinstance(await review(bob, pull, ReviewVerdict.COMMENTED, body=""), Refused)
    elsewhere = await bob.post_review(
        REPO,
        pull.number,
        head_sha=NO_COMMIT,
        verdict=ReviewVerdict.APPROVED,
        body="",
        timeout_ms=CALL_MS,
    )
    assert isinstance(elsewhere, Refused)
    seen: list[ReviewDecision] = []
    for client, verdict in (
        (bob, ReviewVerdict.COMMENTED),
        (bob, ReviewVerdict.CHANGES_REQUESTED),
        (bot, ReviewVerdict.APPROVED),
        (bob, ReviewVerdict.APPROVED),
        (bot, ReviewVerdict.COMMENTED),
    ):
        made = await review(client, pull, verdict)
        assert isinstance(made, Made), made
        listing = await reviews_of(ann, pull.number)
        assert listing.is_complete
        assert listing.items[-1] == made.value
        seen.append(decide_reviews(listing.items))
    assert [decision.value for decision in seen] == [
        "none",
        "changes_requested",
        "changes_requested",
        "approved",
        "approved",
    ]
    items = (await reviews_of(ann, pull.number)).items
    assert len({item.review_id for item in items}) == 5
    said = [(item.author, item.is_bot, item.head_sha, item.body) for item in items]
    assert said == [
        (author, author == "robot", pull.head_sha, "Because")
        for author in ("bob", "bob", "robot", "bob", "robot")
    ]


async def threads_are_listed_resolved_or_not(world: ForgeWorld) -> None:
    ann = client_of(world, "ann")
    bot = client_of(world, "robot", is_bot=True)
    pull = await open_pull(world, ann)
    assert await threads_of(ann, pull.number) == Listing(items=(), is_complete=True)
    first = await add_thread(operator_of(world, ann), pull, "First")
    for number in range(2):
        await operator_of(world, bot).reply(
            REPO, pull.number, comment_id=first, body=f"Reply {number}"
        )
    for body in ("Second", "Third"):
        await add_thread(operator_of(world, bot), pull, body)
    listing = await threads_of(ann, pull.number)
    assert listing.is_complete
    said = [
        (thread.is_bot, [(comment.author, comment.body) for comment in thread.comments])
        for thread in listing.items
    ]
    assert said == [
        (False, [("ann", "First"), ("robot", "Reply 0")]),  # two at most
        (True, [("robot", "Second")]),
        (True, [("robot", "Third")]),
    ]
    assert [(thread.path, thread.line) for thread in listing.items] == [("a.md", 3)] * 3
    second = listing.items[1].thread_id
    for is_resolved in (True, True, False):
        await operator_of(world, ann).mark_thread(REPO, thread_id=second, is_resolved=is_resolved)
        marks = [thread.is_resolved for thread in (await threads_of(ann, pull.number)).items]
        assert marks == [False, is_resolved, False]
    for body in ("4", "5", "6", "7"):
        await add_thread(operator_of(world, ann), pull, body)
    many = await threads_of(ann, pull.number)
    assert (len(many.items), many.is_complete) == (6, False)


async def merge_makes_a_commit_once(world: ForgeWorld) -> None:
    ann = client_of(world, "ann")
    pull = await open_pull(world, ann)
    before = world.head("main")
    merged = await merge(ann, pull)
    assert merged == Merged(merge_sha=world.head("main"))
    assert world.parents("main") == [before, pull.head_sha]
    assert world.show("main", "bead-one.md") == "new"
    assert await merge(ann, pull) == merged
    after = await shown(ann, pull.number)
    assert (after.state, after.head_sha) == (PullRequestState.MERGED, pull.head_sha)
    assert (await listed(ann))[0].items == ()


async def squash_makes_one_commit_on_the_base(world: ForgeWorld) -> None:
    ann = client_of(world, "ann")
    pull = await open_pull(world, ann)
    before = world.push_file("base.md", "base\n", branch="main")
    assert await merge(ann, pull, method=MergeMethod.SQUASH) == Merged(merge_sha=world.head("main"))
    assert world.parents("main") == [before]
    assert world.show("main", "bead-one.md") == "new"
    assert world.show("main", "base.md") == "base"
    assert (await shown(ann, pull.number)).state is PullRequestState.MERGED


async def only_the_expected_head_is_merged(world: ForgeWorld) -> None:
    ann = client_of(world, "ann")
    pull = await open_pull(world, ann)
    before = world.head("main")
    moved = world.push_file("late.md", "late\n", branch=BRANCH)
    assert await merge(ann, pull) == HeadMoved()
    assert world.head("main") == before
    assert isinstance(await merge(ann, pull, head_sha=moved), Merged)
    assert await merge(ann, pull) == HeadMoved()


async def conflict_draft_and_closed_are_not_merged(world: ForgeWorld) -> None:
    ann = client_of(world, "ann")
    draft = await open_pull(world, ann, "draft", is_draft=True)
    closed = await open_pull(world, ann, "closed")
    await operator_of(world, ann).close_pull_request(REPO, closed.number)
    pull = await open_pull(world, ann)
    theirs = world.push_file("README.md", "theirs\n", branch=BRANCH)
    before = world.push_file("README.md", "ours\n", branch="main")
    assert (await shown(ann, pull.number)).mergeability is Mergeability.CONFLICTING
    assert await merge(ann, pull, head_sha=theirs) == NotMergeable()
    assert await merge(ann, draft) == NotMergeable()
    assert await merge(ann, closed) == NotMergeable()
    absent = msgspec.structs.replace(pull, number=99)
    assert await merge(ann, absent) == NotFound()
    assert world.head("main") == before


async def plain_push_of_the_merge_is_a_merge(world: ForgeWorld) -> None:
    ann = client_of(world, "ann")
    pull = await open_pull(world, ann)
    head = world.push_merge(BRANCH)
    assert (await listed(ann))[0].items == ()
    after = await shown(ann, pull.number)
    assert (after.state, after.head_sha) == (PullRequestState.MERGED, head)
    assert await merge(ann, pull) == Merged(merge_sha=head)


async def deleted_branch_leaves_the_last_head(world: ForgeWorld) -> None:
    ann = client_of(world, "ann")
    pull = await open_pull(world, ann)
    await merge(ann, pull)
    world.delete_branch(BRANCH)
    after = await shown(ann, pull.number)
    assert (after.state, after.head_sha) == (PullRequestState.MERGED, pull.head_sha)


async def restart_keeps_everything_that_was_told(world: ForgeWorld) -> None:
    ann, bob = client_of(world, "ann"), client_of(world, "bob")
    calls = operator_of(world, ann)
    merged, pull = await open_pull(world, ann, "merged"), await open_pull(world, ann)
    await merge(ann, merged)
    await review(bob, pull, ReviewVerdict.CHANGES_REQUESTED)
    await add_thread(calls, pull, "First")
    thread = (await threads_of(ann, pull.number)).items[0]
    await calls.mark_thread(REPO, thread_id=thread.thread_id, is_resolved=True)
    sha = pull.head_sha
    await calls.set_check(REPO, head_sha=sha, name="test", status=CheckStatus.FAILED, log="no\n")

    async def everything() -> tuple[object, ...]:
        return (
            await calls.list_pull_requests(REPO, state="all"),
            await reviews_of(ann, pull.number),
            await threads_of(ann, pull.number),
            await checks_of(ann, sha),
        )

    before = await everything()
    await world.restart()
    assert await everything() == before
    third = await open_pull(world, ann, "third")
    assert third.number == 3


def _without_mergeability(pull: PullRequest) -> PullRequest:
    """As listings show it."""
    return msgspec.structs.replace(pull, mergeability=Mergeability.UNKNOWN)


CASES: tuple[ForgeCase, ...] = (
    credentials_are_valid_wrong_or_none,
    pull_request_is_made_once_and_says_all,
    pull_request_needs_branches_and_commits,
    what_is_not_there_is_not_found,
    etag_holds_until_something_changes,
    listing_past_the_bound_is_incomplete,
    branch_finds_its_open_request_before_older_ones,
    checks_are_the_newest_and_the_worst_of_each_name,
    reviews_are_said_in_order_and_decide,
    threads_are_listed_resolved_or_not,
    merge_makes_a_commit_once,
    squash_makes_one_commit_on_the_base,
    only_the_expected_head_is_merged,
    conflict_draft_and_closed_are_not_merged,
    plain_push_of_the_merge_is_a_merge,
    deleted_branch_leaves_the_last_head,
    restart_keeps_everything_that_was_told,
)
