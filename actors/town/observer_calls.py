"""The observer's questions to the forges: what the effects `check_forges` and `poll_repository` do.

Nothing here writes. A worker reads from the rows what is to be asked, asks, and answers with one
event of all that was learnt; the tick applies it (observer_answers.py). What a forge did not
answer is left out of the event and so changes nothing (I15). The first question of a poll decides
whether the repository can be asked at all; what comes behind it is asked for each request by
itself, and one that fails costs the etag of the listing, so that the next poll asks for all again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar, assert_never

from boomtown.actors.town.observer_events import (
    CredentialFinding,
    CredentialWord,
    ForgesChecked,
    PollProblem,
    PullDetails,
    RepositoryPolled,
)
from boomtown.actors.town.observer_model import ObservedRepo, RepositoryKey
from boomtown.actors.town.patrol import poll_key
from boomtown.actors.town.patrol_facts import Interest, interests
from boomtown.actors.town.ports import Forges
from boomtown.actors.town.store_patrol import read_patrol_facts
from boomtown.actors.town.store_snapshot import read_snapshot
from boomtown.actors.town.transaction import TownTransaction
from boomtown.container_sim.forge.model import (
    CredentialsValid,
    Fetched,
    ForgeFailed,
    Listing,
    NoCredentials,
    NotFound,
    NotLearnt,
    NotModified,
    PullRequest,
    RateLimited,
    Unauthorized,
    decide_reviews,
)

_Value = TypeVar("_Value")


async def check_forges(tx: TownTransaction, forges: Forges) -> ForgesChecked:
    """Ask each forge once whether it takes a token of ours."""
    findings: list[CredentialFinding] = []
    for site in tx.forges.sites:
        outcome = await forges.check_credentials(site.key, timeout_ms=tx.limits.patrol_call_ms)
        findings.append(_finding(site.key, outcome))
    return ForgesChecked(findings=tuple(findings), asked_at_ms=tx.now_ms)


async def poll_repository(
    tx: TownTransaction, forges: Forges, effect_key: str
) -> RepositoryPolled | None:
    """One poll; None when nobody wants to know any more."""
    facts = read_patrol_facts(tx, read_snapshot(tx))
    wanted = {poll_key(key): (key, interest) for key, interest in interests(facts).items()}
    if effect_key not in wanted:
        return None
    key, interest = wanted[effect_key]
    known = tuple(pr.number for pr in facts.prs if pr.repository == key)
    poll = _Poll(tx, forges, key, interest, facts.repos.get(key), known)
    return await poll.run()


class _Poll:
    """One poll of one repository, from the first question to the event."""

    def __init__(
        self,
        tx: TownTransaction,
        forges: Forges,
        key: RepositoryKey,
        interest: Interest,
        before: ObservedRepo | None,
        known: tuple[int, ...],
    ) -> None:
        self._forges = forges
        self._key = key
        self._interest = interest
        self._before = before
        self._known = known
        self._limits = tx.limits
        self._asked_at_ms = tx.now_ms
        self._call_ms = tx.limits.patrol_call_ms
        self._is_whole = True
        self._retry_at_ms: int | None = None  # a limit was met on the way
        reviews_at_ms = None if before is None else before.reviews_at_ms
        self._are_reviews_due = (
            reviews_at_ms is None or reviews_at_ms + tx.limits.patrol_reviews_ms <= tx.now_ms
        )

    async def run(self) -> RepositoryPolled:
        before = self._before
        is_same = before is not None and before.interest == self._interest.text
        answer = await self._forges.list_open_pull_requests(
            self._key.forge,
            self._key.repo,
            etag=before.etag if before is not None and is_same else None,
            timeout_ms=self._call_ms,
        )
        match answer:
            case NotModified():
                return await self._finish(None, None if before is None else before.etag)
            case Fetched():
                return await self._finish(answer.value, answer.etag)
            case _:
                return self._event(problem=_problem(answer))

    async def _finish(
        self, listing: Listing[PullRequest] | None, etag: str | None
    ) -> RepositoryPolled:
        shown = () if listing is None else listing.items
        mine = [pull.number for pull in shown if pull.head_branch in self._interest.branches]
        hidden = [] if listing is None or listing.is_complete else await self._find_hidden(shown)
        numbers = sorted({*self._interest.numbers, *mine, *hidden})
        if len(numbers) > self._limits.patrol_requests_max:
            numbers, self._is_whole = numbers[: self._limits.patrol_requests_max], False
        details = [await self._look(number) for number in numbers]
        kept = listing
        if listing is not None and not self._interest.is_watched:
            of_ours = {*numbers, *self._known}
            items = tuple(pull for pull in listing.items if pull.number in of_ours)
            kept = Listing(items, listing.is_complete)
        return self._event(
            problem=None,
            listing=kept,
            etag=etag if self._is_whole and (listing is None or listing.is_complete) else None,
            details=tuple(details),
        )

    async def _find_hidden(self, shown: Sequence[PullRequest]) -> list[int]:
        """Our branches' requests that a listing without an end does not show."""
        seen = {pull.head_branch for pull in shown}
        found: list[int] = []
        for branch in self._interest.branches:
            if branch in seen:
                continue
            answer = await self._forges.find_pull_request_by_branch(
                self._key.forge, self._key.repo, branch, timeout_ms=self._call_ms
            )
            pull = self._learn(answer)
            if pull is not None:
                found.append(pull.number)
        return found

    async def _look(self, number: int) -> PullDetails:
        forge, repo, call_ms = self._key.forge, self._key.repo, self._call_ms
        if self._retry_at_ms is not None:
            return PullDetails(number=number)  # the forge has asked for silence
        answer = await self._forges.get_pull_request(forge, repo, number, timeout_ms=call_ms)
        if isinstance(answer, NotFound):
            return PullDetails(number=number, is_gone=True)
        pull = self._learn(answer)
        if pull is None:
            return PullDetails(number=number)
        checks = self._learn(
            await self._forges.list_checks(forge, repo, pull.head_sha, timeout_ms=call_ms)
        )
        details = PullDetails(number=number, pull=pull, checks=checks)
        if not self._are_reviews_due:
            return details
        reviews = self._learn(
            await self._forges.list_reviews(forge, repo, number, timeout_ms=call_ms)
        )
        threads = self._learn(
            await self._forges.list_review_threads(forge, repo, number, timeout_ms=call_ms)
        )
        is_decided = reviews is not None and reviews.is_complete
        return PullDetails(
            number=number,
            pull=pull,
            checks=checks,
            decision=decide_reviews(reviews.items) if reviews is not None and is_decided else None,
            threads=threads,
        )

    def _learn(self, answer: Fetched[_Value] | NotLearnt) -> _Value | None:
        if isinstance(answer, Fetched):
            return answer.value
        self._is_whole = False
        if isinstance(answer, RateLimited):
            self._retry_at_ms = answer.retry_at_ms
        return None

    def _event(
        self,
        *,
        problem: PollProblem | None,
        listing: Listing[PullRequest] | None = None,
        etag: str | None = None,
        details: tuple[PullDetails, ...] = (),
    ) -> RepositoryPolled:
        return RepositoryPolled(
            forge=self._key.forge,
            repo_owner=self._key.owner,
            repo_name=self._key.name,
            asked_at_ms=self._asked_at_ms,
            interest=self._interest.text,
            problem=problem,
            listing=listing,
            etag=etag,
            details=details,
            has_reviews=problem is None and self._are_reviews_due and self._is_whole,
            is_whole=self._is_whole,
            retry_at_ms=self._retry_at_ms,
        )


def problem_text(outcome: NotLearnt) -> str:
    """What was not learnt, for people."""
    match outcome:
        case NoCredentials():
            return "there are no credentials for it"
        case Unauthorized(is_known=is_known):
            return "the token may not do this" if is_known else "the token is not accepted"
        case RateLimited():
            return "the forge's rate limit is used up"
        case NotFound():
            return "the forge does not know it, or hides it"
        case ForgeFailed(kind=kind, detail=detail):
            return f"{kind.value}: {detail}"
        case _:
            assert_never(outcome)


def _problem(outcome: NotLearnt) -> PollProblem:
    return PollProblem(
        reason=problem_text(outcome),
        is_credential=isinstance(outcome, NoCredentials | Unauthorized),
        retry_at_ms=outcome.retry_at_ms if isinstance(outcome, RateLimited) else None,
    )


def _finding(forge: str, outcome: CredentialsValid | NotLearnt) -> CredentialFinding:
    match outcome:
        case CredentialsValid():
            return CredentialFinding(forge=forge, word=CredentialWord.VALID, reason="")
        case NoCredentials() | Unauthorized():
            word = CredentialWord.UNAVAILABLE
        case _:
            word = CredentialWord.UNKNOWN
    return CredentialFinding(forge=forge, word=word, reason=problem_text(outcome))
