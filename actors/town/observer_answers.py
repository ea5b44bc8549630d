"""What the forges' answers do to the rows: facts only, inside the event's own savepoint.

A failed poll changes nothing but its repository's own bookkeeping. Facts are stored beside the
fingerprints of what was last reacted to, which stay as they are; the reaction and the new
fingerprints are one later transaction (patrol_moves.py). That is enough: both are rows of one
database, so a crash between the two leaves facts that differ from their fingerprint, and the next
tick reacts; after the second, neither is left. What is not an observation, the mail of a nudge or
the end of a session, is in that same transaction.
"""

from __future__ import annotations

import logging

import msgspec

from boomtown.actors.town.feed_log import append_tombstone
from boomtown.actors.town.observer_events import (
    CredentialWord,
    ForgesChecked,
    PollProblem,
    PullDetails,
    RepositoryPolled,
)
from boomtown.actors.town.observer_model import (
    ObservedRepo,
    Observer,
    ObserverState,
    Pr,
    PrCheck,
    PrThread,
    RepositoryKey,
    key_of,
)
from boomtown.actors.town.store_prs import (
    find_observer,
    find_pr,
    find_repo,
    get_pr,
    miss_owner,
    prune_checks,
    prune_prs,
    prune_threads,
    put_observer,
    put_repo,
    see_check,
    see_pr,
    see_thread,
    update_observer,
    update_pr,
)
from boomtown.actors.town.transaction import TownTransaction
from boomtown.container_sim.forge.model import (
    Check,
    CheckStatus,
    Listing,
    Mergeability,
    PullRequest,
    PullRequestState,
    ReviewThread,
)

logger = logging.getLogger("boomtown.town")

LET_BE = 0  # head_since_ms of a head that no watch is to be asked about
# The worst counts; what has no opinion does not.
_CI_ORDER = (CheckStatus.FAILED, CheckStatus.PENDING, CheckStatus.PASSED)


def apply_forges_checked(tx: TownTransaction, event: ForgesChecked) -> bool:
    """True, and nothing changed, when nobody waits for it any more."""
    observer = find_observer(tx)
    if observer is None or observer.state not in (ObserverState.STARTING, ObserverState.DEGRADED):
        return True
    words = {finding.word for finding in event.findings}
    reason = "; ".join(f"{found.forge}: {found.reason}" for found in event.findings if found.reason)
    if CredentialWord.VALID in words:
        state, reason_kept = ObserverState.ACTIVE, None
    elif CredentialWord.UNKNOWN in words:
        state, reason_kept = ObserverState.DEGRADED, reason
    else:
        state, reason_kept = ObserverState.DISABLED, f"credentials are unavailable: {reason}"
    checked = msgspec.structs.replace(
        observer, state=state, reason=reason_kept, checked_at_ms=tx.now_ms
    )
    put_observer(tx, checked)
    if state == ObserverState.DISABLED:
        _tell_disabled(tx, checked)
    return False


def apply_repository_polled(tx: TownTransaction, event: RepositoryPolled) -> bool:
    """True, and nothing changed, when the observer is not active any more."""
    observer = find_observer(tx)
    if observer is None or observer.state != ObserverState.ACTIVE:
        return True
    key = key_of(event.forge, event.repo_owner, event.repo_name)
    before = find_repo(tx, key) or ObservedRepo(
        forge=key.forge, repo_owner=key.owner, repo_name=key.name
    )
    if event.problem is not None:
        _note_failure(tx, key, before, event, event.problem)
        return False
    if event.listing is not None:
        _store_listing(tx, key, event.listing, is_first=_is_first(tx, before))
    for details in event.details:
        _store_details(tx, key, details)
    after = msgspec.structs.replace(
        before,
        etag=event.etag,
        interest=event.interest,
        polled_at_ms=event.asked_at_ms,
        reviews_at_ms=event.asked_at_ms if event.has_reviews else before.reviews_at_ms,
        last_ok_at_ms=tx.now_ms,
        failures=0,
        last_error=None if event.is_whole else "not every request could be looked at",
        not_before_ms=event.retry_at_ms,
    )
    put_repo(tx, after)
    update_observer(tx, last_ok_at_ms=tx.now_ms)
    return False


def _tell_disabled(tx: TownTransaction, observer: Observer) -> None:
    logger.warning("observer_disabled name=%s reason=%s", observer.name, observer.reason)
    append_tombstone(
        tx,
        topic="observer.disabled",
        entity="observer",
        entity_id=observer.name,
        rig_id=None,
        payload={"name": observer.name, "reason": observer.reason},
    )


def _is_first(tx: TownTransaction, before: ObservedRepo) -> bool:
    """Whether this is the repository's first poll since the server started."""
    return before.last_ok_at_ms is None or before.last_ok_at_ms < tx.forges.booted_at_ms


def _note_failure(
    tx: TownTransaction,
    key: RepositoryKey,
    before: ObservedRepo,
    event: RepositoryPolled,
    problem: PollProblem,
) -> None:
    failed = msgspec.structs.replace(
        before,
        polled_at_ms=event.asked_at_ms,
        failures=before.failures + 1,
        last_error=problem.reason,
        not_before_ms=problem.retry_at_ms,
    )
    put_repo(tx, failed)
    if problem.is_credential and miss_owner(tx, key.forge, key.owner, reason=problem.reason):
        logger.warning(
            "observer_owner_skipped forge=%s owner=%s reason=%s",
            key.forge,
            key.owner,
            problem.reason,
        )


def _store_listing(
    tx: TownTransaction, key: RepositoryKey, listing: Listing[PullRequest], *, is_first: bool
) -> None:
    """Upsert, and prune only by a listing that is complete."""
    old_ms = tx.forges.booted_at_ms - tx.limits.patrol_boot_age_ms
    for pull in listing.items:
        is_let_be = is_first and pull.created_at_ms < old_ms
        see_pr(tx, key, pull, head_since_ms=LET_BE if is_let_be else pull.created_at_ms)
    if listing.is_complete:
        prune_prs(tx, key, numbers=[pull.number for pull in listing.items])


def _store_details(tx: TownTransaction, key: RepositoryKey, details: PullDetails) -> None:
    known = find_pr(tx, key, details.number)
    if details.is_gone:
        if known is not None and known.is_open:
            update_pr(tx, known.url, state=PullRequestState.CLOSED.value, observed_at_ms=tx.now_ms)
        return
    if details.pull is None:
        return
    see_pr(tx, key, details.pull, head_since_ms=details.pull.created_at_ms)
    pr = get_pr(tx, key, details.number)
    changes: dict[str, object] = {}
    # A forge computes it anew after each push: not knowing is no news.
    if details.pull.mergeability is not Mergeability.UNKNOWN:
        changes["mergeability"] = details.pull.mergeability
    if details.decision is not None:
        changes["review_decision"] = details.decision
    if details.checks is not None:
        _store_checks(tx, pr, details.checks)
        changes["ci_status"] = ci_status(details.checks.items)
    if details.threads is not None:
        _store_threads(tx, pr, details.threads)
    changed = {name: value for name, value in changes.items() if getattr(pr, name) != value}
    if changed:
        update_pr(tx, pr.url, **changed, observed_at_ms=tx.now_ms)


def ci_status(checks: tuple[Check, ...]) -> CheckStatus | None:
    """What all checks of a head come to; None where none has an opinion."""
    seen = {check.status for check in checks}
    return next((status for status in _CI_ORDER if status in seen), None)


def _store_checks(tx: TownTransaction, pr: Pr, listing: Listing[Check]) -> None:
    for check in listing.items:
        row = PrCheck(
            pr_url=pr.url,
            name=check.name,
            head_sha=check.head_sha,
            status=check.status,
            log_tail=check.log_tail,
        )
        see_check(tx, row)
    if listing.is_complete:
        names = [check.name for check in listing.items]
        prune_checks(tx, pr.url, head_sha=pr.head_sha, names=names)


def _store_threads(tx: TownTransaction, pr: Pr, listing: Listing[ReviewThread]) -> None:
    for thread in listing.items:
        row = PrThread(
            pr_url=pr.url,
            thread_id=thread.thread_id,
            path=thread.path or None,
            line=thread.line,
            is_resolved=thread.is_resolved,
            is_bot=thread.is_bot,
            body=thread.comments[0].body if thread.comments else "",
        )
        see_thread(tx, row)
    if listing.is_complete:
        prune_threads(tx, pr.url, thread_ids=[thread.thread_id for thread in listing.items])
