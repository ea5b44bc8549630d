"""What each wanted action does to the rows: one function per kind, in a savepoint of its own.

An action was planned from a snapshot; it is applied by compare and set: when what it saw holds no
longer, or the database's unique indexes refuse it, it is dropped and counted, and the next plan
sees the world as it is. No function here calls a port: an outside deed is a row of `effects`.
"""

from __future__ import annotations

from typing import assert_never

from boomtown.actors.town.actions import (
    Action,
    ClaimReview,
    ClaimWork,
    CloseBreaker,
    CloseConvoy,
    CreateLanding,
    EndDrain,
    EndSession,
    EscalateHeld,
    EscalateRestarts,
    FailBead,
    FailConvoy,
    MarkReadyToLand,
    OpenBreaker,
    ReleaseBead,
    SendProbe,
    SendStart,
    SendStop,
    SettleSource,
    UpdateConvoyProgress,
)
from boomtown.actors.town.bead_creation import create_escalation
from boomtown.actors.town.blockers import held_key
from boomtown.actors.town.model import (
    FINAL_STATUSES,
    SCRIPTED_HARNESS,
    Agent,
    BeadKind,
    BeadStatus,
    BeadType,
    EffectKind,
    Employment,
    Priority,
    Session,
    SessionState,
    TownConfig,
    effective,
)
from boomtown.actors.town.plan_sessions import REASON_LOST
from boomtown.actors.town.review_moves import complete_review, submit_landing
from boomtown.actors.town.session_moves import (
    claim_session,
    end_session,
    is_proof_awaited,
    request_stop,
    send_start,
    send_stop,
    want_effect,
)
from boomtown.actors.town.staffing import new_polecat, refinery_of
from boomtown.actors.town.store_agents import find_agent
from boomtown.actors.town.store_beads import find_bead, list_beads_about
from boomtown.actors.town.store_satellites import find_convoy, update_convoy
from boomtown.actors.town.store_sessions import (
    find_live_session,
    find_live_session_of_bead,
    find_session,
    update_session,
)
from boomtown.actors.town.store_town import bump_counter, find_rig, get_town
from boomtown.actors.town.town_moves import apply_town_action
from boomtown.actors.town.transaction import TownTransaction
from boomtown.actors.town.transitions import change_bead_status, recount_convoy
from boomtown.container_sim.model import SessionKind
from boomtown.ids import AgentId, BeadId, RigId, SessionId

REPAIR_RELEASE = "repairs.release_bead"
REPAIR_SETTLE = "repairs.settle_source"
REPAIR_PROGRESS = "repairs.convoy_progress"

_COUNT_PROBES = "SELECT count(*) FROM effects WHERE session_id = ? AND kind = 'probe'"


def apply_action(tx: TownTransaction, action: Action) -> bool:
    """Apply one action; False when what it saw does not hold any more and nothing was done."""
    match action:
        case ClaimWork():
            return _claim_work(tx, action)
        case ClaimReview():
            return _claim_review(tx, action)
        case FailBead():
            return _fail_bead(tx, action)
        case EscalateHeld():
            return _escalate_held(tx, action)
        case EscalateRestarts() | OpenBreaker() | CloseBreaker() | EndDrain():
            return apply_town_action(tx, action)
        case ReleaseBead():
            return _release_bead(tx, action)
        case SettleSource():
            return _settle_source(tx, action)
        case UpdateConvoyProgress() | MarkReadyToLand() | CreateLanding():
            return _advance_convoy(tx, action)
        case CloseConvoy() | FailConvoy():
            return _end_convoy(tx, action)
        case SendStart() | SendProbe() | SendStop() | EndSession():
            return _move_session(tx, action)
        case _:
            assert_never(action)


def _claim_work(tx: TownTransaction, action: ClaimWork) -> bool:
    bead = find_bead(tx, action.bead_id)
    rig = find_rig(tx, action.rig_id)
    if bead is None or rig is None or not _is_claimable(tx, action.bead_id):
        return False
    agent = new_polecat(tx, rig) if action.agent_id is None else _free(tx, action.agent_id)
    if agent is None:
        return False
    config = _config_of(tx, action.rig_id)
    claim_session(tx, agent=agent, bead=bead, kind=SessionKind.WORK, harness=config.harness)
    return True


def _claim_review(tx: TownTransaction, action: ClaimReview) -> bool:
    bead = find_bead(tx, action.bead_id)
    rig = find_rig(tx, action.rig_id)
    if bead is None or rig is None or not _is_claimable(tx, action.bead_id):
        return False
    agent = _free(tx, refinery_of(tx, rig).agent_id)
    if agent is None:
        return False
    # A merge without a judgement follows the scripted recipe, whatever the rig's harness
    # (decisions 37).
    config = _config_of(tx, action.rig_id)
    harness = SCRIPTED_HARNESS if action.merge_only else config.review_harness
    kind = SessionKind.LANDING if bead.kind == BeadKind.LANDING else SessionKind.REVIEW
    claim_session(
        tx, agent=agent, bead=bead, kind=kind, harness=harness, merge_only=action.merge_only
    )
    return True


def _is_claimable(tx: TownTransaction, bead_id: BeadId) -> bool:
    bead = find_bead(tx, bead_id)
    return (
        bead is not None
        and bead.status == BeadStatus.OPEN
        and find_live_session_of_bead(tx, bead_id) is None
    )


def _free(tx: TownTransaction, agent_id: AgentId) -> Agent | None:
    agent = find_agent(tx, agent_id)
    if agent is None or agent.employment != Employment.HIRED:
        return None
    return None if find_live_session(tx, agent_id) is not None else agent


def _config_of(tx: TownTransaction, rig_id: RigId) -> TownConfig:
    rig = find_rig(tx, rig_id)
    assert rig is not None, "the caller has seen the rig"
    return effective(get_town(tx).config, rig.config)


def _fail_bead(tx: TownTransaction, action: FailBead) -> bool:
    bead = find_bead(tx, action.bead_id)
    if bead is None or bead.status != action.expected_status:
        return False
    if find_live_session_of_bead(tx, action.bead_id) is not None:
        return False
    if bead.type == BeadType.MERGE_REQUEST:
        return complete_review(
            tx,
            review_id=bead.bead_id,
            outcome="failed",
            message=action.message,
            commit_sha=None,
            code=action.code,
        ).changed
    return change_bead_status(
        tx,
        bead.bead_id,
        BeadStatus.FAILED,
        failure_code=action.code,
        failure_message=action.message,
    ).changed


def _escalate_held(tx: TownTransaction, action: EscalateHeld) -> bool:
    bead, blocker = find_bead(tx, action.bead_id), find_bead(tx, action.blocker_id)
    if bead is None or blocker is None or blocker.status != BeadStatus.FAILED:
        return False
    raised = create_escalation(
        tx,
        rig_id=bead.rig_id,
        title=f"Held behind a failed bead: {bead.title}"[:500],
        body=f"It waits for “{blocker.title}”, which failed: {blocker.failure_message or '?'}",
        severity=Priority.HIGH,
        category="held",
        key=held_key(bead_id=bead.bead_id, blocker_id=blocker.bead_id),
        metadata={"bead_id": bead.bead_id, "blocker_id": blocker.bead_id},
        about=bead,
    )
    return raised is not None


def _release_bead(tx: TownTransaction, action: ReleaseBead) -> bool:
    bead = find_bead(tx, action.bead_id)
    if bead is None or bead.status != BeadStatus.IN_PROGRESS:
        return False
    if find_live_session_of_bead(tx, action.bead_id) is not None:
        return False
    bump_counter(tx, REPAIR_RELEASE)
    return change_bead_status(tx, bead.bead_id, BeadStatus.OPEN).changed


def _settle_source(tx: TownTransaction, action: SettleSource) -> bool:
    source = find_bead(tx, action.bead_id)
    if source is None or source.status != BeadStatus.IN_REVIEW:
        return False
    reviews = list_beads_about(tx, action.bead_id, BeadKind.REVIEW)
    if any(review.status not in FINAL_STATUSES for review in reviews):
        return False
    bump_counter(tx, REPAIR_SETTLE)
    return change_bead_status(tx, source.bead_id, action.after).changed


def _advance_convoy(
    tx: TownTransaction, action: UpdateConvoyProgress | MarkReadyToLand | CreateLanding
) -> bool:
    bead, convoy = find_bead(tx, action.convoy_id), find_convoy(tx, action.convoy_id)
    if bead is None or convoy is None or bead.status in FINAL_STATUSES:
        return False
    match action:
        case UpdateConvoyProgress():
            bump_counter(tx, REPAIR_PROGRESS)
            recount_convoy(tx, action.convoy_id)
            return True
        case MarkReadyToLand():
            update_convoy(tx, action.convoy_id, is_ready_to_land=True)
            return not convoy.is_ready_to_land
        case CreateLanding():
            if convoy.landing_attempts != action.expected_attempts:
                return False
            submit_landing(tx, convoy_bead=bead, convoy=convoy)
            return True
        case _:
            assert_never(action)


def _end_convoy(tx: TownTransaction, action: CloseConvoy | FailConvoy) -> bool:
    match action:
        case CloseConvoy():
            change = change_bead_status(tx, action.convoy_id, BeadStatus.CLOSED)
            if change.changed:
                update_convoy(tx, action.convoy_id, landed_at_ms=tx.now_ms)
            return change.changed
        case FailConvoy():
            change = change_bead_status(
                tx,
                action.convoy_id,
                BeadStatus.FAILED,
                failure_code="landing_exhausted",
                failure_message=action.message,
            )
            if change.changed:
                update_convoy(tx, action.convoy_id, failure_message=action.message)
            return change.changed
        case _:
            assert_never(action)


def _move_session(
    tx: TownTransaction, action: SendStart | SendProbe | SendStop | EndSession
) -> bool:
    session = find_session(tx, action.session_id)
    if session is None or session.state == SessionState.ENDED:
        return False
    match action:
        case SendStart():
            if session.state != SessionState.CLAIMED:
                return False
            send_start(tx, session)
        case SendProbe():
            if session.state != action.expected_state:
                return False
            _send_probe(tx, session)
        case SendStop():
            if session.state != action.expected_state:
                return False
            if action.takes_bead:
                request_stop(tx, session, reason=action.reason)
            else:
                send_stop(tx, session)
        case EndSession():
            # The proof of a claimed merge decides the review first; its answer ends the session.
            if session.state != action.expected_state or is_proof_awaited(tx, session):
                return False
            end_session(
                tx,
                session,
                reason=action.reason,
                counts_attempt=action.counts_attempt,
                is_proven=action.reason != REASON_LOST,
            )
        case _:
            assert_never(action)
    return True


def _send_probe(tx: TownTransaction, session: Session) -> None:
    number = count_probes(tx, session.session_id) + 1
    update_session(tx, session.session_id, probed_at_ms=tx.now_ms)
    want_effect(
        tx,
        kind=EffectKind.PROBE,
        key=f"probe:{session.session_id}:{number}",
        session_id=session.session_id,
    )


def count_probes(tx: TownTransaction, session_id: SessionId) -> int:
    row = tx.find_row(_COUNT_PROBES, session_id)
    assert row is not None
    return int(row[0])
