"""The contract as data: every route that this server answers, in one table (spec routes).

The order is that of the groups; where two patterns match one path, the more special one stands
first. What is not here is 404 ROUTE_NOT_FOUND. The OpenAPI document is made from this table.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from boomtown.actors.town import views
from boomtown.actors.town.model import TownConfig
from boomtown.actors.town.roster_views import (
    ActionView,
    GatewayView,
    MemoryView,
    ReviewedPrView,
    WatchView,
)
from boomtown.actors.town.templates import RoleTemplate
from boomtown.container_sim.chaos import ArmedFault
from boomtown.http import (
    agent_call_routes,
    agent_routes,
    bead_routes,
    bodies,
    chaos_routes,
    container_routes,
    gateway_routes,
    inspection_routes,
    mayor_routes,
    object_routes,
    rig_routes,
    roster_routes,
    service_routes,
    session_routes,
    town_routes,
    user_routes,
)
from boomtown.http.calls import Call, Credential, Handler, Lateness, Route
from boomtown.http.feed_route_table import FEED_ROUTES
from boomtown.http.observer_route_table import OBSERVER_ROUTES
from boomtown.http.openapi_document import openapi_document
from boomtown.wire import encode_json

NOBODY = (Credential.NONE,)
OPERATOR = (Credential.OPERATOR,)
AGENT = (Credential.OPERATOR, Credential.SESSION)
OWN = (Credential.OPERATOR, Credential.SESSION, Credential.CONTAINER)
CONTAINER = (Credential.CONTAINER,)
SESSION = (Credential.SESSION,)
CONTAINER_OR_SESSION = (Credential.CONTAINER, Credential.SESSION)
MAYOR = (Credential.MAYOR, Credential.OPERATOR)

OWNERS = "/api/owners/{owner}"
USER = "/api/users/{user}"
TOWN = "/api/towns/{town}"
RIG = TOWN + "/rigs/{rig}"
EMPLOYEE = TOWN + "/agents/{agent}"
ONE = RIG + "/agents/{agent}"
TOOLS = "/api/mayor/{town}/tools"
TOOLS_RIG = TOOLS + "/rigs/{rig}"
TOOLS_CONVOY = TOOLS + "/convoys/{convoy}"
ONE_SESSION = TOWN + "/sessions/{session}"
OBJECT = "/actors/{class}/{name}"


async def get_openapi(call: Call) -> object:
    """The document as it is, without the envelope."""
    document = openapi_document(ROUTES, version=call.services.settings.version)
    return web.Response(body=encode_json(document), content_type="application/json")


def _rows(
    group: str,
    credentials: tuple[Credential, ...],
    *rows: tuple[str, str, int, Handler, Any, Any],
    lateness: Lateness = Lateness.REFUSED,
) -> tuple[Route, ...]:
    """Routes of one group and one audience: method, path, status, handler, body, answer."""
    return tuple(
        Route(
            method=method,
            path=path,
            status=status,
            credentials=credentials,
            group=group,
            handler=handler,
            body=body,
            answer=answer,
            lateness=lateness,
        )
        for method, path, status, handler, body, answer in rows
    )


NO = bodies.Body  # a body without fields: `{}`, or none at all
POSTED = views.PostedView
FACTS = dict  # a small JSON object

_s, _u, _t, _b = service_routes, user_routes, town_routes, bead_routes
_a, _c, _r, _k = agent_routes, agent_call_routes, rig_routes, container_routes
_m, _o, _z = mayor_routes, object_routes, session_routes

_ro, _g = roster_routes, gateway_routes

SERVICE = (
    *_rows(
        "service",
        NOBODY,
        ("GET", "/", 200, _s.get_page, NO, None),
        ("GET", "/health", 200, _s.get_health, NO, None),
        ("GET", "/healthz", 200, _s.get_liveness, NO, None),
        ("GET", "/readyz", 200, _s.get_readiness, NO, None),
        ("GET", "/openapi.json", 200, get_openapi, NO, None),
    ),
    *_rows(
        "service",
        OPERATOR,
        ("POST", "/shutdown", 202, _s.post_shutdown, NO, None),
        ("GET", "/api/templates", 200, _ro.list_templates, NO, list[RoleTemplate]),
        ("GET", "/api/owners", 200, _u.list_owners, NO, None),
        ("POST", "/api/owners", 201, _u.create_owner, bodies.NameBody, None),
        ("GET", OWNERS + "/keys", 200, _u.list_keys, NO, None),
        ("POST", OWNERS + "/keys", 201, _u.make_key, bodies.KeyBody, None),
        ("DELETE", OWNERS + "/keys/{key}", 204, _u.delete_key, NO, None),
    ),
)

USERS = _rows(
    "users",
    OPERATOR,
    ("POST", USER + "/towns", 201, _u.create_town, bodies.NameBody, views.TownView),
    ("GET", USER + "/towns", 200, _u.list_towns, NO, list[views.TownView]),
    ("GET", USER + "/towns/{town}", 200, _u.get_town, NO, views.TownView),
    ("PATCH", USER + "/towns/{town}", 200, _u.rename_town, bodies.NameBody, views.TownView),
    ("DELETE", USER + "/towns/{town}", 204, _u.delete_town, NO, None),
    ("POST", USER + "/rigs", 201, _u.create_rig, bodies.RigBody, views.RigView),
    ("GET", USER + "/towns/{town}/rigs", 200, _u.list_rigs, NO, list[views.RigView]),
    ("GET", USER + "/rigs/{rig}", 200, _u.get_rig, NO, views.RigView),
    ("DELETE", USER + "/rigs/{rig}", 204, _u.delete_rig, NO, None),
    ("GET", USER + "/towns/{town}/events", 200, _u.list_town_events, NO, list[views.EventView]),
)

TOWNS = _rows(
    "town",
    OPERATOR,
    ("GET", TOWN + "/config", 200, _t.get_config, NO, TownConfig),
    ("PATCH", TOWN + "/config", 200, _t.update_config, dict, TownConfig),
    ("GET", TOWN + "/status", 200, _t.get_town_status, NO, views.TownStatusView),
    ("GET", TOWN + "/invariants", 200, _t.check_invariants, NO, list[views.ViolationView]),
    ("POST", TOWN + "/pause", 200, _t.pause_town, NO, views.TownView),
    ("POST", TOWN + "/resume", 200, _t.resume_town, NO, views.TownView),
    ("POST", TOWN + "/convoys", 201, _t.sling_convoy, bodies.SlingBatchBody, views.SlingBatchView),
    ("GET", TOWN + "/escalations", 200, _t.list_escalations, NO, list[views.EscalationView]),
    (
        "POST",
        TOWN + "/escalations/{escalation}/acknowledge",
        200,
        _t.acknowledge_escalation,
        NO,
        views.EscalationView,
    ),
    ("POST", TOWN + "/approvals/{bead}", 200, _t.approve, bodies.ApprovalBody, views.BeadView),
    ("POST", TOWN + "/chaos", 202, chaos_routes.arm_fault, bodies.ChaosBody, ArmedFault),
    ("GET", TOWN + "/chaos", 200, chaos_routes.list_faults, NO, list[ArmedFault]),
)

BEADS = _rows(
    "beads",
    AGENT,
    ("POST", RIG + "/beads", 201, _b.create_bead, bodies.CreateBeadBody, views.BeadView),
    ("GET", RIG + "/beads", 200, _b.list_beads, NO, list[views.BeadView]),
    ("GET", RIG + "/beads/{bead}", 200, _b.get_bead, NO, views.BeadView),
    ("DELETE", RIG + "/beads/{bead}", 204, _b.delete_bead, NO, None),
    (
        "PATCH",
        RIG + "/beads/{bead}/status",
        200,
        _b.set_bead_status,
        bodies.BeadStatusBody,
        views.BeadView,
    ),
    (
        "POST",
        RIG + "/beads/{bead}/close",
        200,
        _b.close_bead,
        bodies.CloseBeadBody,
        views.BeadView,
    ),
    ("POST", RIG + "/beads/{bead}/retry", 201, _b.retry_bead, NO, views.BeadView),
    ("POST", RIG + "/sling", 201, _b.sling_bead, bodies.SlingBody, views.SlingView),
    ("POST", RIG + "/pause", 200, _b.pause_rig, NO, views.RigView),
    ("POST", RIG + "/resume", 200, _b.resume_rig, NO, views.RigView),
)

AGENTS = _rows(
    "agents",
    AGENT,
    ("POST", RIG + "/agents", 201, _a.register_agent, bodies.RegisterAgentBody, views.AgentView),
    ("GET", RIG + "/agents", 200, _a.list_agents, NO, list[views.AgentView]),
    (
        "POST",
        RIG + "/agents/get-or-create",
        200,
        _a.get_or_create_agent,
        bodies.RoleBody,
        views.AgentView,
    ),
    ("GET", ONE, 200, _a.get_agent, NO, views.AgentView),
    ("DELETE", ONE, 204, _a.delete_agent, NO, None),
    ("GET", ONE + "/events", 200, _a.list_agent_events, NO, list[views.EventView]),
)

AGENT_CALLS = (
    *_rows(
        "agent",
        OWN,
        ("POST", ONE + "/hook", 200, _c.hook_bead, bodies.BeadIdBody, FACTS),
        ("DELETE", ONE + "/hook", 200, _c.unhook_bead, NO, FACTS),
        ("GET", ONE + "/prime", 200, _c.prime_agent, NO, views.PrimeView),
        (
            "POST",
            ONE + "/request-changes",
            201,
            _c.request_changes,
            bodies.RequestChangesBody,
            FACTS,
        ),
        ("GET", ONE + "/mail", 200, _c.check_mail, NO, list[views.MailView]),
    ),
    *_rows(
        "agent",
        OWN,
        ("POST", ONE + "/done", 202, _c.report_done, bodies.DoneBody, POSTED),
        ("POST", ONE + "/completed", 202, _c.report_completed, bodies.CompletedBody, POSTED),
        ("POST", ONE + "/waiting", 202, _c.report_waiting, bodies.WaitingBody, POSTED),
        ("POST", ONE + "/checkpoint", 200, _c.write_checkpoint, bodies.CheckpointBody, POSTED),
        ("POST", ONE + "/status", 200, _c.set_agent_status, bodies.StatusMessageBody, POSTED),
        ("POST", ONE + "/eviction-context", 202, _c.report_eviction, bodies.EvictionBody, POSTED),
        ("POST", ONE + "/heartbeat", 200, _c.heartbeat, bodies.HeartbeatBody, FACTS),
        lateness=Lateness.TOLD_STALE,
    ),
    *_rows(
        "agent",
        OWN,
        ("POST", ONE + "/refresh-token", 200, _c.refresh_token, NO, None),
        lateness=Lateness.REFRESHED,
    ),
)

RIGS = _rows(
    "rig",
    AGENT,
    ("POST", RIG + "/mail", 201, _r.send_mail, bodies.MailBody, views.MailView),
    ("POST", RIG + "/review-queue", 201, _r.submit_review, bodies.ReviewBody, views.BeadView),
    (
        "POST",
        RIG + "/review-queue/{entry}/complete",
        200,
        _r.complete_review,
        bodies.CompleteReviewBody,
        views.BeadView,
    ),
    ("GET", RIG + "/events", 200, _r.list_rig_events, NO, list[views.EventView]),
    (
        "POST",
        RIG + "/escalations",
        201,
        _r.create_escalation,
        bodies.EscalationBody,
        views.EscalationView,
    ),
)

CONTAINERS = (
    *_rows(
        "container",
        CONTAINER_OR_SESSION,
        ("POST", TOWN + "/refresh-container-token", 200, _k.refresh_container_token, NO, None),
        lateness=Lateness.REFRESHED,
    ),
    *_rows(
        "container",
        CONTAINER,
        ("POST", TOWN + "/container-eviction", 200, _k.begin_drain, NO, FACTS),
        ("POST", TOWN + "/container-ready", 200, _k.clear_drain, bodies.ReadyBody, FACTS),
        ("GET", TOWN + "/drain-status", 200, _k.get_drain_status, NO, FACTS),
        ("GET", TOWN + "/container-registry", 200, _k.list_registry, NO, list[views.SessionView]),
        (
            "POST",
            TOWN + "/container-registry",
            200,
            _k.ask_registry,
            bodies.RegistryBody,
            FACTS,
        ),
        ("GET", TOWN + "/mayor-id", 200, _k.get_mayor_id, NO, FACTS),
    ),
    *_rows(
        "container",
        CONTAINER,
        (
            "POST",
            TOWN + "/container-events",
            202,
            _k.report_container_events,
            bodies.ContainerEventsBody,
            POSTED,
        ),
        lateness=Lateness.TOLD_STALE,
    ),
)

MAYORS = _rows(
    "mayor",
    MAYOR,
    ("POST", TOOLS + "/sling", 201, _m.sling, bodies.MayorSlingBody, views.SlingView),
    (
        "POST",
        TOOLS + "/sling-batch",
        201,
        _t.sling_convoy,
        bodies.SlingBatchBody,
        views.SlingBatchView,
    ),
    ("GET", TOOLS + "/rigs", 200, _m.list_rigs, NO, list[views.RigView]),
    ("GET", TOOLS_RIG + "/beads", 200, _b.list_beads, NO, list[views.BeadView]),
    ("GET", TOOLS_RIG + "/agents", 200, _a.list_agents, NO, list[views.AgentView]),
    ("GET", TOOLS + "/convoys", 200, _m.list_convoys, NO, list[views.ConvoyView]),
    ("GET", TOOLS_CONVOY, 200, _m.get_convoy, NO, views.ConvoyDetailView),
    (
        "PATCH",
        TOOLS_RIG + "/beads/{bead}",
        200,
        _m.update_bead,
        bodies.UpdateBeadBody,
        views.BeadView,
    ),
    (
        "POST",
        TOOLS_RIG + "/beads/{bead}/reassign",
        200,
        _m.reassign_bead,
        bodies.ReassignBody,
        views.BeadView,
    ),
    ("DELETE", TOOLS_RIG + "/beads/{bead}", 204, _b.delete_bead, NO, None),
    (
        "POST",
        TOOLS_RIG + "/beads/bulk-delete",
        200,
        _m.bulk_delete_beads,
        bodies.BeadIdsBody,
        FACTS,
    ),
    (
        "POST",
        TOOLS_RIG + "/beads/delete-by-status",
        200,
        _m.delete_beads_by_status,
        bodies.DeleteByStatusBody,
        FACTS,
    ),
    ("POST", TOOLS_RIG + "/agents/{agent}/reset", 200, _m.reset_agent, NO, views.AgentView),
    ("PATCH", TOOLS_CONVOY, 200, _m.update_convoy, bodies.UpdateConvoyBody, views.ConvoyView),
    ("POST", TOOLS_CONVOY + "/close", 200, _m.close_convoy, NO, views.ConvoyView),
    ("POST", TOOLS_CONVOY + "/start", 200, _m.start_convoy, NO, views.SlingBatchView),
    ("POST", TOOLS_CONVOY + "/add-bead", 200, _m.add_convoy_bead, bodies.AddConvoyBeadBody, FACTS),
    ("POST", TOOLS_CONVOY + "/remove-bead", 200, _m.remove_convoy_bead, bodies.BeadIdBody, FACTS),
    ("POST", TOOLS + "/mail", 201, _m.send_mail, bodies.MayorMailBody, views.MailView),
    (
        "POST",
        TOOLS + "/escalations/{escalation}/acknowledge",
        200,
        _t.acknowledge_escalation,
        NO,
        views.EscalationView,
    ),
)

SESSIONS = _rows(
    "sessions",
    OPERATOR,
    ("POST", TOWN + "/sessions", 201, _z.spawn_session, bodies.SpawnBody, views.SessionView),
    (
        "POST",
        TOWN + "/sessions/preflight",
        200,
        _z.preflight_session,
        bodies.SpawnBody,
        views.PreflightView,
    ),
    ("POST", TOWN + "/sessions/cleanup", 200, _z.clean_up_sessions, bodies.CleanUpBody, FACTS),
    ("GET", TOWN + "/sessions", 200, _z.list_sessions, NO, list[views.SessionView]),
    ("GET", ONE_SESSION, 200, _z.get_session, NO, views.SessionView),
    ("POST", ONE_SESSION + "/kill", 200, _z.kill_session, bodies.KillBody, views.SessionView),
    ("POST", ONE_SESSION + "/restore", 201, _z.restore_session, NO, views.SessionView),
    ("POST", ONE_SESSION + "/rollback", 200, _z.roll_back_session, bodies.ReasonBody, FACTS),
    ("POST", ONE_SESSION + "/send", 202, _z.send_to_session, bodies.SendBody, views.MailView),
)

ROSTER = (
    *_rows(
        "roster",
        OPERATOR,
        ("POST", TOWN + "/agents", 201, _ro.hire_agent, bodies.HireBody, views.AgentView),
        ("GET", TOWN + "/agents", 200, _ro.list_town_agents, NO, list[views.AgentView]),
        ("GET", EMPLOYEE, 200, _ro.get_town_agent, NO, views.AgentView),
        ("DELETE", EMPLOYEE, 204, _ro.offboard_agent, NO, None),
        ("GET", TOWN + "/roster", 200, _ro.get_roster, NO, views.RosterView),
        (
            "POST",
            EMPLOYEE + "/reassign-workers",
            200,
            _ro.reassign_workers,
            bodies.ReassignWorkersBody,
            FACTS,
        ),
        ("GET", EMPLOYEE + "/workers", 200, _ro.list_workers, NO, list[views.AgentView]),
        ("GET", EMPLOYEE + "/memory", 200, _ro.list_memory, NO, list[MemoryView]),
        ("GET", EMPLOYEE + "/actions", 200, _ro.list_actions, NO, list[ActionView]),
        ("GET", EMPLOYEE + "/reviewed-prs", 200, _ro.list_reviewed_prs, NO, list[ReviewedPrView]),
        ("POST", EMPLOYEE + "/watched-repos", 201, _ro.add_watch, bodies.WatchBody, WatchView),
        ("GET", EMPLOYEE + "/watched-repos", 200, _ro.list_watches, NO, list[WatchView]),
        ("DELETE", EMPLOYEE + "/watched-repos/{watch}", 204, _ro.delete_watch, NO, None),
        ("GET", TOWN + "/watched-repos", 200, _ro.list_town_watches, NO, list[WatchView]),
    ),
    *_rows(
        "gateway",
        SESSION,
        (
            "POST",
            TOWN + "/gateway/{action}",
            200,
            _g.use_gateway,
            bodies.GatewayBody,
            GatewayView,
        ),
    ),
)

OBJECTS = _rows(
    "actors",
    OPERATOR,
    ("POST", OBJECT + "/rpc/{method}", 200, _o.call_object, NO, None),
    *(
        (method, OBJECT + "/{path:.*}", 200, _o.fetch_object, NO, None)
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE")
    ),
)

_i = inspection_routes
STORED = "/api/objects/{class}/{name}"

INSPECTION = _rows(
    "objects",
    OPERATOR,
    ("GET", "/api/objects", 200, _i.list_objects, NO, list[dict[str, Any]]),
    ("GET", STORED, 200, _i.get_object, NO, FACTS),
    ("POST", STORED + "/sql", 200, _i.query_object, bodies.SqlBody, FACTS),
    ("GET", "/api/alarms", 200, _i.list_alarms, NO, list[dict[str, Any]]),
)

ROUTES: tuple[Route, ...] = (
    *SERVICE,
    *USERS,
    *TOWNS,
    *BEADS,
    *AGENTS,
    *AGENT_CALLS,
    *RIGS,
    *CONTAINERS,
    *MAYORS,
    *SESSIONS,
    *ROSTER,
    *OBSERVER_ROUTES,
    *FEED_ROUTES,
    *OBJECTS,
    *INSPECTION,
)
