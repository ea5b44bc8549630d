"""From a command to its answer: the list of handlers, and what holds for all of them.

A command runs in one savepoint together with its kept answer. A handler that raises has changed
nothing, and its error is the refusal. Before any handler: the town exists, and a session's caller
is not over, except where the route answers `stale` (decisions 55). Handlers never await; what has
to be awaited (the alarm, the end of a town) is town.py's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from boomtown.actors.town.agent_calls import (
    handle_agent_status,
    handle_check_mail,
    handle_checkpoint,
    handle_heartbeat,
    handle_hook,
    handle_prime,
    handle_refresh_session,
    handle_request_changes,
    handle_unhook,
)
from boomtown.actors.town.agent_commands import (
    handle_delete_agent,
    handle_get_or_create,
    handle_register_agent,
    handle_reset_agent,
)
from boomtown.actors.town.bead_commands import (
    handle_create_bead,
    handle_reassign_bead,
    handle_retry_bead,
    handle_set_status,
    handle_sling_bead,
    handle_update_bead,
)
from boomtown.actors.town.bead_deletion import handle_delete_beads, handle_delete_by_status
from boomtown.actors.town.bosses import handle_reassign_workers
from boomtown.actors.town.commands import (
    AcknowledgeEscalation,
    AddConvoyBead,
    Approve,
    BeginDrain,
    Caller,
    ClearDrain,
    CloseConvoyByForce,
    CommandRequest,
    CompleteReview,
    CreateBead,
    CreateEscalation,
    CreateRig,
    DeleteBeads,
    DeleteBeadsByStatus,
    DeleteFeedCursor,
    DeleteRig,
    DestroyTown,
    InitTown,
    PutFeedCursor,
    ReassignBead,
    RemoveConvoyBead,
    RenameTown,
    RetryBead,
    SendMail,
    SetBeadStatus,
    SetPaused,
    SlingBead,
    SlingConvoy,
    StartConvoy,
    SubmitReview,
    UpdateBead,
    UpdateConfig,
    UpdateConvoy,
    UpdateRigConfig,
)
from boomtown.actors.town.commands_of_agents import (
    CheckMail,
    DeleteAgent,
    GetOrCreateAgent,
    Heartbeat,
    HookBead,
    PrimeAgent,
    RefreshSession,
    RegisterAgent,
    ReportCompleted,
    ReportContainerEvents,
    ReportContainerGone,
    ReportDone,
    ReportEviction,
    ReportWaiting,
    RequestChanges,
    ResetAgent,
    SetAgentStatus,
    UnhookBead,
    WriteCheckpoint,
)
from boomtown.actors.town.commands_of_observer import ClaimPr, PollForges, RecheckObserver
from boomtown.actors.town.commands_of_roster import (
    AddWatch,
    HireAgent,
    OffboardAgent,
    ReassignWorkers,
    RemoveWatch,
    UseGateway,
)
from boomtown.actors.town.commands_of_sessions import (
    CleanUpSessions,
    KillSession,
    RestoreSession,
    RollBackSession,
    SendToSession,
    SpawnSession,
)
from boomtown.actors.town.convoy_commands import (
    handle_add_bead,
    handle_close_convoy,
    handle_remove_bead,
    handle_sling_convoy,
    handle_start_convoy,
    handle_update_convoy,
)
from boomtown.actors.town.drain_commands import handle_begin_drain, handle_clear_drain
from boomtown.actors.town.feed_cursors import handle_delete_cursor, handle_put_cursor
from boomtown.actors.town.feed_speaker import feed_actor
from boomtown.actors.town.fences import check_session_lives
from boomtown.actors.town.gateway import handle_gateway
from boomtown.actors.town.hiring import handle_hire
from boomtown.actors.town.idempotency import find_answer, keep_answer
from boomtown.actors.town.inbox_posts import (
    handle_completed,
    handle_container_events,
    handle_container_gone,
    handle_done,
    handle_eviction,
    handle_waiting,
)
from boomtown.actors.town.observer_commands import handle_poll, handle_recheck
from boomtown.actors.town.offboarding import handle_offboard
from boomtown.actors.town.pr_claims import handle_claim_pr
from boomtown.actors.town.review_commands import (
    handle_approve,
    handle_complete_review,
    handle_submit_review,
)
from boomtown.actors.town.rig_commands import (
    handle_acknowledge,
    handle_create_escalation,
    handle_create_rig,
    handle_delete_rig,
    handle_send_mail,
    handle_update_rig_config,
)
from boomtown.actors.town.session_commands import (
    handle_clean_up,
    handle_kill,
    handle_restore,
    handle_roll_back,
    handle_send,
    handle_spawn,
)
from boomtown.actors.town.store_town import get_town
from boomtown.actors.town.town_commands import (
    handle_destroy_town,
    handle_init_town,
    handle_rename_town,
    handle_set_paused,
    handle_update_config,
)
from boomtown.actors.town.transaction import TownTransaction
from boomtown.actors.town.views import Answer, View
from boomtown.actors.town.watch_commands import handle_add_watch, handle_remove_watch
from boomtown.errors import BoomtownError

Handler = Callable[[TownTransaction, Caller, Any], View]

HANDLERS: dict[type, Handler] = {
    InitTown: handle_init_town,
    RenameTown: handle_rename_town,
    DestroyTown: handle_destroy_town,
    UpdateConfig: handle_update_config,
    SetPaused: handle_set_paused,
    Approve: handle_approve,
    CreateRig: handle_create_rig,
    UpdateRigConfig: handle_update_rig_config,
    DeleteRig: handle_delete_rig,
    CreateBead: handle_create_bead,
    SetBeadStatus: handle_set_status,
    UpdateBead: handle_update_bead,
    DeleteBeads: handle_delete_beads,
    DeleteBeadsByStatus: handle_delete_by_status,
    RetryBead: handle_retry_bead,
    ReassignBead: handle_reassign_bead,
    SlingBead: handle_sling_bead,
    SlingConvoy: handle_sling_convoy,
    StartConvoy: handle_start_convoy,
    CloseConvoyByForce: handle_close_convoy,
    AddConvoyBead: handle_add_bead,
    RemoveConvoyBead: handle_remove_bead,
    UpdateConvoy: handle_update_convoy,
    RegisterAgent: handle_register_agent,
    GetOrCreateAgent: handle_get_or_create,
    DeleteAgent: handle_delete_agent,
    ResetAgent: handle_reset_agent,
    HookBead: handle_hook,
    UnhookBead: handle_unhook,
    PrimeAgent: handle_prime,
    CheckMail: handle_check_mail,
    WriteCheckpoint: handle_checkpoint,
    SetAgentStatus: handle_agent_status,
    Heartbeat: handle_heartbeat,
    RequestChanges: handle_request_changes,
    ReportDone: handle_done,
    ReportCompleted: handle_completed,
    ReportWaiting: handle_waiting,
    ReportEviction: handle_eviction,
    ReportContainerGone: handle_container_gone,
    ReportContainerEvents: handle_container_events,
    BeginDrain: handle_begin_drain,
    ClearDrain: handle_clear_drain,
    RefreshSession: handle_refresh_session,
    SendMail: handle_send_mail,
    CreateEscalation: handle_create_escalation,
    AcknowledgeEscalation: handle_acknowledge,
    SubmitReview: handle_submit_review,
    CompleteReview: handle_complete_review,
    HireAgent: handle_hire,
    OffboardAgent: handle_offboard,
    ReassignWorkers: handle_reassign_workers,
    AddWatch: handle_add_watch,
    RemoveWatch: handle_remove_watch,
    UseGateway: handle_gateway,
    PutFeedCursor: handle_put_cursor,
    DeleteFeedCursor: handle_delete_cursor,
    SpawnSession: handle_spawn,
    KillSession: handle_kill,
    RestoreSession: handle_restore,
    RollBackSession: handle_roll_back,
    SendToSession: handle_send,
    CleanUpSessions: handle_clean_up,
    RecheckObserver: handle_recheck,
    PollForges: handle_poll,
    ClaimPr: handle_claim_pr,
}

# Routes that answer a session that is over with `stale: true` instead of refusing it.
STALE_ANSWERING: frozenset[type] = frozenset(
    {
        Heartbeat,
        SetAgentStatus,
        WriteCheckpoint,
        ReportDone,
        ReportCompleted,
        ReportWaiting,
        ReportEviction,
        ReportContainerGone,
        ReportContainerEvents,
    }
)

# After these the loop has nothing new to do at once.
QUIET: frozenset[type] = frozenset(
    {
        Heartbeat,
        SetAgentStatus,
        WriteCheckpoint,
        PrimeAgent,
        CheckMail,
        RefreshSession,
        RenameTown,
        SendMail,
        CreateEscalation,
        RegisterAgent,
        GetOrCreateAgent,
        HireAgent,
        ReassignWorkers,
        AddWatch,
        RemoveWatch,
        UseGateway,
        PutFeedCursor,
        DeleteFeedCursor,
    }
)


def run_command(tx: TownTransaction, request: CommandRequest) -> Answer:
    """The answer, with all that the command wrote; or a refusal, with nothing written."""
    tx = msgspec.structs.replace(
        tx,
        speaker=request.caller.session_id,
        actor=feed_actor(request.caller),
        reason=str(type(request.command).__struct_config__.tag),
    )

    def work() -> Answer:
        kept = find_answer(tx, request)
        if kept is not None:
            return kept
        command_type = type(request.command)
        if command_type is not InitTown:
            get_town(tx)
        if command_type not in STALE_ANSWERING:
            check_session_lives(tx, request.caller)
        answer = Answer(view=HANDLERS[command_type](tx, request.caller, request.command))
        keep_answer(tx, request, answer)
        return answer

    try:
        return tx.in_savepoint(work)
    except BoomtownError as error:
        return Answer(refusal=error.refusal())
