"""Whether a principal may do what it asks, and as whom the town is to take it.

The order of the refusals is part of the contract: 401 for nobody, 404 for a path that names
nothing of the caller's, 403 for a credential that is good and not for this. Whether a session has
ended, and what it may still say then (decisions 55), is the town's to judge; the front only sees
to it that a container speaks for no session but its own. Owners and towns are looked up
(owner_directory.py) before one is called, so that a made-up name never makes a database.
"""

from __future__ import annotations

from collections.abc import Mapping

from boomtown.actors.town.commands import Caller, CallerKind
from boomtown.actors.town.owner_keys import KeyScope
from boomtown.actors.town.questions import (
    FindLiveSession,
    GetAgent,
    GetSession,
    Question,
    QuestionRequest,
)
from boomtown.actors.town.views import AgentView, SessionView, View
from boomtown.container_sim.model import AgentRole
from boomtown.error_codes import ErrorCode
from boomtown.errors import AccessDenied, NotFound, error_for
from boomtown.http.calls import Credential, Lateness, Route
from boomtown.http.owner_calls import is_owner_name
from boomtown.http.owner_directory import OwnerDirectory
from boomtown.http.principals import (
    ContainerBearer,
    Nobody,
    Operator,
    Principal,
    SessionBearer,
    TicketBearer,
    is_allowed,
)
from boomtown.http.services import LOCAL_OWNER, FrontServices
from boomtown.http.tokens import ContainerClaims, SessionClaims
from boomtown.ids import AgentId, RigId, SessionId, TownId, is_id

HEADER_AGENT = "X-Gastown-Agent-Id"
HEADER_RIG = "X-Gastown-Rig-Id"
HEADER_SESSION = "X-Boomtown-Session-Id"  # our control server's fence

# What an id in a path must name; other parameters (class, name, path, method) are free.
CODE_OF_ID = {
    "town": ErrorCode.TOWN_NOT_FOUND,
    "rig": ErrorCode.RIG_NOT_FOUND,
    "bead": ErrorCode.BEAD_NOT_FOUND,
    "agent": ErrorCode.AGENT_NOT_FOUND,
    "session": ErrorCode.SESSION_NOT_FOUND,
    "convoy": ErrorCode.CONVOY_NOT_FOUND,
    "escalation": ErrorCode.ESCALATION_NOT_FOUND,
    "entry": ErrorCode.REVIEW_NOT_FOUND,
    "watch": ErrorCode.WATCH_NOT_FOUND,
}
OWNER_NAMES = ("user", "owner")
_NOT_FOR_THIS = "This credential does not allow this call"


async def authorize(
    services: FrontServices,
    directory: OwnerDirectory,
    route: Route,
    principal: Principal,
    *,
    path: Mapping[str, str],
    headers: Mapping[str, str],
) -> Caller:
    """As whom the call is made. Raises AccessDenied or NotFound."""
    if isinstance(principal, Nobody) and Credential.NONE not in route.credentials:
        raise AccessDenied(ErrorCode.UNAUTHENTICATED)
    _check_path(path)
    match principal:
        case Nobody():
            return Caller(kind=CallerKind.OPERATOR, user_id="")
        case Operator():
            if not {Credential.OPERATOR, Credential.NONE} & set(route.credentials):
                raise AccessDenied(ErrorCode.FORBIDDEN_SCOPE, _NOT_FOR_THIS)
            return await _authorize_operator(directory, route, principal, path)
        case TicketBearer():
            return await _authorize_operator(directory, route, principal.operator, path)
        case SessionBearer():
            return await _authorize_session(services, route, principal.claims, path)
        case ContainerBearer():
            return await _authorize_container(services, route, principal.claims, path, headers)


def needed_scope(route: Route) -> KeyScope:
    """What a key must allow: reading is GET; owners, their keys and the objects behind everything
    are the administrator's."""
    if route.path.startswith(("/api/owners", "/api/objects", "/api/alarms")):
        return KeyScope.ADMIN
    is_reading = route.method == "GET" or route.path == "/api/tickets"  # has the scope of its maker
    return KeyScope.READ if is_reading else KeyScope.OPERATE


def _check_path(path: Mapping[str, str]) -> None:
    for name, code in CODE_OF_ID.items():
        if name in path and not is_id(path[name]):
            raise error_for(code)
    for name in OWNER_NAMES:
        if name in path and not is_owner_name(path[name]):
            raise NotFound(ErrorCode.USER_NOT_FOUND)


async def _authorize_operator(
    directory: OwnerDirectory, route: Route, operator: Operator, path: Mapping[str, str]
) -> Caller:
    if not is_allowed(operator.scope, needed=needed_scope(route)):
        raise AccessDenied(ErrorCode.FORBIDDEN_SCOPE)
    owner = operator.owner
    if owner is None:
        owner = await _owner_without_keys(directory, path)
    elif path.get("user", owner) != owner:
        raise NotFound(ErrorCode.USER_NOT_FOUND)
    if "owner" in path:
        if owner not in (LOCAL_OWNER, path["owner"]):
            raise NotFound(ErrorCode.USER_NOT_FOUND)
        await directory.check_owner(path["owner"])
    if "town" in path:
        await directory.check_town(owner, TownId(path["town"]))
    return Caller(kind=CallerKind.OPERATOR, user_id=owner)


async def _owner_without_keys(directory: OwnerDirectory, path: Mapping[str, str]) -> str:
    """With --no-auth the caller is the owner of whatever the path names (decisions 41)."""
    if "user" in path:
        await directory.ensure_owner(path["user"])
        return path["user"]
    if "town" in path:
        return await directory.get_owner_of(TownId(path["town"]))
    return LOCAL_OWNER


async def _authorize_session(
    services: FrontServices, route: Route, claims: SessionClaims, path: Mapping[str, str]
) -> Caller:
    caller = Caller(
        kind=CallerKind.SESSION,
        user_id=claims.user_id,
        agent_id=claims.agent_id,
        session_id=claims.session_id,
    )
    if Credential.NONE in route.credentials:
        return caller
    if not {Credential.SESSION, Credential.MAYOR} & set(route.credentials):
        raise AccessDenied(ErrorCode.FORBIDDEN_SCOPE, _NOT_FOR_THIS)
    if path.get("town") != claims.town_id:
        raise AccessDenied(ErrorCode.FORBIDDEN_TOWN)
    if Credential.MAYOR in route.credentials:
        await _check_mayor(services, claims, caller)
    else:
        if path.get("rig", claims.rig_id) != claims.rig_id:
            raise AccessDenied(ErrorCode.FORBIDDEN_RIG)
        if path.get("agent", claims.agent_id) != claims.agent_id:
            raise AccessDenied(ErrorCode.FORBIDDEN_AGENT)
    return caller


async def _authorize_container(
    services: FrontServices,
    route: Route,
    claims: ContainerClaims,
    path: Mapping[str, str],
    headers: Mapping[str, str],
) -> Caller:
    caller = Caller(
        kind=CallerKind.CONTAINER, user_id=claims.user_id, instance_id=claims.instance_id
    )
    if Credential.NONE in route.credentials:
        return caller
    if Credential.CONTAINER not in route.credentials:
        raise AccessDenied(ErrorCode.FORBIDDEN_SCOPE, _NOT_FOR_THIS)
    if path.get("town") != claims.town_id:
        raise AccessDenied(ErrorCode.FORBIDDEN_TOWN)
    if "agent" not in path:
        return caller
    if headers.get(HEADER_RIG) != path["rig"]:
        raise AccessDenied(ErrorCode.FORBIDDEN_RIG)
    if headers.get(HEADER_AGENT) != path["agent"]:
        raise AccessDenied(ErrorCode.FORBIDDEN_AGENT)
    fence = headers.get(HEADER_SESSION)
    session = await _session_of_container(services, claims, path, caller, fence=fence)
    if session is None and (route.lateness is not Lateness.TOLD_STALE or fence is not None):
        # An unknown agent's heartbeat is no error (town.md 7.3); nothing else passes unnamed.
        raise AccessDenied(ErrorCode.FORBIDDEN_AGENT)
    return Caller(
        kind=CallerKind.CONTAINER,
        user_id=claims.user_id,
        agent_id=AgentId(path["agent"]),
        session_id=None if session is None else SessionId(session.id),
        instance_id=claims.instance_id,
    )


async def _session_of_container(
    services: FrontServices,
    claims: ContainerClaims,
    path: Mapping[str, str],
    caller: Caller,
    *,
    fence: str | None,
) -> SessionView | None:
    """The session that the headers name, when it may be one of this container's. A session whose
    start is not answered yet has no instance, and its container speaks for it already."""
    question: Question = FindLiveSession(agent_id=AgentId(path["agent"]))
    if fence is not None:
        if not is_id(fence):
            return None
        question = GetSession(session_id=SessionId(fence))
    found = await _find(services, claims.town_id, caller, question)
    if not isinstance(found, SessionView):
        return None
    is_ours = found.instance_id in (None, claims.instance_id)
    is_named = found.agent_id == path["agent"] and found.rig_id == path["rig"]
    return found if is_ours and is_named else None


async def _check_mayor(services: FrontServices, claims: SessionClaims, caller: Caller) -> None:
    question = GetAgent(rig_id=RigId(claims.rig_id), agent_id=claims.agent_id)
    agent = await _find(services, claims.town_id, caller, question)
    if not isinstance(agent, AgentView) or agent.role != AgentRole.MAYOR:
        raise AccessDenied(ErrorCode.FORBIDDEN_SCOPE, _NOT_FOR_THIS)


async def _find(
    services: FrontServices, town_id: TownId, caller: Caller, question: Question
) -> View | None:
    """What the town has of it; None where it refuses."""
    request = QuestionRequest(question=question, caller=caller)
    return (await services.town(town_id).query(request)).view
