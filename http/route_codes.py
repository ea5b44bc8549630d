"""Which codes a route may answer with: what holds for all routes of its kind, and its own.

The general ones follow from the row of the table: who may call, what is in the path, whether a
body is read. The others are listed by handler, as the commands and questions below raise them. A
request that is refused before its route is known (no HTTP, no such route or method) is not here.
tests/refusals has each refusal that it provokes looked up in this list.
"""

from __future__ import annotations

from collections.abc import Mapping

from boomtown.error_codes import ErrorCode
from boomtown.http import (
    agent_call_routes,
    agent_routes,
    bead_routes,
    chaos_routes,
    container_routes,
    feed_routes,
    feed_streams,
    gateway_routes,
    inspection_routes,
    mayor_routes,
    object_routes,
    observer_routes,
    rig_routes,
    roster_routes,
    service_routes,
    session_routes,
    ticket_routes,
    town_routes,
    user_routes,
)
from boomtown.http.authorization import CODE_OF_ID, OWNER_NAMES
from boomtown.http.bodies import Body
from boomtown.http.calls import Credential, Handler, Lateness, Route

_C = ErrorCode
_a, _b, _c, _f = agent_routes, bead_routes, agent_call_routes, feed_routes
_m, _r, _ro, _s = mayor_routes, rig_routes, roster_routes, session_routes
_t, _u, _i, _o = town_routes, user_routes, inspection_routes, object_routes

_FEED_PLACES = (_C.INVALID_CURSOR, _C.CURSOR_AHEAD, _C.CURSOR_EXPIRED)
_STARTS = (
    _C.UNKNOWN_HARNESS,
    _C.AGENT_BINARY_NOT_FOUND,
    _C.INVALID_GIT_URL,
    _C.INVALID_BRANCH,
    _C.BRANCH_NOT_FETCHED,
    _C.BRANCH_CHECKED_OUT_ELSEWHERE,
    _C.GIT_UNREACHABLE,
    _C.GIT_NOT_FOUND,
    _C.CONTAINER_ERROR,
    _C.RUNTIME_UNAVAILABLE,
    _C.SHUTTING_DOWN,
)
_HOLDERS = (
    _C.BEAD_NOT_FOUND,
    _C.BEAD_NOT_HOOKABLE,
    _C.BEAD_ALREADY_HOOKED,
    _C.AGENT_BUSY,
)
_LETTERS = (_C.AGENT_NOT_FOUND, _C.NO_COORDINATOR, _C.NOT_YOUR_BOSS, _C.FORBIDDEN_AGENT)
_TARGETS = (_C.REASSIGN_TARGET_INVALID, _C.REASSIGN_TARGET_NOT_FOUND)

OWN_CODES: Mapping[Handler, tuple[ErrorCode, ...]] = {
    service_routes.get_readiness: (_C.SHUTTING_DOWN,),
    service_routes.post_shutdown: (_C.LOCAL_ONLY,),
    _u.delete_key: (_C.KEY_NOT_FOUND,),
    _u.delete_town: (_C.TOWN_BUSY,),
    _u.create_rig: (
        _C.INVALID_GIT_URL,
        _C.INVALID_BRANCH,
        _C.TOWN_NOT_FOUND,
        _C.RIG_ALREADY_REGISTERED,
    ),
    _u.delete_rig: (_C.RIG_BUSY,),
    _u.list_town_events: (_C.INVALID_QUERY,),
    _t.sling_convoy: (_C.RIG_NOT_FOUND, _C.DEPENDENCY_CYCLE),
    _t.approve: (_C.REVIEW_NOT_FOUND, _C.ILLEGAL_TRANSITION),
    chaos_routes.arm_fault: (_C.DEVELOPMENT_ONLY, _C.OVERLOADED),
    chaos_routes.list_faults: (_C.DEVELOPMENT_ONLY,),
    _b.create_bead: (_C.BEAD_NOT_FOUND,),
    _b.list_beads: (_C.INVALID_QUERY,),
    _b.delete_bead: (_C.BEAD_BUSY,),
    _b.set_bead_status: (_C.ILLEGAL_TRANSITION,),
    _b.close_bead: (_C.ILLEGAL_TRANSITION,),
    _b.retry_bead: (_C.BEAD_NOT_FAILED, _C.CONVOY_ENDED),
    _a.register_agent: (_C.AGENT_NAME_TAKEN,),
    _a.list_agents: (_C.INVALID_QUERY,),
    _a.list_agent_events: (_C.INVALID_QUERY,),
    _a.delete_agent: (_C.AGENT_BUSY, _C.AGENT_HAS_WORKERS),
    _c.hook_bead: (*_HOLDERS, _C.AGENT_NOT_HOOKED),
    _c.report_done: (_C.INVALID_BRANCH,),
    _c.request_changes: (_C.AGENT_NOT_HOOKED, _C.NOT_A_REVIEW, _C.ILLEGAL_TRANSITION),
    _r.send_mail: _LETTERS,
    _r.submit_review: (_C.BEAD_NOT_FOUND, _C.ILLEGAL_TRANSITION, _C.INVALID_BRANCH),
    _r.complete_review: (_C.ILLEGAL_TRANSITION,),
    _r.list_rig_events: (_C.INVALID_QUERY,),
    container_routes.get_mayor_id: (_C.AGENT_NOT_FOUND,),
    _m.sling: (_C.RIG_NOT_FOUND,),
    _m.update_bead: (_C.DEPENDENCY_CYCLE, _C.ILLEGAL_TRANSITION),
    _m.reassign_bead: (_C.AGENT_NOT_FOUND, _C.ILLEGAL_TRANSITION),
    _m.bulk_delete_beads: (_C.BEAD_NOT_FOUND, _C.BEAD_BUSY),
    _m.delete_beads_by_status: (_C.BEAD_BUSY,),
    _m.update_convoy: (_C.INVALID_BRANCH, _C.CONVOY_ENDED),
    _m.start_convoy: (_C.CONVOY_NOT_STAGED, _C.CONVOY_ENDED),
    _m.add_convoy_bead: (
        _C.CONVOY_NOT_STAGED,
        _C.CONVOY_ENDED,
        _C.BEAD_NOT_FOUND,
        _C.BEAD_BUSY,
        _C.DEPENDENCY_CYCLE,
    ),
    _m.remove_convoy_bead: (_C.CONVOY_ENDED, _C.BEAD_NOT_FOUND, _C.BEAD_BUSY),
    _m.send_mail: (*_LETTERS, _C.RIG_NOT_FOUND),
    _s.list_sessions: (_C.INVALID_QUERY,),
    _s.spawn_session: (
        _C.RIG_ID_REQUIRED,
        _C.PROMPT_TOO_LONG,
        _C.RIG_NOT_FOUND,
        *_STARTS,
        _C.TOWN_DRAINING,
        _C.TOWN_PAUSED,
        _C.RIG_PAUSED,
        _C.AGENT_NOT_FOUND,
        _C.AGENT_OFFBOARDED,
        _C.NO_COORDINATOR,
        *_HOLDERS,
    ),
    _s.clean_up_sessions: (_C.RIG_NOT_FOUND,),
    _s.kill_session: (_C.SESSION_INCOMPLETE_HANDLE,),
    _s.restore_session: (
        _C.SESSION_NOT_RESTORABLE,
        _C.SESSION_INCOMPLETE_HANDLE,
        _C.RIG_NOT_FOUND,
        _C.AGENT_OFFBOARDED,
        *_HOLDERS,
        *_STARTS,
    ),
    _s.send_to_session: (
        _C.MESSAGE_REQUIRED,
        _C.MESSAGE_TOO_LONG,
        _C.SESSION_TERMINATED,
    ),
    _ro.hire_agent: (
        _C.UNKNOWN_TEMPLATE,
        _C.RIG_ID_REQUIRED,
        _C.RIG_NOT_FOUND,
        _C.NO_COORDINATOR,
        _C.INVALID_AGENT_NAME,
        _C.AGENT_NAME_TAKEN,
    ),
    _ro.list_town_agents: (_C.INVALID_QUERY,),
    _ro.get_roster: (_C.INVALID_QUERY,),
    _ro.list_actions: (_C.INVALID_QUERY,),
    _ro.list_reviewed_prs: (_C.INVALID_QUERY,),
    _ro.offboard_agent: (
        _C.INVALID_QUERY,
        _C.MAYOR_NOT_REMOVABLE,
        _C.CONFLICTING_OPTIONS,
        *_TARGETS,
        _C.AGENT_HAS_WORKERS,
    ),
    _ro.reassign_workers: _TARGETS,
    _ro.add_watch: (_C.INVALID_REPO, _C.AGENT_OFFBOARDED, _C.REPO_ALREADY_WATCHED),
    gateway_routes.use_gateway: (
        _C.ACTION_DENIED,
        _C.MEMORY_NOT_FOUND,
        _C.NO_COORDINATOR,
        _C.INVALID_REPO,
        _C.PR_NOT_FOUND,
        _C.FORGE_REFUSED,
        _C.SCM_UNAVAILABLE,
    ),
    _f.get_feed: (*_FEED_PLACES, _C.INVALID_QUERY),
    _f.get_cursor: (_C.CURSOR_NOT_FOUND,),
    _f.put_cursor: _FEED_PLACES,
    _f.delete_cursor: (_C.CURSOR_NOT_FOUND,),
    feed_streams.stream_events: _FEED_PLACES,
    feed_streams.open_feed_socket: _FEED_PLACES,
    ticket_routes.post_ticket: (_C.TOWN_NOT_FOUND,),
    _o.call_object: (_C.INVALID_JSON, _C.INVALID_BODY, _C.PAYLOAD_TOO_LARGE, _C.ROUTE_NOT_FOUND),
    _o.fetch_object: (_C.PAYLOAD_TOO_LARGE, _C.ROUTE_NOT_FOUND),
    observer_routes.list_prs: (_C.INVALID_QUERY,),
    observer_routes.poll: (_C.SCM_UNAVAILABLE,),
    observer_routes.claim_pr: (
        _C.SESSION_TERMINATED,
        _C.SESSION_NOT_CLAIMABLE,
        _C.SESSION_NO_WORKSPACE,
        _C.RIG_NOT_FOUND,
        _C.INVALID_PR_REF,
        _C.PR_RIG_MISMATCH,
        _C.PR_NOT_FOUND,
        _C.PR_NOT_OPEN,
        _C.PR_CLAIMED_BY_ACTIVE_AGENT,
        _C.SCM_UNAVAILABLE,
    ),
    _i.list_objects: (_C.INVALID_QUERY,),
    _i.list_alarms: (_C.INVALID_QUERY,),
    _i.get_object: (_C.OBJECT_NOT_FOUND,),
    _i.query_object: (_C.OBJECT_NOT_FOUND, _C.INVALID_QUERY),
}


def codes_of(route: Route) -> tuple[ErrorCode, ...]:
    """Every code that the route may answer with, in the registry's order."""
    found = {
        *_codes_of_credentials(route),
        *_codes_of_path(route),
        *_codes_of_body(route),
        *OWN_CODES.get(route.handler, ()),
        ErrorCode.INTERNAL_ERROR,
        ErrorCode.FORBIDDEN_ORIGIN,
    }
    return tuple(code for code in ErrorCode if code in found)


def _codes_of_credentials(route: Route) -> set[ErrorCode]:
    """A credential that is shown must be good, also where none is asked for."""
    found = {ErrorCode.UNAUTHENTICATED}
    asked = set(route.credentials)
    if Credential.NONE not in asked:
        # Whoever is asked for a credential is looked up in an object, which may be reset or full.
        found |= {ErrorCode.FORBIDDEN_SCOPE, ErrorCode.OBJECT_RESET, ErrorCode.OVERLOADED}
    if asked & {Credential.SESSION, Credential.CONTAINER, Credential.MAYOR}:
        found.add(ErrorCode.FORBIDDEN_TOWN)
        if route.lateness is not Lateness.TOLD_STALE:
            found.add(ErrorCode.SESSION_ENDED)
        if "{rig}" in route.path:
            found.add(ErrorCode.FORBIDDEN_RIG)
        if "{agent}" in route.path:
            found.add(ErrorCode.FORBIDDEN_AGENT)
    if route.ticket is not None:
        found.add(ErrorCode.TICKET_INVALID)
    return found


def _codes_of_path(route: Route) -> set[ErrorCode]:
    found = {code for name, code in CODE_OF_ID.items() if f"{{{name}}}" in route.path}
    if any(f"{{{name}}}" in route.path for name in OWNER_NAMES):
        found.add(ErrorCode.USER_NOT_FOUND)
    return found


def _codes_of_body(route: Route) -> set[ErrorCode]:
    found: set[ErrorCode] = set()
    if route.body is not Body:
        found |= {ErrorCode.INVALID_JSON, ErrorCode.INVALID_BODY, ErrorCode.PAYLOAD_TOO_LARGE}
    if route.takes_idempotency_key:
        found |= {ErrorCode.INVALID_BODY, ErrorCode.IDEMPOTENCY_MISMATCH}
    return found
