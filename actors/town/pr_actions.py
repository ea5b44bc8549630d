"""What agents may do at a forge, through the gateway: list, review, comment.

Theory of operation. Each deed begins after its decision is durable (gateway_desk.py), and reaches
repositories only that the agent watches or that a rig of the town is a clone of. A review is said
once per agent and head, however often it is asked for, because posting is not idempotent and an
answer may be lost: the words carry a mark that people do not see, and the forge's own list is
searched for it before anything is posted, and again after a post without an answer. When the list
cannot be had, nothing is posted. A crash after the post and before the row of `reviewed_prs` is
found by the next asking. Comments carry no verdict, and make no row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from boomtown.actors.town.gateway import arguments
from boomtown.actors.town.gateway_actions import GatewayAction
from boomtown.actors.town.gateway_desk import Deed, DeedOutcome, OutsideAction, PostedReview
from boomtown.actors.town.observer_calls import problem_text
from boomtown.actors.town.observer_model import RepositoryKey, key_of
from boomtown.actors.town.ports import Forges
from boomtown.actors.town.store_town import list_rigs
from boomtown.actors.town.store_watches import list_watches
from boomtown.actors.town.transaction import TownTransaction
from boomtown.container_sim.forge.addresses import parse_repository
from boomtown.container_sim.forge.model import (
    Fetched,
    Made,
    NotFound,
    NotLearnt,
    NotModified,
    Refused,
    Review,
    ReviewVerdict,
)
from boomtown.error_codes import ErrorCode
from boomtown.errors import AccessDenied, BoomtownError, Unavailable, error_for
from boomtown.ids import AgentId

Repo = Annotated[str, Meta(min_length=1, max_length=2_048)]
Number = Annotated[int, Meta(ge=1)]
Body = Annotated[str, Meta(max_length=60_000)]  # GitHub takes 65,536 characters; ours has a mark


class ListArgs(msgspec.Struct, frozen=True, kw_only=True):
    repo: Repo


class ReviewArgs(msgspec.Struct, frozen=True, kw_only=True):
    repo: Repo
    number: Number
    head_sha: Annotated[str, Meta(pattern="^[0-9a-f]{40}$")]
    verdict: ReviewVerdict
    body: Body


class CommentArgs(msgspec.Struct, frozen=True, kw_only=True):
    repo: Repo
    number: Number
    body: Body


class ForgeDeeds:
    """Belongs to one live Town object; holds nothing of its own."""

    def __init__(self, *, begin: Callable[[], TownTransaction], forges: Forges) -> None:
        self._begin = begin  # a transaction of the present turn, at the present instant
        self._forges = forges

    def actions(self) -> Mapping[GatewayAction, OutsideAction]:
        return {
            GatewayAction.PR_LIST: self.list_requests,
            GatewayAction.PR_REVIEW: self.review,
            GatewayAction.PR_COMMENT: self.comment,
        }

    async def list_requests(self, deed: Deed) -> DeedOutcome:
        """The open ones, newest first."""
        args: ListArgs = arguments(deed.args, ListArgs)
        tx = self._begin()
        key = reachable_repository(tx, deed.agent_id, args.repo)
        answer = await self._forges.list_open_pull_requests(
            key.forge, key.repo, etag=None, timeout_ms=tx.limits.patrol_call_ms
        )
        assert not isinstance(answer, NotModified), "no etag was shown"
        if not isinstance(answer, Fetched):
            raise not_learnt(answer)
        listing = answer.value
        items = [msgspec.to_builtins(pull) for pull in listing.items]
        return DeedOutcome(result={"pull_requests": items, "is_complete": listing.is_complete})

    async def review(self, deed: Deed) -> DeedOutcome:
        """`is_new` is False where the same agent's word about this head stood there before."""
        args: ReviewArgs = arguments(deed.args, ReviewArgs)
        key = reachable_repository(self._begin(), deed.agent_id, args.repo)
        mark = f"<!-- boomtown:{deed.agent_id}:{args.head_sha} -->"
        found = await self._find_said(key, args.number, mark)
        is_new = found is None
        if found is None:
            body = f"{args.body}\n\n{mark}"
            found = await self._say(key, args, body=body, mark=mark)
        posted = PostedReview(
            forge=key.forge,
            repo_owner=key.owner,
            repo_name=key.name,
            number=args.number,
            head_sha=args.head_sha,
        )
        result = {
            "posted": True,
            "is_new": is_new,
            "review_id": found.review_id,
            "verdict": found.verdict.value,
        }
        return DeedOutcome(result=result, posted_review=posted)

    async def comment(self, deed: Deed) -> DeedOutcome:
        """About the present head."""
        args: CommentArgs = arguments(deed.args, CommentArgs)
        tx = self._begin()
        key = reachable_repository(tx, deed.agent_id, args.repo)
        call_ms = tx.limits.patrol_call_ms
        pull = await self._forges.get_pull_request(
            key.forge, key.repo, args.number, timeout_ms=call_ms
        )
        if not isinstance(pull, Fetched):
            raise not_learnt(pull)
        said = await self._forges.post_review(
            key.forge,
            key.repo,
            args.number,
            head_sha=pull.value.head_sha,
            verdict=ReviewVerdict.COMMENTED,
            body=args.body,
            timeout_ms=call_ms,
        )
        if not isinstance(said, Made):
            raise not_learnt(said)
        return DeedOutcome(result={"posted": True, "review_id": said.value.review_id})

    async def _say(self, key: RepositoryKey, args: ReviewArgs, *, body: str, mark: str) -> Review:
        said = await self._forges.post_review(
            key.forge,
            key.repo,
            args.number,
            head_sha=args.head_sha,
            verdict=args.verdict,
            body=body,
            timeout_ms=self._begin().limits.patrol_call_ms,
        )
        if isinstance(said, Made):
            return said.value
        error = not_learnt(said)
        if not error.retryable:
            raise error
        found = await self._find_said(key, args.number, mark)  # it may have been posted
        if found is None:
            raise error
        return found

    async def _find_said(self, key: RepositoryKey, number: int, mark: str) -> Review | None:
        answer = await self._forges.list_reviews(
            key.forge, key.repo, number, timeout_ms=self._begin().limits.patrol_call_ms
        )
        if not isinstance(answer, Fetched):
            raise not_learnt(answer)
        return next((review for review in answer.value.items if mark in review.body), None)


def reachable_repository(tx: TownTransaction, agent_id: AgentId, named: str) -> RepositoryKey:
    """The repository that an agent means. Raises INVALID_REPO, and ACTION_DENIED for one that it
    does not watch and no rig of the town is a clone of: our tokens may reach more."""
    sites = tx.forges.sites
    if not sites:
        raise Unavailable(ErrorCode.SCM_UNAVAILABLE, "No forge is configured for this town")
    address = parse_repository(named, sites, default=sites[0])
    key = key_of(address.forge, address.repo.owner, address.repo.name)
    watched = {
        key_of(watch.forge, watch.repo_owner, watch.repo_name)
        for watch in list_watches(tx, agent_id)
    }
    cloned = {found.key for rig in list_rigs(tx) if (found := tx.forges.find(rig.git_url))}
    if key not in watched and address.key not in cloned:
        raise AccessDenied(
            ErrorCode.ACTION_DENIED, "It watches no such repository", details={"repo": key.text}
        )
    return key


def not_learnt(outcome: NotLearnt | Refused) -> BoomtownError:
    """What whoever asked is told instead of an answer."""
    if isinstance(outcome, Refused):
        return error_for(ErrorCode.FORGE_REFUSED, outcome.message[:500])
    if isinstance(outcome, NotFound):
        return error_for(ErrorCode.PR_NOT_FOUND)
    words = problem_text(outcome)
    return Unavailable(ErrorCode.SCM_UNAVAILABLE, f"The forge cannot be asked: {words}")
