"""What a container says of its own end and beginning, and what it may know of its town.

None of these is about an agent, so no session fences them: the instance is the caller's own, by
its token. Registry: nothing is adopted in this version (decisions 46), so a container that boots
has no session yet and is told to drop whatever it asks for (row 73).
"""

from __future__ import annotations

from boomtown.actors.town.commands import BeginDrain, Caller, ClearDrain
from boomtown.actors.town.drain import begin_drain, clear_drain
from boomtown.actors.town.events import ContainerNoted
from boomtown.actors.town.inbox import record_event
from boomtown.actors.town.model import SPEAKING_SESSION_STATES, Session, Town
from boomtown.actors.town.questions import AskRegistry
from boomtown.actors.town.store_agents import find_mayor
from boomtown.actors.town.store_sessions import list_live_sessions
from boomtown.actors.town.store_town import get_town
from boomtown.actors.town.transaction import TownTransaction
from boomtown.actors.town.views import FactsView, ListView
from boomtown.actors.town.views_of import session_view
from boomtown.error_codes import ErrorCode
from boomtown.errors import NotFound
from boomtown.wire import iso_from_ms


def handle_begin_drain(tx: TownTransaction, caller: Caller, command: BeginDrain) -> FactsView:
    """Idempotent by instance; the answer names the nonce of the drain that counts, if any."""
    note = f"instance {caller.instance_id} is being evicted"
    record_event(tx, ContainerNoted(kind="eviction", message=note), idempotency_key=None)
    town = begin_drain(tx, caller.instance_id)
    return FactsView(facts={"acknowledged": True, "drainNonce": town.drain_nonce})


def handle_clear_drain(tx: TownTransaction, caller: Caller, command: ClearDrain) -> FactsView:
    is_cleared = clear_drain(tx, nonce=command.nonce, instance_id=caller.instance_id)
    return FactsView(facts={"cleared": is_cleared})


def drain_status(tx: TownTransaction, caller: Caller) -> FactsView:
    """The nonce is told to others than the draining instance only: it is theirs to say."""
    town = get_town(tx)
    facts: dict[str, object] = {"draining": town.is_draining}
    if town.is_draining and town.drain_started_at_ms is not None:
        facts["drainStartedAt"] = iso_from_ms(town.drain_started_at_ms)
        if not _is_draining_one(town, caller):
            facts["drainNonce"] = town.drain_nonce
    return FactsView(facts=facts)


def list_registry(tx: TownTransaction, caller: Caller) -> ListView:
    """The live sessions of the caller's own instance, oldest first."""
    return ListView(items=tuple(session_view(session) for session in _own(tx, caller)))


def ask_registry(tx: TownTransaction, caller: Caller, question: AskRegistry) -> FactsView:
    """Which of the asked sessions the instance may go on with; the others it must drop."""
    kept = {
        session.session_id
        for session in _own(tx, caller)
        if session.state in SPEAKING_SESSION_STATES
    }
    return FactsView(
        facts={
            "resume": [asked for asked in question.session_ids if asked in kept],
            "drop": [asked for asked in question.session_ids if asked not in kept],
        }
    )


def mayor_id(tx: TownTransaction) -> FactsView:
    """AGENT_NOT_FOUND when the town has no mayor."""
    mayor = find_mayor(tx)
    if mayor is None:
        raise NotFound(ErrorCode.AGENT_NOT_FOUND, "The town has no mayor")
    return FactsView(facts={"mayor_id": mayor.agent_id})


def _own(tx: TownTransaction, caller: Caller) -> list[Session]:
    if caller.instance_id is None:
        return []
    return [s for s in list_live_sessions(tx) if s.instance_id == caller.instance_id]


def _is_draining_one(town: Town, caller: Caller) -> bool:
    return caller.instance_id is not None and caller.instance_id == town.drain_instance_id
