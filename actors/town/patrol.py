"""What the observer of the forges does next: a pure function of rows, clock and bounds.

Four concerns, in this order, none of which waits for a forge:

    credentials   checked once per boot, before the first poll, and again only when the check had
                  no answer or somebody asked. Without them the observer is disabled: no poll is
                  wanted, and those that were are taken back (I16).
    polls         one intention per repository that the town cares for, due at the cadence, at a
                  poke, or at the end of a backoff, whichever rule is the latest to allow it. So a
                  repository that fails delays no other.
    own requests  a request belongs to one agent (I17): the one whose living session works on its
                  head branch, or who claimed it. What has changed since the last reaction is told
                  to it (nudges.py). While the agent waits for a person nothing is said and nothing
                  acknowledged: it is told when it goes on. A merged request ends its work.
    watches       a head of a watched request is reviewed once: one bead per reviewer and head,
                  claimed when the reviewer is free. Heads that came before the watch began, and
                  requests that were let be at the boot, are left alone until somebody pushes.

Reviews go on from rows alone, so a reviewer that is busy for an hour misses nothing, and a
restart neither repeats nor forgets a request (ack-after-reaction).
"""

from __future__ import annotations

from collections.abc import Iterator

from boomtown.actors.town.blockers import open_blockers
from boomtown.actors.town.model import (
    LABEL_HELD,
    LIVE_STATUSES,
    SPEAKING_SESSION_STATES,
    Agent,
    Bead,
    Effect,
    EffectKind,
    EffectState,
    Employment,
    Watch,
)
from boomtown.actors.town.nudges import hashes_of, is_acknowledged, plan_nudges
from boomtown.actors.town.observer_model import (
    ObserverState,
    Pr,
    PrReview,
    RepositoryKey,
    head_of,
)
from boomtown.actors.town.patrol_actions import (
    AdoptPr,
    AskReview,
    CheckForges,
    ClaimPatrol,
    DropPoll,
    EndPatrol,
    EscalateNoRig,
    ForgetRepo,
    PatrolAction,
    ReactToPr,
    SettleMerged,
    StartObserver,
    WantPoll,
)
from boomtown.actors.town.patrol_facts import (
    PatrolFacts,
    interests,
    live_watches,
    review_places,
    rig_key,
    session_key,
    watch_key,
)
from boomtown.container_sim.forge.model import PullRequestState
from boomtown.container_sim.model import AgentRole
from boomtown.ids import AgentId, BeadId, RigId
from boomtown.limits import TownLimits

CHECK_KEY = "check_forges"
SECOND_MS = 1_000
CODE_SUPERSEDED = "superseded"
CODE_ATTEMPTS = "max_dispatch_attempts"
CODE_NO_RIG = "no_rig"


def poll_key(repository: RepositoryKey) -> str:
    """Of the effect: the only one of its repository."""
    return f"poll {repository.text}"


def plan_patrol(facts: PatrolFacts, *, now_ms: int, limits: TownLimits) -> tuple[PatrolAction, ...]:
    """Nothing where the server knows no forge."""
    if not facts.access.sites:
        return ()
    return (
        *_plan_credentials(facts, now_ms=now_ms, limits=limits),
        *_plan_polls(facts, now_ms=now_ms, limits=limits),
        *_plan_owners(facts),
        *_plan_reactions(facts, limits=limits),
        *_plan_beads(facts, now_ms=now_ms, limits=limits),
        *_plan_watches(facts),
    )[: limits.actions_per_tick_max]


def _plan_credentials(
    facts: PatrolFacts, *, now_ms: int, limits: TownLimits
) -> Iterator[PatrolAction]:
    observer = facts.observer
    if observer is None or observer.booted_at_ms != facts.access.booted_at_ms:
        yield StartObserver(booted_at_ms=facts.access.booted_at_ms)
        return
    if any(effect.key == CHECK_KEY for effect in facts.snapshot.effects):
        return
    if observer.state == ObserverState.STARTING:
        yield CheckForges(due_at_ms=now_ms)
    elif observer.state == ObserverState.DEGRADED:
        yield CheckForges(due_at_ms=(observer.checked_at_ms or now_ms) + limits.patrol_poll_ms)


def _plan_polls(facts: PatrolFacts, *, now_ms: int, limits: TownLimits) -> Iterator[PatrolAction]:
    wanted: dict[str, Effect] = {
        effect.key: effect
        for effect in facts.snapshot.effects
        if effect.kind == EffectKind.POLL_REPOSITORY
    }
    is_active = facts.observer is not None and facts.observer.state == ObserverState.ACTIVE
    wishes = interests(facts) if is_active else {}
    for repository in wishes:
        due_at_ms = _due_at_ms(facts, repository, now_ms=now_ms, limits=limits)
        effect = wanted.pop(poll_key(repository), None)
        is_late = effect is not None and (
            effect.state == EffectState.PENDING and effect.due_at_ms > max(due_at_ms, now_ms)
        )
        if effect is None or is_late:
            yield WantPoll(repository=repository, due_at_ms=due_at_ms)
    for effect in wanted.values():
        if effect.state == EffectState.PENDING:
            yield DropPoll(key=effect.key)
    for repository in facts.repos if is_active else ():
        is_skipped = (repository.forge, repository.owner) in facts.missing_owners
        if repository not in wishes and not is_skipped:
            yield ForgetRepo(repository=repository)


def _due_at_ms(
    facts: PatrolFacts, repository: RepositoryKey, *, now_ms: int, limits: TownLimits
) -> int:
    repo = facts.repos.get(repository)
    polled_at_ms = None if repo is None else repo.polled_at_ms
    if repo is None or polled_at_ms is None or polled_at_ms < facts.access.booted_at_ms:
        due_at_ms = now_ms
    elif repo.failures > 0:
        doublings = min(repo.failures - 1, 16)  # past this the bound holds anyway
        pause_ms = min(limits.patrol_poll_ms * 2**doublings, limits.patrol_backoff_max_ms)
        due_at_ms = polled_at_ms + pause_ms
    else:
        due_at_ms = polled_at_ms + limits.patrol_poll_ms
        poke_at_ms = None if facts.observer is None else facts.observer.next_poll_at_ms
        if poke_at_ms is not None and poke_at_ms > polled_at_ms:
            due_at_ms = min(due_at_ms, poke_at_ms)
    not_before_ms = 0 if repo is None else repo.not_before_ms or 0
    return max(due_at_ms, not_before_ms)


def _plan_owners(facts: PatrolFacts) -> Iterator[AdoptPr]:
    """The living session on the head branch, where the present owner has none that lives."""
    sessions = facts.snapshot.sessions
    places = {(place.repository, place.number): place for place in review_places(facts)}
    for pr in facts.prs:
        if pr.session_id in sessions or not pr.is_open:
            continue
        worker = next(
            (
                session
                for session in sessions.values()
                if session.branch == pr.branch and session_key(facts, session) == pr.repository
            ),
            None,
        )
        place = places.get((pr.repository, pr.number))
        if worker is not None:
            yield AdoptPr(
                url=pr.url,
                expected_agent_id=pr.agent_id,
                agent_id=worker.agent_id,
                session_id=worker.session_id,
                rig_id=worker.rig_id,
            )
        elif place is not None and place.source_agent_id is not None and pr.agent_id is None:
            yield AdoptPr(
                url=pr.url,
                expected_agent_id=None,
                agent_id=place.source_agent_id,
                session_id=None,
                rig_id=facts.snapshot.beads[place.bead_id].rig_id,
            )


def _plan_reactions(facts: PatrolFacts, *, limits: TownLimits) -> Iterator[PatrolAction]:
    waiting_reviews: dict[tuple[RepositoryKey, int], list[BeadId]] = {}
    for place in review_places(facts):
        waiting_reviews.setdefault((place.repository, place.number), []).append(place.bead_id)
    for pr in facts.prs:
        if pr.agent_id is None:
            continue
        checks, threads = facts.checks.get(pr.url, ()), facts.threads.get(pr.url, ())
        hashes = hashes_of(pr, checks, threads)
        reviews = tuple(waiting_reviews.get((pr.repository, pr.number), ()))
        if pr.state is PullRequestState.MERGED:
            if reviews or not is_acknowledged(pr, hashes):
                yield SettleMerged(url=pr.url, hashes=hashes, review_ids=reviews)
            continue
        if is_acknowledged(pr, hashes):
            continue
        session = None if pr.session_id is None else facts.snapshot.sessions.get(pr.session_id)
        agent = facts.snapshot.agents.get(pr.agent_id)
        is_heard = pr.is_open and session is not None and session.state in SPEAKING_SESSION_STATES
        if is_heard and agent is not None and agent.waiting_since_ms is not None:
            continue
        plan = plan_nudges(pr, checks, threads, limits=limits)
        yield ReactToPr(
            url=pr.url,
            agent_id=pr.agent_id,
            hashes=hashes,
            nudges=plan.nudges if is_heard else (),
            remembered=plan.remembered if is_heard else dict(pr.nudges),
        )


def _plan_beads(facts: PatrolFacts, *, now_ms: int, limits: TownLimits) -> Iterator[PatrolAction]:
    """Ends and claims of the reviews that were asked for."""
    taken: set[AgentId] = set()
    requests = {(pr.repository, pr.number): pr for pr in facts.prs}
    watched = {(watch.agent_id, watch_key(watch)) for watch in live_watches(facts)}
    for review, bead in _live_reviews(facts):
        if bead.bead_id in facts.snapshot.session_of_bead:
            continue
        agent = facts.snapshot.agents.get(review.agent_id)
        pr = requests.get((review.repository, review.number))
        is_watched = (review.agent_id, review.repository) in watched
        end = _end_of(facts, review, bead, pr if is_watched else None, limits=limits)
        if end is not None:
            yield end
        elif _is_claimable(facts, bead, agent, now_ms=now_ms) and review.agent_id not in taken:
            taken.add(review.agent_id)
            yield ClaimPatrol(bead_id=bead.bead_id, agent_id=review.agent_id)


def _end_of(
    facts: PatrolFacts, review: PrReview, bead: Bead, pr: Pr | None, *, limits: TownLimits
) -> EndPatrol | None:
    code, message = None, "The review is posted"
    if review.head in facts.reviewed:
        pass
    elif pr is None or not _is_reviewable(pr) or pr.head_sha != review.head_sha:
        code, message = CODE_SUPERSEDED, "The request has moved on, or is not watched any more"
    elif bead.rig_id not in facts.snapshot.rigs:
        code, message = CODE_NO_RIG, "Its rig was deleted"
    elif bead.dispatch_attempts >= limits.patrol_attempts_max:
        code, message = CODE_ATTEMPTS, f"No review in {bead.dispatch_attempts} attempts"
    else:
        return None
    return EndPatrol(bead_id=bead.bead_id, code=code, message=message)


def _is_claimable(facts: PatrolFacts, bead: Bead, agent: Agent | None, *, now_ms: int) -> bool:
    """A busy reviewer's turn comes at a later tick."""
    snapshot = facts.snapshot
    rig = None if bead.rig_id is None else snapshot.rigs.get(bead.rig_id)
    is_stopped = (
        snapshot.town.is_paused
        or snapshot.town.is_draining
        or snapshot.breaker.opened_at_ms is not None
        or rig is None
        or rig.is_paused
    )
    return (
        not is_stopped
        and agent is not None
        and agent.employment == Employment.HIRED
        and agent.stalled_at_ms is None
        and agent.agent_id not in snapshot.session_of_agent
        and LABEL_HELD not in bead.labels
        and (bead.not_before_ms or 0) <= now_ms
        and not open_blockers(snapshot, bead.bead_id)
    )


def _plan_watches(facts: PatrolFacts) -> Iterator[PatrolAction]:
    live = {review.head[0] for review, _ in _live_reviews(facts)}
    known = {review.head for review in facts.pr_reviews}
    raised = set(facts.raised)
    for watch in live_watches(facts):
        agent = facts.snapshot.agents[watch.agent_id]
        if agent.role != AgentRole.REVIEWER:
            continue
        repository = watch_key(watch)
        for pr in facts.prs:
            if pr.repository != repository or not _is_due(facts, watch, pr):
                continue
            request = head_of(agent.agent_id, pr.forge, pr.repo_owner, pr.repo_name, pr.number)
            if request in live or (request, pr.head_sha) in known:
                continue
            rig_id = _rig_for(facts, agent, repository)
            key = f"patrol:no-rig:{repository.text}"
            if rig_id is not None:
                yield AskReview(
                    url=pr.url, agent_id=agent.agent_id, rig_id=rig_id, head_sha=pr.head_sha
                )
            elif key not in raised:
                raised.add(key)
                yield EscalateNoRig(repository=repository, key=key)


def _is_due(facts: PatrolFacts, watch: Watch, pr: Pr) -> bool:
    request = head_of(watch.agent_id, pr.forge, pr.repo_owner, pr.repo_name, pr.number)
    # Forges tell instants in whole seconds: one of the watch's own second came after it.
    began_ms = watch.created_at_ms - watch.created_at_ms % SECOND_MS
    return (
        _is_reviewable(pr)
        and pr.agent_id != watch.agent_id
        and pr.head_since_ms >= began_ms
        and (request, pr.head_sha) not in facts.reviewed
    )


def _is_reviewable(pr: Pr) -> bool:
    return pr.is_open and not pr.is_draft


def _rig_for(facts: PatrolFacts, agent: Agent, repository: RepositoryKey) -> RigId | None:
    """A reviewer of one rig works there only."""
    for rig in facts.snapshot.rigs.values():
        if rig_key(facts, rig) == repository and agent.rig_id in (None, rig.rig_id):
            return rig.rig_id
    return None


def _live_reviews(facts: PatrolFacts) -> Iterator[tuple[PrReview, Bead]]:
    for review in facts.pr_reviews:
        bead = facts.snapshot.beads.get(review.bead_id)
        if bead is not None and bead.status in LIVE_STATUSES:
            yield review, bead
