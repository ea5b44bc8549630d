"""The policy gateway: what an agent may do beyond its own work, decided by its role template.

Deny by default: an action that the template does not name is refused. Every decision is a row of
`agent_actions`, committed with the command, a denial too: so the answer is a view that carries the
refusal, and never a refused command, which would have left no trace. Actions of the town take
effect in the same transaction, in a savepoint of their own, so that a failing one leaves its
decision and nothing else. Actions of the forge are answered `is_pending`; the gateway's desk does
them when the decision is durable (gateway_desk.py).

What is recorded of an action is which and on what, never a body, a value or a credential.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from boomtown.actors.town.bead_creation import create_mail
from boomtown.actors.town.commands import Caller
from boomtown.actors.town.commands_of_roster import UseGateway
from boomtown.actors.town.gateway_actions import OUTSIDE_ACTIONS, GatewayAction
from boomtown.actors.town.mail_addresses import get_effective_boss
from boomtown.actors.town.model import Agent
from boomtown.actors.town.roster_views import GatewayView
from boomtown.actors.town.store_agents import get_agent
from boomtown.actors.town.store_roster import (
    ActionOutcome,
    AgentAction,
    delete_memory,
    find_memory,
    list_memory,
    put_memory,
    record_action,
)
from boomtown.actors.town.templates import find_template_for
from boomtown.actors.town.transaction import TownTransaction
from boomtown.error_codes import ErrorCode
from boomtown.errors import AccessDenied, BoomtownError, InvalidRequest, Issue, NotFound, Refusal
from boomtown.wire import encode_json_text

ACTION_CHARACTERS_MAX = 64  # of a name that nobody knows; it is recorded
# What of the arguments is recorded.
_RECORDED = ("key", "forge", "repo", "number", "head_sha", "verdict")
_RECORDED_CHARACTERS_MAX = 200

Key = Annotated[str, Meta(min_length=1, max_length=200)]


class PutArgs(msgspec.Struct, frozen=True, kw_only=True):
    key: Key
    value: Any


class KeyArgs(msgspec.Struct, frozen=True, kw_only=True):
    key: Key


class NoArgs(msgspec.Struct, frozen=True, kw_only=True): ...


class MailArgs(msgspec.Struct, frozen=True, kw_only=True):
    subject: Annotated[str, Meta(min_length=1, max_length=500)]
    body: Annotated[str, Meta(max_length=200_000)]


class TownAction(msgspec.Struct, frozen=True, kw_only=True):
    """An action of the town: the shape of its arguments, and what it does with them."""

    shape: type[Any]
    run: Callable[[TownTransaction, Agent, Any], Any]


def handle_gateway(tx: TownTransaction, caller: Caller, command: UseGateway) -> GatewayView:
    """Decide, record, and do what is the town's to do."""
    if caller.agent_id is None:
        raise AccessDenied(ErrorCode.FORBIDDEN_SCOPE, "The gateway serves agents only")
    agent = get_agent(tx, caller.agent_id)
    action = _known(command.action)
    template = find_template_for(tx.templates, named=agent.template, role=agent.role)
    is_allowed = action is not None and template is not None and action in template.allowed_actions
    decision = AgentAction(
        action_id=tx.new_id(),
        agent_id=agent.agent_id,
        session_id=caller.session_id,
        action=command.action[:ACTION_CHARACTERS_MAX],
        outcome=ActionOutcome.ALLOWED if is_allowed else ActionOutcome.DENIED,
        metadata=_recorded(command.args),
        created_at_ms=tx.now_ms,
    )
    record_action(tx, decision)
    if action is None or not is_allowed:
        return _view(decision, refusal=_denial(agent, decision.action))
    if action in OUTSIDE_ACTIONS:
        return _view(decision, is_pending=True)
    return _run(tx, agent, decision, TOWN_ACTIONS[action], command.args)


def arguments(args: dict[str, Any], shape: type[Any]) -> Any:
    """The arguments in their shape. Raises INVALID_BODY."""
    try:
        return msgspec.convert(args, shape)
    except msgspec.ValidationError as error:
        raise InvalidRequest(
            ErrorCode.INVALID_BODY, f"args: {error}", issues=(Issue("args", str(error)),)
        ) from error


def _run(
    tx: TownTransaction,
    agent: Agent,
    decision: AgentAction,
    action: TownAction,
    args: dict[str, Any],
) -> GatewayView:
    try:
        result = tx.in_savepoint(lambda: action.run(tx, agent, arguments(args, action.shape)))
    except BoomtownError as error:
        return _view(decision, refusal=error.refusal())
    return _view(decision, result=result)


def _view(
    decision: AgentAction,
    *,
    result: Any = None,
    refusal: Refusal | None = None,
    is_pending: bool = False,
) -> GatewayView:
    return GatewayView(
        action_id=decision.action_id,
        action=decision.action,
        allowed=decision.outcome == ActionOutcome.ALLOWED,
        result=result,
        refusal=refusal,
        is_pending=is_pending,
    )


def _known(name: str) -> GatewayAction | None:
    return next((action for action in GatewayAction if action.value == name), None)


def _recorded(args: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in _RECORDED:
        value = args.get(name)
        if isinstance(value, int):
            found[name] = value
        elif isinstance(value, str):
            found[name] = value[:_RECORDED_CHARACTERS_MAX]
    return found


def _denial(agent: Agent, action: str) -> Refusal:
    denied = AccessDenied(
        ErrorCode.ACTION_DENIED,
        f"A {agent.role} may not do {action}",
        details={"action": action, "role": agent.role.value, "template": agent.template},
    )
    return denied.refusal()


def _put(tx: TownTransaction, agent: Agent, args: PutArgs) -> Any:
    if len(encode_json_text(args.value).encode()) > tx.limits.memory_value_bytes_max:
        raise InvalidRequest(
            ErrorCode.INVALID_BODY,
            f"A value has at most {tx.limits.memory_value_bytes_max} bytes as JSON",
        )
    put_memory(tx, agent.agent_id, key=args.key, value=args.value)
    if len(list_memory(tx, agent.agent_id)) > tx.limits.memory_entries_max:
        raise InvalidRequest(
            ErrorCode.INVALID_BODY,
            f"A memory has at most {tx.limits.memory_entries_max} keys",
        )
    return {"key": args.key}


def _get(tx: TownTransaction, agent: Agent, args: KeyArgs) -> Any:
    entry = find_memory(tx, agent.agent_id, args.key)
    if entry is None:
        raise NotFound(ErrorCode.MEMORY_NOT_FOUND, details={"key": args.key})
    return {"key": entry.key, "value": entry.value}


def _list(tx: TownTransaction, agent: Agent, args: NoArgs) -> Any:
    return {"keys": [entry.key for entry in list_memory(tx, agent.agent_id)]}


def _delete(tx: TownTransaction, agent: Agent, args: KeyArgs) -> Any:
    delete_memory(tx, agent.agent_id, args.key)
    return {"key": args.key}


def _mail_boss(tx: TownTransaction, agent: Agent, args: MailArgs) -> Any:
    boss = get_effective_boss(tx, agent.agent_id)
    bead = create_mail(
        tx,
        rig_id=agent.rig_id,
        from_agent_id=agent.agent_id,
        to_agent_id=boss.agent_id,
        subject=args.subject,
        body=args.body,
    )
    return {"mail_id": bead.bead_id, "to": boss.agent_id}


TOWN_ACTIONS: dict[GatewayAction, TownAction] = {
    GatewayAction.MEMORY_PUT: TownAction(shape=PutArgs, run=_put),
    GatewayAction.MEMORY_GET: TownAction(shape=KeyArgs, run=_get),
    GatewayAction.MEMORY_LIST: TownAction(shape=NoArgs, run=_list),
    GatewayAction.MEMORY_DELETE: TownAction(shape=KeyArgs, run=_delete),
    GatewayAction.MAIL_BOSS: TownAction(shape=MailArgs, run=_mail_boss),
}

assert set(TOWN_ACTIONS) | OUTSIDE_ACTIONS == set(GatewayAction), "every action has one home"
