"""Tokens of sessions and containers."""

from __future__ import annotations

import base64
from typing import Any

import jwt
import pytest

from boomtown.errors import AccessDenied
from boomtown.http.tokens import ContainerClaims, SessionClaims, TokenKind, Tokens
from boomtown.ids import AgentId, InstanceId, RigId, SessionId, TownId
from boomtown.limits import HttpLimits
from boomtown.wire import encode_json
from support.fake_town import AGENT, INSTANCE, RIG, SESSION, TOWN
from support.front_world import SIGNING_KEY

NOW_MS = 1_800_000_000_000
HOURS_8_MS = 8 * 3_600_000


@pytest.fixture
def tokens() -> Tokens:
    return Tokens(SIGNING_KEY, HttpLimits())


def mint(tokens: Tokens) -> str:
    return tokens.mint_session_token(
        town_id=TownId(TOWN),
        rig_id=RigId(RIG),
        agent_id=AgentId(AGENT),
        session_id=SessionId(SESSION),
        user_id="local",
        now_ms=NOW_MS,
    )


def test_a_session_token_carries_the_claims_that_existing_clients_read(tokens: Tokens) -> None:
    payload: dict[str, Any] = jwt.decode(mint(tokens), options={"verify_signature": False})
    assert payload == {
        "townId": TOWN,
        "rigId": RIG,
        "agentId": AGENT,
        "sessionId": SESSION,
        "userId": "local",
        "scope": "session",
        "iat": NOW_MS // 1000,
        "exp": (NOW_MS + HOURS_8_MS) // 1000,
    }


def test_what_was_minted_is_verified_whatever_the_wall_clock_says(tokens: Tokens) -> None:
    claims = tokens.verify(mint(tokens), now_ms=NOW_MS, is_for_refresh=False)
    assert isinstance(claims, SessionClaims)
    assert claims.scope == TokenKind.SESSION
    text = tokens.mint_container_token(
        town_id=TownId(TOWN), instance_id=InstanceId(INSTANCE), user_id="u", now_ms=NOW_MS
    )
    container = tokens.verify(text, now_ms=NOW_MS, is_for_refresh=False)
    assert isinstance(container, ContainerClaims)
    assert (container.instance_id, container.scope) == (INSTANCE, TokenKind.CONTAINER)


@pytest.mark.parametrize("is_for_refresh", [False, True])
def test_a_token_is_over_at_its_instant_not_before(tokens: Tokens, is_for_refresh: bool) -> None:
    token = mint(tokens)
    over_ms = NOW_MS + HOURS_8_MS + (86_400_000 if is_for_refresh else 0)
    assert tokens.verify(token, now_ms=over_ms - 1, is_for_refresh=is_for_refresh)
    with pytest.raises(AccessDenied):
        tokens.verify(token, now_ms=over_ms, is_for_refresh=is_for_refresh)


def _unsigned(token: str) -> str:
    header = base64.urlsafe_b64encode(encode_json({"alg": "none", "typ": "JWT"}))
    return header.decode().rstrip("=") + "." + token.split(".")[1] + "."


@pytest.mark.parametrize(
    "forge",
    [
        _unsigned,
        lambda token: token[:-4] + "AAAA",
        lambda token: token.split(".")[0],
        lambda token: jwt.encode({"townId": TOWN, "scope": "session"}, "x" * 43, algorithm="HS256"),
        lambda token: jwt.encode({"scope": "session"}, SIGNING_KEY, algorithm="HS256"),
        lambda token: jwt.encode({"exp": "soon"}, SIGNING_KEY, algorithm="HS256"),
        lambda token: "ünïcode.a.b",
    ],
    ids=["alg_none", "signature", "cut", "another_key", "no_claims", "no_shape", "unicode"],
)
def test_a_forged_token_is_refused(tokens: Tokens, forge: Any) -> None:
    with pytest.raises(AccessDenied):
        tokens.verify(forge(mint(tokens)), now_ms=NOW_MS, is_for_refresh=True)


def test_a_short_signing_key_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        Tokens("short", HttpLimits())
