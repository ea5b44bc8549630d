"""Whatever is sent to whichever route: never a 500, never a half-done change.

The requests are made from the route table: every field of every body with a value of another
type, every id of every path naming nothing, queries that are none. A town with a rig, a bead and
an agent at work is there to be broken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import pytest

from boomtown.error_codes import REGISTRY, ErrorCode
from boomtown.http.bodies import Body
from boomtown.http.calls import Credential, Route
from boomtown.http.route_codes import codes_of
from boomtown.http.route_table import ROUTES
from support.refusal_checks import check_envelope
from support.refusal_forge import RefusalForge
from support.refusal_scene import ABSENT, INSTANCE, Scene
from support.refusal_server import RefusalServer, Reply, Sent

pytestmark = pytest.mark.system

ENDLESS = ("/api/towns/{town}/feed/stream", "/api/towns/{town}/feed/ws")
LASTING = ("/shutdown", "/api/towns/{town}/container-eviction")  # would change what is asked next
ASKED = [route for route in ROUTES if route.path not in (*ENDLESS, *LASTING)]
WITH_BODY = [route for route in ASKED if route.body is not Body]
WITH_ID = [route for route in ASKED if "{" in route.path]

# None of them is what any field wants.
STRANGERS: tuple[Any, ...] = ([[]], {"a": {"b": [1]}}, -1.5, True)
WORDS = ("", " ", "\u0000", "x" * 3_000, "' OR 1=1 --", "../../etc/passwd", "\u202e\U0001f4a5")
QUERIES = ("limit=-1", "offset=x", "since=then", "after=-1", "status=%00", "groupBy=x", "force=1")
# What required fields want; an id is that of the path's name.
FITTING: dict[str, Any] = {
    "approve": True,
    "bead_ids": [ABSENT],
    "body": "b",
    "branch": "feature/one",
    "convoy_title": "c",
    "fault": "kill-agent",
    "feedback": "f",
    "git_url": "https://example.invalid/a.git",
    "identity": "i",
    "kind": "feed",
    "message": "m",
    "name": "n",
    "nonce": "n",
    "pr": "7",
    "query": "SELECT 1",
    "repo": "acme/app",
    "role": "polecat",
    "saved_at": "2027-01-15T08:00:00Z",
    "scope": "read",
    "seq": 0,
    "status": "open",
    "subject": "s",
    "tasks": [{"title": "t"}],
    "title": "t",
    "to": "mayor",
}


class Target:
    """The town, and who may call what in it."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        agent = scene.hire("polecat")
        bead = scene.bead()
        session = scene.attach(agent, bead)
        self.session_token = scene.token(agent, session)
        self.names = {
            "town": scene.town,
            "rig": scene.rig,
            "bead": bead,
            "agent": agent,
            "session": session,
            "convoy": scene.convoy(staged=True),
            "escalation": ABSENT,
            "entry": ABSENT,
            "watch": ABSENT,
            "user": "local",
            "owner": "local",
            "key": ABSENT,
            "name": "me",
            "class": "Trouble",
            "method": "greet",
            "path": "count",
            "action": "memory.put",
        }

    def credential(self, route: Route) -> str:
        if Credential.OPERATOR in route.credentials or Credential.NONE in route.credentials:
            return self.scene.server.key
        if Credential.CONTAINER in route.credentials:
            return self.scene.server.container_token(town=self.scene.town, instance=INSTANCE)
        return self.session_token

    def send(self, route: Route, *, body: Any = None, query: str = "", **names: str) -> Reply:
        named = self.names | names
        path = re.sub(r"\{(\w+)[^}]*\}", lambda found: named[found[1]], route.path)
        sent = Sent(
            method=route.method,
            path=f"{path}?{query}" if query else path,
            body=body,
            credential=self.credential(route),
        )
        return self.scene.server.send(sent)


@pytest.fixture(scope="module")
def target(
    tmp_path_factory: pytest.TempPathFactory, refusal_mark: str, forge: RefusalForge
) -> Iterator[Target]:
    """On a server of its own, which holds nothing else."""
    with RefusalServer(tmp_path_factory.mktemp("garbage"), run_id=refusal_mark) as server:
        yield Target(Scene(server, str(forge.origin.path)))


def name_of(route: Route) -> str:
    return f"{route.method} {route.path}"


def check_refusal(route: Route, reply: Reply) -> None:
    """It is whole, it is no fault of ours, and the route names it."""
    code = ErrorCode(reply.json["code"])
    assert REGISTRY[code].status < 500 or code is ErrorCode.SCM_UNAVAILABLE, reply.content
    check_envelope(reply, code)
    assert code in codes_of(route), reply.content


def bodies_of(shape: Any, names: Mapping[str, str]) -> Iterator[Any]:
    """No object at all, and bodies that fit but for one field."""
    yield from ([], 7, "text", None)
    if not (isinstance(shape, type) and issubclass(shape, msgspec.Struct)):
        return
    fields = msgspec.structs.fields(shape)
    fitting = FITTING | {f"{name}_id": value for name, value in names.items()}
    whole = {one.encode_name: fitting[one.name] for one in fields if one.required}
    for field in fields:
        for stranger in (*STRANGERS, *WORDS):
            yield whole | {field.encode_name: stranger}


@pytest.mark.parametrize("route", WITH_BODY, ids=name_of)
def test_a_body_of_strangers_is_refused_whole(target: Target, route: Route) -> None:
    before = target.scene.server.footprint()
    replies = [target.send(route, body=body) for body in bodies_of(route.body, target.names)]
    for reply in replies:
        if reply.status >= 400:
            check_refusal(route, reply)
    if all(reply.status >= 400 for reply in replies):
        assert before.changes_to(target.scene.server.footprint()) == []


@pytest.mark.parametrize("route", WITH_ID, ids=name_of)
def test_an_id_of_nothing_is_refused_whole(target: Target, route: Route) -> None:
    before = target.scene.server.footprint()
    replies = [
        target.send(route, body={}, **{name: value})
        for name in re.findall(r"\{(\w+)", route.path)
        for value in (ABSENT, "nonsense", "%00", "a%2Fb", "%F0%9F%92%A5")
    ]
    for reply in replies:
        if reply.status >= 400:
            check_refusal(route, reply)
    if all(reply.status >= 400 for reply in replies):
        assert before.changes_to(target.scene.server.footprint()) == []


@pytest.mark.parametrize("route", [one for one in ASKED if one.method == "GET"], ids=name_of)
def test_a_query_that_is_none_is_refused_or_ignored(target: Target, route: Route) -> None:
    before = target.scene.server.footprint()
    for query in QUERIES:
        reply = target.send(route, query=query)
        if reply.status >= 400:
            check_refusal(route, reply)
    assert before.changes_to(target.scene.server.footprint()) == []
