"""All that the patrol decides on, at one instant: the town's snapshot, and what is known of the
forges. And what follows from it alone: which repositories and requests the town cares for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from boomtown.actors.town.forge_access import ForgeAccess
from boomtown.actors.town.model import (
    LIVE_STATUSES,
    BeadKind,
    Employment,
    Rig,
    Session,
    Watch,
)
from boomtown.actors.town.observer_model import (
    WATCHED,
    ObservedRepo,
    Observer,
    Pr,
    PrCheck,
    PrReview,
    PrThread,
    RepositoryKey,
    ReviewedHead,
    key_of,
)
from boomtown.actors.town.snapshot import Snapshot
from boomtown.container_sim.forge.addresses import find_pull_request
from boomtown.container_sim.model import AgentRole, SessionKind
from boomtown.ids import AgentId, BeadId

COORDINATORS = (AgentRole.MAYOR, AgentRole.ARCHITECT)


class PatrolFacts(msgspec.Struct, frozen=True, kw_only=True):
    access: ForgeAccess
    snapshot: Snapshot
    observer: Observer | None
    repos: Mapping[RepositoryKey, ObservedRepo] = {}
    missing_owners: frozenset[tuple[str, str]] = frozenset()  # (forge, owner in lower case)
    prs: tuple[Pr, ...] = ()  # by repository and number
    checks: Mapping[str, tuple[PrCheck, ...]] = {}  # by url
    threads: Mapping[str, tuple[PrThread, ...]] = {}  # by url
    pr_reviews: tuple[PrReview, ...] = ()  # in the order of their beads
    reviewed: frozenset[ReviewedHead] = frozenset()
    raised: frozenset[str] = frozenset()  # keys of the patrol's escalations, closed ones too


class Interest(msgspec.Struct, frozen=True, kw_only=True):
    """What a town wants to know of one repository."""

    is_watched: bool
    branches: tuple[str, ...]  # of living work, sorted
    numbers: tuple[int, ...]  # of requests that are looked at closely, sorted

    @property
    def text(self) -> str:
        """An etag is good for the same interest only: what was not kept has to be read again."""
        return "\n".join(((WATCHED if self.is_watched else ""), *self.branches))


class ReviewPlace(msgspec.Struct, frozen=True, kw_only=True):
    """A live review of ours that goes on as a pull request."""

    bead_id: BeadId
    source_agent_id: AgentId | None
    repository: RepositoryKey
    number: int


def interests(facts: PatrolFacts) -> dict[RepositoryKey, Interest]:
    """By repository, sorted; what cannot be asked for want of credentials is left out."""
    watched = {watch_key(watch) for watch in live_watches(facts)}
    branches: dict[RepositoryKey, set[str]] = {}
    for session in facts.snapshot.sessions.values():
        key = session_key(facts, session)
        if key is not None:
            branches.setdefault(key, set()).add(session.branch)
    numbers: dict[RepositoryKey, set[int]] = {}
    for place in review_places(facts):
        numbers.setdefault(place.repository, set()).add(place.number)
    for pr in facts.prs:
        if pr.is_open and pr.session_id in facts.snapshot.sessions:
            numbers.setdefault(pr.repository, set()).add(pr.number)
    keys = {*watched, *branches, *numbers}
    return {
        key: Interest(
            is_watched=key in watched,
            branches=tuple(sorted(branches.get(key, ()))),
            numbers=tuple(sorted(numbers.get(key, ()))),
        )
        for key in sorted(keys, key=lambda one: one.text)
        if (key.forge, key.owner) not in facts.missing_owners
    }


def live_watches(facts: PatrolFacts) -> Iterator[Watch]:
    """Of hired agents, at forges that the server knows."""
    known = {site.key for site in facts.access.sites}
    for watch in facts.snapshot.watches:
        agent = facts.snapshot.agents.get(watch.agent_id)
        is_hired = agent is not None and agent.employment == Employment.HIRED
        if is_hired and watch.forge in known:
            yield watch


def watch_key(watch: Watch) -> RepositoryKey:
    return key_of(watch.forge, watch.repo_owner, watch.repo_name)


def rig_key(facts: PatrolFacts, rig: Rig) -> RepositoryKey | None:
    """The repository that a rig is a clone of, at a forge that the server knows."""
    address = facts.access.find(rig.git_url)
    if address is None:
        return None
    return key_of(address.forge, address.repo.owner, address.repo.name)


def session_key(facts: PatrolFacts, session: Session) -> RepositoryKey | None:
    """Where the session's branch would be a request's head; None for one that owns none."""
    agent = facts.snapshot.agents.get(session.agent_id)
    if session.kind != SessionKind.WORK or agent is None or agent.role in COORDINATORS:
        return None
    rig = facts.snapshot.rigs.get(session.rig_id)
    return None if rig is None else rig_key(facts, rig)


def review_places(facts: PatrolFacts) -> Iterator[ReviewPlace]:
    for bead in facts.snapshot.beads.values():
        review = facts.snapshot.reviews.get(bead.bead_id)
        is_at_forge = review is not None and review.pr_url is not None
        if bead.kind != BeadKind.REVIEW or bead.status not in LIVE_STATUSES or not is_at_forge:
            continue
        assert review is not None
        assert review.pr_url is not None
        page = find_pull_request(review.pr_url, facts.access.sites)
        if page is not None:
            repo = page.repository.repo
            yield ReviewPlace(
                bead_id=bead.bead_id,
                source_agent_id=review.source_agent_id,
                repository=key_of(page.repository.forge, repo.owner, repo.name),
                number=page.number,
            )
