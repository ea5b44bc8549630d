"""Who may call what, and as whom the town takes it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import pytest

from boomtown.actors.town.commands import (
    Caller,
    CallerKind,
    CreateBead,
    PrimeAgent,
    RefreshSession,
    ReportDone,
)
from boomtown.actors.town.questions import FindLiveSession, GetAgent, GetSession
from boomtown.actors.town.views import Answer, PostedView
from boomtown.error_codes import ErrorCode
from boomtown.http.tokens import SessionClaims
from boomtown.testing import ManualClock
from support.fake_town import (
    AGENT,
    AGENT_VIEW,
    INSTANCE,
    OTHER,
    RIG,
    SESSION,
    SESSION_VIEW,
    TOWN,
    refused,
)
from support.front_world import FrontWorld, open_front

T = f"/api/towns/{TOWN}"
R = f"{T}/rigs/{RIG}"
A = f"{R}/agents/{AGENT}"
NAMED = {"X-Gastown-Agent-Id": AGENT, "X-Gastown-Rig-Id": RIG}
FENCED = NAMED | {"X-Boomtown-Session-Id": SESSION}
HOUR_MS = 3_600_000


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def front(clock: ManualClock) -> AsyncIterator[FrontWorld]:
    async with open_front(clock=clock) as world:
        yield world


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        (f"/api/towns/{OTHER}/rigs/{RIG}/beads", "FORBIDDEN_TOWN", "townId"),
        (f"{T}/rigs/{OTHER}/beads", "FORBIDDEN_RIG", "rigId"),
        (f"{R}/agents/{OTHER}/mail", "FORBIDDEN_AGENT", "agentId"),
        (f"{R}/agents/{OTHER}", "FORBIDDEN_AGENT", "agentId"),
    ],
)
async def test_a_session_token_for_something_else_is_403_in_the_kept_words(
    front: FrontWorld, path: str, code: str, message: str
) -> None:
    reply = await front.call("GET", path, credential=front.session_token())
    assert (reply.status, reply.code) == (403, code)
    assert reply.json["error"] == f"Token {message} does not match route"
    assert front.fakes.town.questions == []


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (f"/api/towns/{OTHER}/status", "TOWN_NOT_FOUND"),
        ("/api/towns/nonsense/status", "TOWN_NOT_FOUND"),
        (f"/api/towns/{TOWN.upper()[:-1]}X/status", "TOWN_NOT_FOUND"),
        (f"{T}/rigs/nonsense/beads", "RIG_NOT_FOUND"),
        (f"{R}/beads/nonsense", "BEAD_NOT_FOUND"),
        (f"{R}/agents/nonsense", "AGENT_NOT_FOUND"),
        (f"{T}/sessions/nonsense", "SESSION_NOT_FOUND"),
        (f"/api/mayor/{TOWN}/tools/convoys/nonsense", "CONVOY_NOT_FOUND"),
        ("/api/users/somebody/towns", "USER_NOT_FOUND"),
        (f"/api/users/local/towns/{OTHER}", "TOWN_NOT_FOUND"),
        (f"/api/users/local/rigs/{OTHER}", "RIG_NOT_FOUND"),
        ("/api/owners/a.b/keys", "USER_NOT_FOUND"),
    ],
)
async def test_an_unknown_or_malformed_name_in_a_path_is_404(
    front: FrontWorld, path: str, code: str
) -> None:
    reply = await front.call("GET", path, credential=front.operator_key())
    assert (reply.status, reply.code) == (404, code)
    assert front.fakes.town.questions == []


async def test_another_owners_town_and_user_answer_as_if_they_did_not_exist(
    front: FrontWorld,
) -> None:
    foreign = front.operator_key(owner="eve")
    for path, code in (
        (f"{T}/status", "TOWN_NOT_FOUND"),
        (f"/api/users/eve/towns/{TOWN}", "TOWN_NOT_FOUND"),
        ("/api/users/local/towns", "USER_NOT_FOUND"),
        ("/api/owners/local/keys", "USER_NOT_FOUND"),
    ):
        reply = await front.call("GET", path, credential=foreign)
        assert (reply.status, reply.code) == (404, code)
    body = {"town_id": TOWN, "name": "n", "git_url": "https://example.invalid/a.git"}
    reply = await front.call("POST", "/api/users/eve/rigs", body, credential=foreign)
    assert (reply.status, reply.code) == (404, "TOWN_NOT_FOUND")


async def test_the_first_owners_administrator_makes_keys_for_others(front: FrontWorld) -> None:
    unknown = await front.call(
        "POST", "/api/owners/eve/keys", {"scope": "read"}, credential=front.operator_key()
    )
    assert (unknown.status, unknown.code) == (404, "USER_NOT_FOUND")
    await front.call("POST", "/api/owners", {"name": "eve"}, credential=front.operator_key())
    reply = await front.call(
        "POST", "/api/owners/eve/keys", {"scope": "read"}, credential=front.operator_key()
    )
    assert reply.status == 201
    listed = await front.call("GET", "/api/users/eve/towns", credential=reply.data["key"])
    assert (listed.status, listed.data) == (200, [])


@pytest.mark.parametrize(
    ("scope", "statuses"), [("read", (200, 403, 403)), ("operate", (200, 201, 403))]
)
async def test_each_scope_allows_what_it_says(
    front: FrontWorld, scope: str, statuses: tuple[int, ...]
) -> None:
    key = front.operator_key(scope)
    read = await front.call("GET", f"{R}/beads", credential=key)
    write = await front.call("POST", f"{R}/beads", {"title": "t"}, credential=key)
    keys = await front.call("GET", "/api/owners/local/keys", credential=key)
    assert (read.status, write.status, keys.status) == statuses


async def test_an_operator_is_the_owner_to_the_town(front: FrontWorld) -> None:
    await front.call("POST", f"{R}/beads", {"title": "t"}, credential=front.operator_key())
    assert front.fakes.town.commands[-1].caller == Caller(kind=CallerKind.OPERATOR, user_id="local")


async def test_the_key_may_come_in_either_header(front: FrontWorld) -> None:
    key = front.operator_key()
    assert (await front.call("GET", f"{T}/status", headers={"X-Api-Key": key})).status == 200
    basic = await front.call("GET", f"{T}/status", headers={"Authorization": "Basic eA=="})
    assert (basic.status, basic.code) == (401, "UNAUTHENTICATED")
    assert basic.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "credential", ["boomtown.local.wrong", "boomtown.no_such.x", "boomtown.a/b.x", "x", "a.b.c"]
)
async def test_a_wrong_credential_is_401_even_where_none_is_needed(
    front: FrontWorld, credential: str
) -> None:
    for path in (f"{T}/status", "/health"):
        reply = await front.call("GET", path, credential=credential)
        assert (reply.status, reply.code) == (401, "UNAUTHENTICATED")


async def test_a_tools_call_needs_the_mayors_token(front: FrontWorld) -> None:
    path = f"/api/mayor/{TOWN}/tools/convoys"
    polecat = await front.call("GET", path, credential=front.session_token())
    assert (polecat.status, polecat.code) == (403, "FORBIDDEN_SCOPE")
    mayor = msgspec.structs.replace(AGENT_VIEW, role="mayor", rig_id=None)
    front.fakes.town.answers[GetAgent] = Answer(view=mayor)
    assert (await front.call("GET", path, credential=front.session_token())).status == 200
    foreign = front.session_token(town=OTHER)
    assert (await front.call("GET", path, credential=foreign)).code == "FORBIDDEN_TOWN"


async def test_the_town_decides_about_an_ended_session(front: FrontWorld) -> None:
    stale = Answer(view=PostedView(accepted=True, stale=True))
    front.fakes.town.answers[ReportDone] = stale
    front.fakes.town.answers[PrimeAgent] = refused(ErrorCode.SESSION_ENDED)
    token = front.session_token()
    done = await front.call("POST", f"{A}/done", {"branch": "b"}, credential=token)
    assert (done.status, done.data) == (202, {"accepted": True, "stale": True})
    prime = await front.call("GET", f"{A}/prime", credential=token)
    assert (prime.status, prime.code) == (401, "SESSION_ENDED")


async def test_a_token_of_an_expired_hour_is_401_and_may_be_refreshed_for_a_day(
    front: FrontWorld, clock: ManualClock
) -> None:
    token = front.session_token()
    await clock.advance_ms(8 * HOUR_MS - 1000)
    assert (await front.call("GET", f"{A}/mail", credential=token)).status == 200
    await clock.advance_ms(1000)
    expired = await front.call("GET", f"{A}/mail", credential=token)
    assert (expired.status, expired.code) == (401, "UNAUTHENTICATED")
    await clock.advance_ms(24 * HOUR_MS - 1000)
    for path in (f"{A}/refresh-token", f"{T}/refresh-container-token"):
        fresh = await front.call("POST", path, {}, credential=token)
        assert fresh.status == 200
        claims = front.tokens.verify(
            fresh.data["token"], now_ms=clock.now_ms(), is_for_refresh=False
        )
        assert isinstance(claims, SessionClaims)
        assert (claims.session_id, claims.agent_id) == (SESSION, AGENT)
        assert fresh.data["expires_at"].endswith("Z")
    await clock.advance_ms(1000)
    late = await front.call("POST", f"{A}/refresh-token", {}, credential=token)
    assert (late.status, late.code) == (401, "UNAUTHENTICATED")


async def test_an_ended_session_gets_no_next_token(front: FrontWorld) -> None:
    front.fakes.town.answers[RefreshSession] = refused(ErrorCode.SESSION_ENDED)
    path = f"{T}/refresh-container-token"
    reply = await front.call("POST", path, {}, credential=front.session_token())
    assert (reply.status, reply.code) == (401, "SESSION_ENDED")


async def test_a_container_gets_its_own_next_token(front: FrontWorld) -> None:
    path = f"{T}/refresh-container-token"
    reply = await front.call("POST", path, {}, credential=front.container_token())
    claims = front.tokens.verify(
        reply.data["token"], now_ms=front.services.clock.now_ms(), is_for_refresh=False
    )
    assert not isinstance(claims, SessionClaims)
    assert (claims.instance_id, claims.town_id) == (INSTANCE, TOWN)
    assert front.fakes.town.commands == []


@pytest.mark.parametrize("headers", [FENCED, NAMED], ids=["fenced", "named"])
async def test_a_container_speaks_for_a_session_of_its_own(
    front: FrontWorld, headers: dict[str, str]
) -> None:
    token = front.container_token()
    body = {"status": "completed"}
    reply = await front.call("POST", f"{A}/completed", body, credential=token, headers=headers)
    assert reply.status == 202
    assert front.fakes.town.commands[-1].caller == Caller(
        kind=CallerKind.CONTAINER,
        user_id="local",
        agent_id=AGENT,  # type: ignore[arg-type]
        session_id=SESSION,  # type: ignore[arg-type]
        instance_id=INSTANCE,  # type: ignore[arg-type]
    )
    asked = type(front.fakes.town.questions[-1].question)
    assert asked is (GetSession if headers is FENCED else FindLiveSession)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "FORBIDDEN_RIG"),
        ({"X-Gastown-Rig-Id": RIG}, "FORBIDDEN_AGENT"),
        (NAMED | {"X-Gastown-Agent-Id": OTHER}, "FORBIDDEN_AGENT"),
        (NAMED | {"X-Gastown-Rig-Id": OTHER}, "FORBIDDEN_RIG"),
        (NAMED | {"X-Boomtown-Session-Id": "nonsense"}, "FORBIDDEN_AGENT"),
    ],
    ids=["none", "no_agent", "other_agent", "other_rig", "malformed_fence"],
)
async def test_a_container_that_names_no_agent_is_refused(
    front: FrontWorld, headers: dict[str, str], code: str
) -> None:
    token = front.container_token()
    reply = await front.call("POST", f"{A}/heartbeat", {}, credential=token, headers=headers)
    assert (reply.status, reply.code) == (403, code)
    assert front.fakes.town.commands == []


@pytest.mark.parametrize(
    "change",
    [{"instance_id": OTHER}, {"agent_id": OTHER}, {"rig_id": OTHER}],
    ids=["another_container", "another_agent", "another_rig"],
)
async def test_a_container_speaks_for_no_other_session(
    front: FrontWorld, change: dict[str, str]
) -> None:
    found = Answer(view=msgspec.structs.replace(SESSION_VIEW, **change))
    front.fakes.town.answers[GetSession] = found
    front.fakes.town.answers[FindLiveSession] = found
    token = front.container_token()
    fenced = await front.call(
        "POST", f"{A}/done", {"branch": "b"}, credential=token, headers=FENCED
    )
    named = await front.call("GET", f"{A}/prime", credential=token, headers=NAMED)
    assert (fenced.code, named.code) == ("FORBIDDEN_AGENT", "FORBIDDEN_AGENT")
    assert front.fakes.town.commands == []


async def test_a_container_may_speak_before_its_start_was_answered(front: FrontWorld) -> None:
    unanswered = msgspec.structs.replace(SESSION_VIEW, instance_id=None, state="starting")
    front.fakes.town.answers[GetSession] = Answer(view=unanswered)
    reply = await front.call(
        "POST", f"{A}/heartbeat", {}, credential=front.container_token(), headers=FENCED
    )
    assert reply.status == 200


async def test_a_heartbeat_for_an_agent_without_a_session_is_no_error(front: FrontWorld) -> None:
    front.fakes.town.answers[FindLiveSession] = refused(ErrorCode.SESSION_NOT_FOUND)
    token = front.container_token()
    beat = await front.call("POST", f"{A}/heartbeat", {}, credential=token, headers=NAMED)
    assert beat.status == 200
    assert front.fakes.town.commands[-1].caller.session_id is None
    prime = await front.call("GET", f"{A}/prime", credential=token, headers=NAMED)
    assert (prime.status, prime.code) == (403, "FORBIDDEN_AGENT")


async def test_a_container_of_another_town_and_other_groups_are_refused(
    front: FrontWorld,
) -> None:
    foreign = front.container_token(town=OTHER)
    reply = await front.call("POST", f"{T}/container-events", {}, credential=foreign)
    assert (reply.status, reply.code) == (403, "FORBIDDEN_TOWN")
    own = front.container_token()
    beads = await front.call("GET", f"{R}/beads", credential=own, headers=NAMED)
    assert (beads.status, beads.code) == (403, "FORBIDDEN_SCOPE")


async def test_an_agent_sends_mail_and_reviews_as_itself(front: FrontWorld) -> None:
    token = front.session_token()
    body = {"from_agent_id": OTHER, "to": "boss", "subject": "s", "body": "b"}
    assert (await front.call("POST", f"{R}/mail", body, credential=token)).status == 201
    assert front.fakes.town.commands[-1].command.from_agent_id == AGENT  # type: ignore[union-attr]
    review = {"agent_id": OTHER, "bead_id": OTHER, "branch": "b"}
    await front.call("POST", f"{R}/review-queue", review, credential=token)
    assert front.fakes.town.commands[-1].command.agent_id == AGENT  # type: ignore[union-attr]
    assert not isinstance(front.fakes.town.commands[-1].command, CreateBead)
