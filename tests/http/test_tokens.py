"""Tokens of sessions and containers."""

from __future__ import annotations

import base64

import jwt
import pytest

from boomtown.errors import AccessDenied
from boomtown.http.tokens import ContainerClaims, SessionClaims, TokenKind, Tokens
from boomtown.ids import AgentId, InstanceId, RigId, SessionId, TownId
from boomtown.limits import HttpLimits
from boomtown.wire import decode_json, encode_json
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
    part = mint(tokens).split(".")[1]
    assert decode_json(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) == {
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


def sign(payload: dict[str, object], key: str = SIGNING_KEY) -> str:
    return jwt.encode(payload, key, algorithm="HS256")  # pyright: ignore[reportUnknownMemberType]


def forgeries() -> dict[str, str]:
    token = mint(Tokens(SIGNING_KEY, HttpLimits()))
    header = base64.urlsafe_b64encode(encode_json({"alg": "none", "typ": "JWT"})).decode()
    return {
        "alg_none": f"{header.rstrip('=')}.{token.split('.')[1]}.",
        "signature": token[:-4] + "AAAA",
        "cut": token.split(".")[0],
        "another_key": sign({"townId": TOWN, "scope": "session"}, "x" * 43),
        "no_claims": sign({"scope": "session"}),
        "no_shape": sign({"exp": "soon"}),
        "unicode": "ünïcode.a.b",
    }


@pytest.mark.parametrize("name", list(forgeries()))
def test_a_forged_token_is_refused(tokens: Tokens, name: str) -> None:
    with pytest.raises(AccessDenied):
        tokens.verify(forgeries()[name], now_ms=NOW_MS, is_for_refresh=True)


def test_a_short_signing_key_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        Tokens("short", HttpLimits())
