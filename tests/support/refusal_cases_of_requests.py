"""Refusals of what was sent, and of who sent it: each case prepares a town and returns the request
that is to be refused."""

from __future__ import annotations

from boomtown.error_codes import ErrorCode
from boomtown.limits import HttpLimits
from support.refusal_scene import ABSENT, INSTANCE, Scene
from support.refusal_server import Sent

# --- what was sent


def a_body_cut_short(scene: Scene) -> Sent:
    return Sent(
        method="POST",
        path=f"{scene.rig_path}/beads",
        data=b'{"title": "t"',
        credential=scene.server.key,
    )


def a_title_that_is_a_number(scene: Scene) -> Sent:
    return scene.ask("POST", f"{scene.rig_path}/beads", {"title": 7})


def a_limit_that_is_a_word(scene: Scene) -> Sent:
    return scene.ask("GET", f"{scene.rig_path}/beads?limit=many")


def a_cursor_that_is_a_word(scene: Scene) -> Sent:
    return scene.ask("GET", f"{scene.town_path}/feed?after=yesterday")


def a_cursor_past_the_head(scene: Scene) -> Sent:
    return scene.ask("PUT", f"{scene.town_path}/feed/cursors/me", {"seq": 1_000_000})


def a_scheme_that_is_not_allowed(scene: Scene) -> Sent:
    body = {"town_id": scene.town, "name": "other", "git_url": "ftp://example.invalid/x"}
    return scene.ask("POST", "/api/users/local/rigs", body)


def a_repository_that_is_a_sentence(scene: Scene) -> Sent:
    agent = scene.hire("reviewer")
    return scene.ask("POST", f"{scene.employee(agent)}/watched-repos", {"repo": "not a repo"})


def a_body_too_large(scene: Scene) -> Sent:
    body = {"title": "t", "body": "x" * HttpLimits().body_bytes_max}
    return scene.ask("POST", f"{scene.rig_path}/beads", body)


def bytes_that_are_no_http(scene: Scene) -> Sent:
    return Sent(method="-", path="-", raw=b"NONSENSE\r\n\r\n")


def headers_without_end(scene: Scene) -> Sent:
    head = f"GET /health HTTP/1.1\r\nHost: {scene.server.host}\r\n".encode()
    return Sent(method="-", path="-", raw=head + b"X-Long: " + b"x" * 100_000 + b"\r\n\r\n")


def a_key_used_for_another_body(scene: Scene) -> Sent:
    path = f"{scene.rig_path}/beads"
    first = scene.ask("POST", path, {"title": "one"}, Idempotency_Key="k1")
    assert scene.server.send(first).status == 201
    return scene.ask("POST", path, {"title": "two"}, Idempotency_Key="k1")


# --- who sent it


def nobody_at_all(scene: Scene) -> Sent:
    return scene.ask_as(None, "POST", f"{scene.rig_path}/beads", {"title": "t"})


def a_ticket_that_nobody_issued(scene: Scene) -> Sent:
    return scene.ask_as(None, "GET", f"{scene.town_path}/feed/ws?ticket=made-up")


def a_session_that_has_ended(scene: Scene) -> Sent:
    agent, token = scene.attached()
    scene.server.data("DELETE", f"{scene.agent_path(agent)}/hook")
    return scene.ask_as(token, "POST", f"{scene.rig_path}/beads", {"title": "t"})


def a_key_for_reading(scene: Scene) -> Sent:
    key = scene.make("/api/owners/local/keys", {"scope": "read"})["key"]
    return scene.ask_as(key, "POST", f"{scene.rig_path}/beads", {"title": "t"})


def a_page_of_another_site(scene: Scene) -> Sent:
    path = f"{scene.rig_path}/beads"
    return scene.ask("POST", path, {"title": "t"}, Origin="https://elsewhere.invalid")


def a_page_of_this_server(scene: Scene) -> Sent:
    return scene.ask("POST", "/shutdown", {}, Origin=f"http://{scene.server.host}")


def a_fault_on_a_server_in_earnest(scene: Scene) -> Sent:
    return scene.ask("POST", f"{scene.town_path}/chaos", {"fault": "kill-agent"})


def a_token_of_another_town(scene: Scene) -> Sent:
    agent, _ = scene.attached()
    token = scene.server.session_token(town=ABSENT, rig=scene.rig, agent=agent, session=ABSENT)
    return scene.ask_as(token, "POST", f"{scene.rig_path}/beads", {"title": "t"})


def a_token_of_another_rig(scene: Scene) -> Sent:
    _, token = scene.attached()
    other = scene.add_rig("other")
    path = f"{scene.town_path}/rigs/{other}/beads"
    return scene.ask_as(token, "POST", path, {"title": "t"})


def a_token_of_another_agent(scene: Scene) -> Sent:
    _, token = scene.attached()
    other = scene.hire("polecat")
    return scene.ask_as(token, "POST", f"{scene.agent_path(other)}/checkpoint", {"data": 1})


def a_container_for_an_agent_of_none_of_its_sessions(scene: Scene) -> Sent:
    agent = scene.hire("polecat")
    sent = scene.ask_as(
        scene.server.container_token(town=scene.town, instance=INSTANCE),
        "POST",
        f"{scene.agent_path(agent)}/hook",
        {"bead_id": scene.bead()},
    )
    sent.headers.update({"X-Gastown-Rig-Id": scene.rig, "X-Gastown-Agent-Id": agent})
    return sent


def an_action_that_no_template_allows(scene: Scene) -> Sent:
    _, token = scene.attached()
    return scene.ask_as(token, "POST", f"{scene.town_path}/gateway/pr.review", {"args": {}})


def a_letter_to_somebody_elses_boss(scene: Scene) -> Sent:
    own, other = scene.hire("architect", "ann"), scene.hire("architect", "bob")
    worker = scene.hire("polecat", boss=own)
    token = scene.token(worker, scene.attach(worker, scene.bead()))
    letter = {"to_agent_id": other, "subject": "s", "body": "b"}
    return scene.ask_as(token, "POST", f"{scene.rig_path}/mail", letter)


def a_method_that_the_route_has_not(scene: Scene) -> Sent:
    return scene.ask("PUT", f"{scene.rig_path}/beads", {"title": "t"})


def a_route_that_is_none(scene: Scene) -> Sent:
    return scene.ask("POST", f"{scene.town_path}/nothing", {})


def a_method_that_an_object_has_not(scene: Scene) -> Sent:
    return scene.ask("POST", "/actors/Trouble/t/rpc/vanish", {})


REQUEST_CASES = {
    a_body_cut_short: ErrorCode.INVALID_JSON,
    a_title_that_is_a_number: ErrorCode.INVALID_BODY,
    a_limit_that_is_a_word: ErrorCode.INVALID_QUERY,
    a_cursor_that_is_a_word: ErrorCode.INVALID_CURSOR,
    a_cursor_past_the_head: ErrorCode.CURSOR_AHEAD,
    a_scheme_that_is_not_allowed: ErrorCode.INVALID_GIT_URL,
    a_repository_that_is_a_sentence: ErrorCode.INVALID_REPO,
    a_body_too_large: ErrorCode.PAYLOAD_TOO_LARGE,
    bytes_that_are_no_http: ErrorCode.INVALID_HTTP,
    headers_without_end: ErrorCode.HEADERS_TOO_LARGE,
    a_key_used_for_another_body: ErrorCode.IDEMPOTENCY_MISMATCH,
    nobody_at_all: ErrorCode.UNAUTHENTICATED,
    a_ticket_that_nobody_issued: ErrorCode.TICKET_INVALID,
    a_session_that_has_ended: ErrorCode.SESSION_ENDED,
    a_key_for_reading: ErrorCode.FORBIDDEN_SCOPE,
    a_page_of_another_site: ErrorCode.FORBIDDEN_ORIGIN,
    a_page_of_this_server: ErrorCode.LOCAL_ONLY,
    a_fault_on_a_server_in_earnest: ErrorCode.DEVELOPMENT_ONLY,
    a_token_of_another_town: ErrorCode.FORBIDDEN_TOWN,
    a_token_of_another_rig: ErrorCode.FORBIDDEN_RIG,
    a_token_of_another_agent: ErrorCode.FORBIDDEN_AGENT,
    a_container_for_an_agent_of_none_of_its_sessions: ErrorCode.FORBIDDEN_AGENT,
    an_action_that_no_template_allows: ErrorCode.ACTION_DENIED,
    a_letter_to_somebody_elses_boss: ErrorCode.NOT_YOUR_BOSS,
    a_method_that_the_route_has_not: ErrorCode.METHOD_NOT_ALLOWED,
    a_route_that_is_none: ErrorCode.ROUTE_NOT_FOUND,
    a_method_that_an_object_has_not: ErrorCode.ROUTE_NOT_FOUND,
}
