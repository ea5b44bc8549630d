"""What must hold of the observer's rows at every instant, beside invariants.py (roster.md 4.8).

Pure, over the facts that the patrol itself decides on. That a failed probe ends nothing (I15), and
that `reviewed_prs` comes from the gateway alone (I18), are tests: no row can show it.
"""

from __future__ import annotations

from collections.abc import Iterator

from boomtown.actors.town.invariants import Violation
from boomtown.actors.town.model import EffectKind
from boomtown.actors.town.observer_model import ObserverState
from boomtown.actors.town.patrol_facts import COORDINATORS, PatrolFacts

DISABLED_OBSERVER_WANTS_NOTHING = "observer.disabled_wants_nothing"  # I16
ONE_OWNER_PER_PULL_REQUEST = "observer.one_owner_per_pull_request"  # I17
COORDINATORS_OWN_NO_PULL_REQUEST = "observer.coordinators_own_none"  # I17

_CALLS = (EffectKind.CHECK_FORGES, EffectKind.POLL_REPOSITORY)


def check_observer(facts: PatrolFacts) -> tuple[Violation, ...]:
    """All violations, in the order of the invariants. To be asked between two transactions: the
    tick takes back in one what it disabled in it."""
    return (*_wants_nothing(facts), *_one_owner(facts), *_no_coordinator(facts))


def _wants_nothing(facts: PatrolFacts) -> Iterator[Violation]:
    observer = facts.observer
    if observer is None or observer.state != ObserverState.DISABLED:
        return
    for effect in facts.snapshot.effects:
        if effect.kind in _CALLS:
            yield _violation(
                DISABLED_OBSERVER_WANTS_NOTHING, effect.key, "a call is wanted without credentials"
            )


def _one_owner(facts: PatrolFacts) -> Iterator[Violation]:
    for pr in facts.prs:
        session = None if pr.session_id is None else facts.snapshot.sessions.get(pr.session_id)
        if session is not None and session.agent_id != pr.agent_id:
            yield _violation(
                ONE_OWNER_PER_PULL_REQUEST,
                pr.url,
                f"it is {pr.agent_id}'s, and its session is {session.agent_id}'s",
            )


def _no_coordinator(facts: PatrolFacts) -> Iterator[Violation]:
    for pr in facts.prs:
        agent = None if pr.agent_id is None else facts.snapshot.agents.get(pr.agent_id)
        if agent is not None and agent.role in COORDINATORS:
            yield _violation(
                COORDINATORS_OWN_NO_PULL_REQUEST, pr.url, f"the {agent.role} {agent.name} owns it"
            )


def _violation(name: str, subject: str, message: str) -> Violation:
    return Violation(name=name, subject=subject, message=message)
