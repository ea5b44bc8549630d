"""Whether a session could be spawned: every finding, in one fixed order, from facts alone.

The order is that of roster.md 3.3 and 4.4: what costs nothing first, each check only where those
it rests on hold. A spawn is refused with the first finding; the preflight lists them all. The
facts come from the town's rows (spawn_facts.py) and from a look at the outside
(container_sim/lookout.py), whose codes are those of a start.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from boomtown.actors.town.model import (
    Agent,
    Bead,
    BeadKind,
    BeadStatus,
    Employment,
    Rig,
    Session,
    Town,
)
from boomtown.container_sim.model import AgentRole, Looked, LookOutcome, Unknown
from boomtown.error_codes import ErrorCode
from boomtown.ids import AgentId

SPAWNABLE_KINDS = (BeadKind.WORK, BeadKind.REWORK)
WORKABLE = (BeadStatus.OPEN, BeadStatus.IN_PROGRESS)
# What a look may find that concerns more than the branch comes before it.
_HARNESS_CODES = (ErrorCode.UNKNOWN_HARNESS, ErrorCode.AGENT_BINARY_NOT_FOUND)


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One reason against the spawn."""

    code: ErrorCode
    message: str
    details: dict[str, Any] = {}


class SpawnFacts(msgspec.Struct, frozen=True, kw_only=True):
    """All that the checks need; `…_named` says whether the wish names one at all."""

    town: Town
    is_rig_named: bool
    rig: Rig | None
    prompt_characters: int
    prompt_characters_max: int
    role: AgentRole
    agent_named: str | None
    agent: Agent | None
    agent_session: Session | None  # the agent's living one
    has_room: bool  # a free agent of the role, or one more may be hired
    boss_named: str | None
    boss: Agent | None  # a living coordinator, or none
    chain_of_boss: tuple[AgentId, ...]  # the boss, its boss, and so on
    bead_named: str | None
    bead: Bead | None
    bead_session: Session | None  # the bead's living one
    branch_named: str | None
    branch_session: Session | None  # another living session on that branch
    seen: LookOutcome | None  # None: there was no point in looking


def spawn_findings(facts: SpawnFacts) -> tuple[Finding, ...]:
    """Every reason against it, the one that a spawn is refused with first."""
    return tuple(_findings(facts))


def rows_refuse(facts: SpawnFacts) -> bool:
    """Whether the town's own rows are reason enough, so that nobody needs to look outside."""
    return bool(spawn_findings(msgspec.structs.replace(facts, seen=None)))


def _findings(facts: SpawnFacts) -> Iterator[Finding]:
    if not facts.is_rig_named:
        yield _finding(ErrorCode.RIG_ID_REQUIRED, "rig_id is required")
    if facts.prompt_characters > facts.prompt_characters_max:
        yield _finding(
            ErrorCode.PROMPT_TOO_LONG,
            f"The prompt has {facts.prompt_characters} characters,"
            f" {facts.prompt_characters_max} are allowed",
        )
    if facts.is_rig_named and facts.rig is None:
        yield _finding(ErrorCode.RIG_NOT_FOUND, "Rig not found")
    if facts.rig is not None:
        yield from _seen(facts, is_of_harness=True)
        yield from _runtime(facts, facts.rig)
        yield from _seen(facts, is_of_harness=False)
        yield from _branch(facts)
        yield from _agent(facts, facts.rig)
    yield from _boss(facts)
    if facts.rig is not None:
        yield from _bead(facts, facts.rig)


def _runtime(facts: SpawnFacts, rig: Rig) -> Iterator[Finding]:
    if facts.town.is_draining:
        yield _finding(ErrorCode.TOWN_DRAINING, "The town's container is draining")
    if facts.town.is_paused:
        yield _finding(ErrorCode.TOWN_PAUSED, "The town is paused")
    if rig.is_paused:
        yield _finding(ErrorCode.RIG_PAUSED, "The rig is paused", rig=rig.rig_id)
    if isinstance(facts.seen, Unknown):
        reason = facts.seen.reason
        yield _finding(ErrorCode.RUNTIME_UNAVAILABLE, f"The containers do not answer: {reason}")
    if facts.agent_named is None and not facts.has_room:
        yield _finding(
            ErrorCode.RUNTIME_UNAVAILABLE,
            f"Every {facts.role} of the rig is at work, and it may have no more of them",
            role=facts.role.value,
        )


def _seen(facts: SpawnFacts, *, is_of_harness: bool) -> Iterator[Finding]:
    if not isinstance(facts.seen, Looked):
        return
    for obstacle in facts.seen.obstacles:
        if (obstacle.code in _HARNESS_CODES) == is_of_harness:
            yield Finding(
                code=obstacle.code, message=obstacle.message, details={**obstacle.details}
            )


def _branch(facts: SpawnFacts) -> Iterator[Finding]:
    holder = facts.branch_session
    if holder is None:
        return
    path = holder.worktree or f"the worktree of session {holder.session_id}"
    yield _finding(
        ErrorCode.BRANCH_CHECKED_OUT_ELSEWHERE,
        f"The branch {facts.branch_named!r} is checked out at {path}",
        branch=facts.branch_named,
        path=path,
        session=holder.session_id,
    )


def _agent(facts: SpawnFacts, rig: Rig) -> Iterator[Finding]:
    if facts.agent_named is None:
        return
    agent = facts.agent
    if agent is None or agent.rig_id not in (None, rig.rig_id):
        yield _finding(ErrorCode.AGENT_NOT_FOUND, "Agent not found")
    elif agent.employment != Employment.HIRED:
        yield _finding(
            ErrorCode.AGENT_OFFBOARDED, f"{agent.name} is no longer employed", agent=agent.agent_id
        )
    elif facts.agent_session is not None:
        yield _finding(
            ErrorCode.AGENT_BUSY,
            f"{agent.name} has a live session",
            session=facts.agent_session.session_id,
        )


def _boss(facts: SpawnFacts) -> Iterator[Finding]:
    if facts.boss_named is None:
        return
    if facts.boss is None:
        yield _finding(
            ErrorCode.NO_COORDINATOR,
            f"There is no employed mayor or architect {facts.boss_named!r}",
            boss=facts.boss_named,
        )
    elif facts.agent is not None and facts.agent.agent_id in facts.chain_of_boss:
        yield _finding(
            ErrorCode.REASSIGN_TARGET_INVALID,
            f"{facts.agent.name} would report to itself",
            boss=facts.boss.agent_id,
        )


def _bead(facts: SpawnFacts, rig: Rig) -> Iterator[Finding]:
    if facts.bead_named is None:
        return
    bead = facts.bead
    if bead is None or bead.rig_id != rig.rig_id:
        yield _finding(ErrorCode.BEAD_NOT_FOUND, "Bead not found")
    elif bead.kind not in SPAWNABLE_KINDS or bead.status not in WORKABLE:
        yield _finding(
            ErrorCode.BEAD_NOT_HOOKABLE,
            f"A {bead.kind} bead that is {bead.status} is nobody's work",
            kind=bead.kind.value,
            status=bead.status.value,
        )
    elif facts.bead_session is not None:
        yield _finding(
            ErrorCode.BEAD_ALREADY_HOOKED,
            "Another session works on the bead",
            session=facts.bead_session.session_id,
            agent=facts.bead_session.agent_id,
        )


def _finding(code: ErrorCode, message: str, **details: Any) -> Finding:
    return Finding(code=code, message=message, details=details)
