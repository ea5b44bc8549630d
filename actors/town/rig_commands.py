"""Commands about rigs, and what is said inside one: mail and escalations."""

from __future__ import annotations

from boomtown.actors.town.bead_creation import create_escalation, create_mail
from boomtown.actors.town.bead_endings import request_status
from boomtown.actors.town.commands import (
    AcknowledgeEscalation,
    Caller,
    CreateEscalation,
    CreateRig,
    DeleteRig,
    SendMail,
    UpdateRigConfig,
)
from boomtown.actors.town.config_rules import patched_rig_config
from boomtown.actors.town.fences import AGENT_CALLERS, actor_of
from boomtown.actors.town.mail_addresses import get_effective_boss, get_recipient
from boomtown.actors.town.model import BeadStatus, Employment, Rig
from boomtown.actors.town.offboarding import Dismissal, dismiss
from boomtown.actors.town.session_moves import request_stop
from boomtown.actors.town.store_agents import list_rig_agents
from boomtown.actors.town.store_beads import get_bead, list_live_beads_of_rig
from boomtown.actors.town.store_satellites import (
    get_escalation,
    update_convoy,
    update_escalation,
)
from boomtown.actors.town.store_sessions import list_live_sessions_of_rig
from boomtown.actors.town.store_town import (
    delete_rig,
    find_rig,
    find_rig_by_name,
    get_rig,
    insert_rig,
    update_rig,
)
from boomtown.actors.town.transaction import TownTransaction
from boomtown.actors.town.transitions import change_bead_status
from boomtown.actors.town.views import EscalationView, FactsView, MailView, RigView
from boomtown.actors.town.views_of import escalation_view, mail_view, rig_view
from boomtown.error_codes import ErrorCode
from boomtown.errors import AccessDenied, Conflict
from boomtown.ids import AgentId, BeadId, RigId

TO_BOSS = "boss"

_LIST_LIVE_CONVOYS = (
    "SELECT b.bead_id FROM convoys c JOIN beads b ON b.bead_id = c.bead_id"
    " WHERE c.rig_id = ? AND b.status = 'open' ORDER BY b.created_at_ms, b.bead_id"
)


def handle_create_rig(tx: TownTransaction, caller: Caller, command: CreateRig) -> RigView:
    """The same rig again changes nothing, so that the owner may repeat it after a crash. The
    address is not tried here: an unreachable one fails the first clone (decisions 44)."""
    known = find_rig(tx, command.rig_id)
    if known is not None:
        return rig_view(tx, known)
    if find_rig_by_name(tx, command.name) is not None:
        raise Conflict(ErrorCode.RIG_ALREADY_REGISTERED, details={"name": command.name})
    rig = Rig(
        rig_id=command.rig_id,
        name=command.name,
        git_url=command.git_url,
        default_branch=command.default_branch,
        config=command.config,
        is_paused=False,
        created_at_ms=tx.now_ms,
        updated_at_ms=tx.now_ms,
    )
    insert_rig(tx, rig)
    return rig_view(tx, rig)


def handle_update_rig_config(
    tx: TownTransaction, caller: Caller, command: UpdateRigConfig
) -> RigView:
    rig = get_rig(tx, command.rig_id)
    config = patched_rig_config(rig.config, command.patch, limits=tx.limits)
    update_rig(tx, rig.rig_id, config=config)
    return rig_view(tx, get_rig(tx, rig.rig_id))


def handle_delete_rig(tx: TownTransaction, caller: Caller, command: DeleteRig) -> FactsView:
    """RIG_BUSY while a bead or session of it lives; by force they end with it (decisions 38)."""
    rig = get_rig(tx, command.rig_id)
    sessions = list_live_sessions_of_rig(tx, rig.rig_id)
    beads = list_live_beads_of_rig(tx, rig.rig_id)
    if (sessions or beads) and not command.force:
        raise Conflict(ErrorCode.RIG_BUSY, details={"beads": len(beads), "sessions": len(sessions)})
    _end_convoys(tx, rig.rig_id)
    for bead in beads:
        present = get_bead(tx, bead.bead_id)  # a source's end has ended its reviews by now
        request_status(
            tx,
            present,
            BeadStatus.FAILED,
            agent_id=caller.agent_id,
            code="no_rig",
            message="The rig was deleted",
        )
    for session in list_live_sessions_of_rig(tx, rig.rig_id):
        request_stop(tx, session, reason="rig_deleted")
    for agent in list_rig_agents(tx, rig.rig_id):
        if agent.employment == Employment.HIRED:
            dismiss(tx, agent, Dismissal(caller=caller, reason="rig_deleted", force=True))
    delete_rig(tx, rig.rig_id)
    return FactsView(facts={"deleted": True})


def handle_send_mail(tx: TownTransaction, caller: Caller, command: SendMail) -> MailView:
    """To an agent of any rig of the town; "boss" is the sender's live boss, else the mayor. An
    agent writes in no name but its own."""
    get_rig(tx, command.rig_id)
    if caller.kind in AGENT_CALLERS and command.from_agent_id not in (None, caller.agent_id):
        raise AccessDenied(ErrorCode.FORBIDDEN_AGENT)
    sender = command.from_agent_id or caller.agent_id
    recipient = _recipient(tx, command, sender)
    bead = create_mail(
        tx,
        rig_id=command.rig_id,
        from_agent_id=sender,
        to_agent_id=recipient,
        subject=command.subject,
        body=command.body,
    )
    return mail_view(tx, bead)


def handle_create_escalation(
    tx: TownTransaction, caller: Caller, command: CreateEscalation
) -> EscalationView:
    get_rig(tx, command.rig_id)
    bead = create_escalation(
        tx,
        rig_id=command.rig_id,
        title=command.title,
        body=command.body,
        severity=command.priority,
        category=None,
        key=None,
        metadata=command.metadata,
        created_by=actor_of(caller),
    )
    assert bead is not None, "without a key nothing stands in the way"
    return escalation_view(tx, bead)


def handle_acknowledge(
    tx: TownTransaction, caller: Caller, command: AcknowledgeEscalation
) -> EscalationView:
    """Acknowledged and closed; the first time counts."""
    escalation = get_escalation(tx, command.escalation_id)
    if not escalation.is_acknowledged:
        update_escalation(
            tx, escalation.bead_id, is_acknowledged=True, acknowledged_at_ms=tx.now_ms
        )
    change_bead_status(tx, escalation.bead_id, BeadStatus.CLOSED, agent_id=caller.agent_id)
    return escalation_view(tx, get_bead(tx, escalation.bead_id))


def _recipient(tx: TownTransaction, command: SendMail, sender: AgentId | None) -> AgentId:
    if command.to == TO_BOSS or command.to_agent_id is None:
        return get_effective_boss(tx, sender).agent_id
    return get_recipient(tx, sender=sender, to_agent_id=command.to_agent_id).agent_id


def _end_convoys(tx: TownTransaction, rig_id: RigId) -> None:
    for (convoy_id,) in tx.rows(_LIST_LIVE_CONVOYS, rig_id):
        bead_id = BeadId(convoy_id)
        update_convoy(tx, bead_id, failure_message="The rig was deleted")
        change_bead_status(
            tx,
            bead_id,
            BeadStatus.FAILED,
            failure_code="no_rig",
            failure_message="The rig was deleted",
        )
