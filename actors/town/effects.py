"""Does what the rows of `effects` ask for: calls the ports, and puts what they answer into the
inbox.

Theory of operation. An effect is an intention that a transaction of the town wrote: `pending`.
The tick marks those that are due `running` and starts a worker for each, at most
`effects_in_flight_max` at once (polls of forges have `patrol_polls_max` places of their own); no
tick ever waits for one. A worker assembles its call from the rows, makes it through a service
binding (which waits until those rows are durable), and records the answer as an event, together
with `answered`, in one transaction; the event is applied by the next tick like any other.

What a crash leaves. Before the call: the row is `running`, and becomes `pending` when the object
is made again. Between call and record: the same, and the call is made once more; starts and stops
are idempotent by session, probes and proofs ask only. After the record: the event is in the inbox.

An answer that says nothing (`Unknown`) is a fact for a start and for a probe, whose planner asks
again; a stop and a proof are tried again here, with a growing pause, until there is an answer. A
start of a session that lost its right before it was sent is not sent.

Bounds: the timeouts of TownLimits travel with every call, and the port keeps to them; whatever it
raises all the same counts as `Unknown`.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar, assert_never

from boomtown.actors.town.events import (
    ProbeAnswered,
    ProofAnswered,
    StartAnswered,
    StopAnswered,
    TownEvent,
)
from boomtown.actors.town.inbox import record_event
from boomtown.actors.town.model import Effect, EffectKind, EffectState, Session, SessionState
from boomtown.actors.town.observer_calls import check_forges, poll_repository
from boomtown.actors.town.ports import Containers, Forges, SessionTokens
from boomtown.actors.town.start_request import start_request
from boomtown.actors.town.store_sessions import (
    find_effect,
    find_session,
    list_unanswered_effects,
    update_effect,
)
from boomtown.actors.town.store_town import find_rig, find_town
from boomtown.actors.town.transaction import TownTransaction
from boomtown.container_sim.model import Rejected, Repository, Unknown
from boomtown.error_codes import ErrorCode
from boomtown.errors import NotFound
from boomtown.ids import TownId
from boomtown.wire import encode_json_text

logger = logging.getLogger("boomtown.town")

Outcome = TypeVar("Outcome")

_ANSWER = (
    "UPDATE effects SET state = 'answered', answered_at_ms = ?, outcome = ? WHERE effect_id = ?"
)
_RUN = "UPDATE effects SET state = 'running', attempts = attempts + 1 WHERE effect_id = ?"
_PRUNE = (
    "DELETE FROM effects WHERE state = 'answered' AND answered_at_ms < ? AND session_id NOT IN"
    " (SELECT session_id FROM sessions WHERE state != 'ended')"
)
_FORGE_KINDS = (EffectKind.CHECK_FORGES, EffectKind.POLL_REPOSITORY)
# A start counts as long as its session may still get a body by it.
_STARTABLE = (SessionState.STARTING, SessionState.RUNNING)


class EffectWorkers:
    """The workers of one live town object; what they know dies with it, the rows stay."""

    def __init__(
        self,
        *,
        containers: Containers,
        tokens: SessionTokens,
        forges: Forges,
        begin: Callable[[], TownTransaction],
        arm: Callable[[int], Awaitable[None]],
    ) -> None:
        self._containers = containers
        self._tokens = tokens
        self._forges = forges
        self._begin = begin  # a transaction of the present turn, at the present instant
        self._arm = arm  # bring the alarm forward to an instant
        self._in_flight: dict[str, EffectKind] = {}  # by effect_id

    @property
    def in_flight(self) -> int:
        return len(self._in_flight)

    def take_due(self, tx: TownTransaction) -> tuple[Effect, ...]:
        """Mark as running what is due and has room; each is to be given to `perform`."""
        taken: list[Effect] = []
        for effect in list_unanswered_effects(tx):
            is_due = effect.state == EffectState.PENDING and effect.due_at_ms <= tx.now_ms
            if is_due and self._has_room(tx, effect):
                tx.run(_RUN, effect.effect_id)
                self._in_flight[effect.effect_id] = effect.kind
                taken.append(effect)
        return tuple(taken)

    def _has_room(self, tx: TownTransaction, effect: Effect) -> bool:
        """Polls have places of their own, so that a slow forge keeps no container waiting."""
        polls = sum(kind in _FORGE_KINDS for kind in self._in_flight.values())
        if effect.kind in _FORGE_KINDS:
            return polls < tx.limits.patrol_polls_max
        return len(self._in_flight) - polls < tx.limits.effects_in_flight_max

    async def perform(self, effect: Effect) -> None:
        """Make the call and record its answer. Raises nothing but the object's own reset."""
        try:
            event = await self._call(effect)
            self._in_flight.pop(effect.effect_id, None)
            tx = self._begin()
            due_at_ms = tx.in_savepoint(lambda: _record(tx, effect, event))
        finally:
            self._in_flight.pop(effect.effect_id, None)
        await self._arm(due_at_ms)

    async def _call(self, effect: Effect) -> TownEvent | None:
        """The answer as an event; None when there is nothing to be done any more."""
        tx = self._begin()
        town = find_town(tx)
        if town is None:
            return None
        session = find_session(tx, effect.session_id)
        match effect.kind:
            case EffectKind.START:
                return await self._start(tx, session)
            case EffectKind.PROBE:
                return await self._probe(tx, town.town_id, effect)
            case EffectKind.STOP:
                return await self._stop(tx, town.town_id, effect)
            case EffectKind.PROVE_MERGE:
                return await self._prove(tx, town.town_id, session)
            case EffectKind.CHECK_FORGES:
                return await check_forges(tx, self._forges)
            case EffectKind.POLL_REPOSITORY:
                return await poll_repository(tx, self._forges, effect.key)
            case _:
                assert_never(effect.kind)

    async def _start(self, tx: TownTransaction, session: Session | None) -> TownEvent | None:
        if session is None or session.state not in _STARTABLE:
            return None
        try:
            request = start_request(tx, session, tokens=self._tokens)
        except NotFound as error:
            rejected = Rejected(code=error.code, message=error.message)
            return StartAnswered(session_id=session.session_id, outcome=rejected)
        call = self._containers.start_session(request, timeout_ms=tx.limits.start_timeout_ms)
        return StartAnswered(session_id=session.session_id, outcome=await _answer(call))

    async def _probe(self, tx: TownTransaction, town_id: TownId, effect: Effect) -> TownEvent:
        call = self._containers.probe_session(
            town_id, effect.session_id, timeout_ms=tx.limits.probe_timeout_ms
        )
        return ProbeAnswered(
            session_id=effect.session_id, outcome=await _answer(call), asked_at_ms=tx.now_ms
        )

    async def _stop(self, tx: TownTransaction, town_id: TownId, effect: Effect) -> TownEvent:
        session = find_session(tx, effect.session_id)
        is_kill = session is not None and session.ended_by is not None
        stop = self._containers.kill_session if is_kill else self._containers.stop_session
        call = stop(
            town_id,
            effect.session_id,
            grace_ms=tx.limits.stop_grace_ms,
            timeout_ms=tx.limits.stop_timeout_ms,
        )
        return StopAnswered(session_id=effect.session_id, outcome=await _answer(call))

    async def _prove(
        self, tx: TownTransaction, town_id: TownId, session: Session | None
    ) -> TownEvent | None:
        if session is None:
            return None
        rig = find_rig(tx, session.rig_id)
        if rig is None:
            gone = Rejected(code=ErrorCode.RIG_NOT_FOUND, message="The rig was deleted")
            return ProofAnswered(
                session_id=session.session_id, review_id=session.bead_id, outcome=gone
            )
        call = self._containers.prove_merge(
            town_id,
            Repository(rig_id=rig.rig_id, git_url=rig.git_url, default_branch=rig.default_branch),
            branch=session.branch,
            target_branch=session.target_branch,
            timeout_ms=tx.limits.proof_timeout_ms,
        )
        return ProofAnswered(
            session_id=session.session_id, review_id=session.bead_id, outcome=await _answer(call)
        )


def prune_effects(tx: TownTransaction) -> None:
    """Forget what was answered long ago for sessions that are over."""
    tx.run(_PRUNE, tx.now_ms - tx.limits.processed_inbox_kept_ms)


async def _answer(call: Awaitable[Outcome]) -> Outcome | Unknown:
    try:
        return await call
    except Exception as error:
        # A port that raises has said nothing: the deed may have happened.
        logger.warning("port_raised error=%s", type(error).__name__)
        return Unknown(reason=f"{type(error).__name__}: {error}")


def _record(tx: TownTransaction, effect: Effect, event: TownEvent | None) -> int:
    """Keep the answer, or the wish to try again; answers when the town must look at it."""
    if event is not None and _says_nothing(event):
        row = find_effect(tx, effect.effect_id)
        attempts = effect.attempts + 1 if row is None else row.attempts
        due_at_ms = tx.now_ms + retry_after_ms(tx, attempts)
        update_effect(tx, effect.effect_id, state=EffectState.PENDING, due_at_ms=due_at_ms)
        return due_at_ms
    if event is not None:
        record_event(tx, event, idempotency_key=None)
    shown = encode_json_text(event if event is not None else {"dropped": True})
    tx.run(_ANSWER, tx.now_ms, shown, effect.effect_id)
    return tx.now_ms + tx.limits.alarm_inbox_ms


def retry_after_ms(tx: TownTransaction, attempts: int) -> int:
    """The pause after the n-th call without an answer; doubles up to its bound."""
    doublings = min(max(attempts, 1) - 1, 16)  # past this the bound below holds anyway
    pause_ms: int = tx.limits.effect_backoff_ms * 2**doublings
    return min(pause_ms, tx.limits.effect_backoff_max_ms)


def _says_nothing(event: TownEvent) -> bool:
    match event:
        case StopAnswered() | ProofAnswered():
            return isinstance(event.outcome, Unknown)
        case _:
            return False
