"""What an agent is told of its own pull request: failing checks, review feedback, a conflict.

A nudge is said once: its signature is kept with the request, per reaction, and only another one is
news. Feedback is news by its items, so that resolving one of three is not; it is told at most
`nudges_about_reviews_max` times, after which people may talk. The fingerprints are what a reaction
is acknowledged by (roster.md 3.6): equal ones mean that nothing has changed since the last.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from boomtown.actors.town.observer_model import Pr, PrCheck, PrThread
from boomtown.container_sim.forge.model import CheckStatus, Mergeability, ReviewDecision
from boomtown.limits import TownLimits

CHANGES_REQUESTED = "changes requested"  # an item of feedback, beside the threads' ids
_QUOTED_CHARACTERS_MAX = 500  # of one thread


class Reaction(enum.StrEnum):
    CI_FAILING = "ci_failing"
    REVIEW_FEEDBACK = "review_feedback"
    CONFLICT = "conflict"


class Nudge(msgspec.Struct, frozen=True, kw_only=True):
    reaction: Reaction
    subject: str
    body: str


class Hashes(msgspec.Struct, frozen=True, kw_only=True):
    """Fingerprints of what was seen of a request; those of its row are of what was reacted to."""

    metadata: str
    checks: str
    reviews: str


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What the row remembers of one reaction."""

    signature: str = ""
    count: int = 0
    items: tuple[str, ...] = ()  # of feedback: what was told


class NudgePlan(msgspec.Struct, frozen=True, kw_only=True):
    nudges: tuple[Nudge, ...]
    remembered: dict[str, Any]  # the row's `nudges` from now on


def hashes_of(pr: Pr, checks: tuple[PrCheck, ...], threads: tuple[PrThread, ...]) -> Hashes:
    return Hashes(
        metadata=_fingerprint(pr.state, pr.head_sha, pr.mergeability),
        checks=_fingerprint(pr.head_sha, [(c.name, c.status) for c in checks]),
        reviews=_fingerprint(pr.review_decision, [(t.thread_id, t.is_resolved) for t in threads]),
    )


def is_acknowledged(pr: Pr, hashes: Hashes) -> bool:
    """Whether all of this was reacted to."""
    return (pr.metadata_hash, pr.checks_hash, pr.reviews_hash) == (
        hashes.metadata,
        hashes.checks,
        hashes.reviews,
    )


def plan_nudges(
    pr: Pr, checks: tuple[PrCheck, ...], threads: tuple[PrThread, ...], *, limits: TownLimits
) -> NudgePlan:
    """What is news for the owner of an open request, and what is to be remembered of it."""
    said = {reaction: _said(pr.nudges, reaction) for reaction in Reaction}
    told = {
        Reaction.CI_FAILING: _ci(pr, checks, said[Reaction.CI_FAILING], limits),
        Reaction.REVIEW_FEEDBACK: _feedback(pr, threads, said[Reaction.REVIEW_FEEDBACK], limits),
        Reaction.CONFLICT: _conflict(pr, said[Reaction.CONFLICT]),
    }
    remembered = {
        reaction.value: msgspec.to_builtins(after)
        for reaction, (_, after) in told.items()
        if after != Said()
    }
    nudges = tuple(nudge for nudge, _ in told.values() if nudge is not None)
    return NudgePlan(nudges=nudges, remembered=remembered)


_Told = tuple[Nudge | None, Said]


def _ci(pr: Pr, checks: tuple[PrCheck, ...], said: Said, limits: TownLimits) -> _Told:
    failing = [c for c in checks if c.head_sha == pr.head_sha and c.status is CheckStatus.FAILED]
    signature = _fingerprint(pr.head_sha, sorted(check.name for check in failing))
    if not failing or signature == said.signature:
        return None, said
    parts = [f"Checks of {pr.head_sha[:12]} failed on {pr.url}."]
    for check in failing[: limits.nudge_items_max]:
        tail = (check.log_tail or "")[-limits.nudge_log_characters_max :].strip()
        parts.append(f"{check.name}:\n{tail}" if tail else check.name)
    nudge = Nudge(
        reaction=Reaction.CI_FAILING,
        subject=f"CI fails on #{pr.number}",
        body="\n\n".join(parts),
    )
    return nudge, Said(signature=signature, count=said.count + 1)


def _feedback(pr: Pr, threads: tuple[PrThread, ...], said: Said, limits: TownLimits) -> _Told:
    open_threads = [thread for thread in threads if not thread.is_resolved]
    items = {thread.thread_id for thread in open_threads}
    if pr.review_decision is ReviewDecision.CHANGES_REQUESTED:
        items.add(CHANGES_REQUESTED)
    known = set(said.items)
    if CHANGES_REQUESTED not in items:
        known.discard(CHANGES_REQUESTED)  # asked for again later, it is news again
    news = items - known
    after = msgspec.structs.replace(said, items=tuple(sorted(known | items)))
    if not news or said.count >= limits.nudges_about_reviews_max:
        return None, after
    parts = [f"There is review feedback on {pr.url}."]
    if CHANGES_REQUESTED in news:
        parts.append("A reviewer asks for changes.")
    fresh = [thread for thread in open_threads if thread.thread_id in news]
    parts.extend(_quote(thread) for thread in fresh[: limits.nudge_items_max])
    nudge = Nudge(
        reaction=Reaction.REVIEW_FEEDBACK,
        subject=f"Review feedback on #{pr.number}",
        body="\n\n".join(parts),
    )
    return nudge, msgspec.structs.replace(after, count=said.count + 1)


def _conflict(pr: Pr, said: Said) -> _Told:
    signature = _fingerprint(pr.head_sha, pr.base_branch)
    if pr.mergeability is not Mergeability.CONFLICTING or signature == said.signature:
        return None, said
    nudge = Nudge(
        reaction=Reaction.CONFLICT,
        subject=f"#{pr.number} conflicts with {pr.base_branch}",
        body=f"{pr.url} cannot be merged: bring {pr.base_branch} into {pr.branch} and push.",
    )
    return nudge, Said(signature=signature, count=said.count + 1)


def _quote(thread: PrThread) -> str:
    place = thread.path or "the change"
    line = "" if thread.line is None else f":{thread.line}"
    return f"{place}{line}\n{thread.body[:_QUOTED_CHARACTERS_MAX].strip()}"


def _said(nudges: Mapping[str, Any], reaction: Reaction) -> Said:
    return msgspec.convert(nudges.get(reaction.value, {}), Said)


def _fingerprint(*parts: object) -> str:
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:16]
