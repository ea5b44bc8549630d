"""The tokens of sessions and containers: HS256, minted and read with one signing key.

A token says who its bearer is and until when; whether that session still lives is the town's to
say, never the token's. Nothing here is stored: the key is (compose keeps it, mode 0600), and a
server with another key knows none of the tokens of before. Instants come from the injected
clock, so PyJWT's own look at the wall clock is off; claims carry seconds, as RFC 7519 has it.
"""

from __future__ import annotations

import enum
from typing import Any, cast

import jwt
import msgspec

from boomtown.error_codes import ErrorCode
from boomtown.errors import AccessDenied
from boomtown.ids import AgentId, InstanceId, RigId, SessionId, TownId
from boomtown.limits import HttpLimits

ALGORITHM = "HS256"
SIGNING_KEY_BYTES_MIN = 32  # RFC 7518 3.2: at least the size of the hash


class TokenKind(enum.StrEnum):
    SESSION = "session"
    CONTAINER = "container"


class SessionClaims(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An agent's credential, good for one session (http.md 4)."""

    town_id: TownId
    rig_id: RigId
    agent_id: AgentId
    session_id: SessionId
    user_id: str
    scope: TokenKind
    iat: int  # seconds
    exp: int  # seconds


class ContainerClaims(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A control server's credential, good for one container instance."""

    town_id: TownId
    instance_id: InstanceId
    user_id: str
    scope: TokenKind
    iat: int  # seconds
    exp: int  # seconds


Claims = SessionClaims | ContainerClaims


class Tokens:
    """Satisfies boomtown.actors.town.ports.SessionTokens."""

    def __init__(self, signing_key: str, limits: HttpLimits) -> None:
        assert len(signing_key.encode()) >= SIGNING_KEY_BYTES_MIN
        self._signing_key = signing_key
        self._limits = limits

    def mint_session_token(
        self,
        *,
        town_id: TownId,
        rig_id: RigId,
        agent_id: AgentId,
        session_id: SessionId,
        user_id: str,
        now_ms: int,
    ) -> str:
        """The credential of one session, for `limits.session_token_ms`."""
        return self._sign(
            SessionClaims(
                town_id=town_id,
                rig_id=rig_id,
                agent_id=agent_id,
                session_id=session_id,
                user_id=user_id,
                scope=TokenKind.SESSION,
                iat=now_ms // 1000,
                exp=self.expiry_ms(now_ms) // 1000,
            )
        )

    def mint_container_token(
        self, *, town_id: TownId, instance_id: InstanceId, user_id: str, now_ms: int
    ) -> str:
        """The credential of one container instance, for as long as a session's."""
        return self._sign(
            ContainerClaims(
                town_id=town_id,
                instance_id=instance_id,
                user_id=user_id,
                scope=TokenKind.CONTAINER,
                iat=now_ms // 1000,
                exp=self.expiry_ms(now_ms) // 1000,
            )
        )

    def expiry_ms(self, now_ms: int) -> int:
        """Until when a token minted now is good."""
        return now_ms + self._limits.session_token_ms

    def verify(self, token: str, *, now_ms: int, is_for_refresh: bool) -> Claims:
        """What a token claims. Raises AccessDenied(UNAUTHENTICATED) for one that we did not sign,
        or that is over; for a refresh it may be over for less than a day (decisions 47)."""
        try:
            # PyJWT's key type is of a package that is not installed.
            payload = jwt.decode(  # pyright: ignore[reportUnknownMemberType]
                token,
                self._signing_key,
                algorithms=[ALGORITHM],
                options={"verify_exp": False, "verify_iat": False},
            )
            claims: Claims
            if payload.get("scope") == TokenKind.SESSION:
                claims = msgspec.convert(payload, SessionClaims)
            else:
                claims = msgspec.convert(payload, ContainerClaims)
        except (jwt.InvalidTokenError, msgspec.ValidationError) as error:
            raise AccessDenied(ErrorCode.UNAUTHENTICATED) from error
        grace_ms = self._limits.token_refresh_expired_ms_max if is_for_refresh else 0
        if now_ms >= claims.exp * 1000 + grace_ms:
            raise AccessDenied(ErrorCode.UNAUTHENTICATED, "The token has expired")
        return claims

    def _sign(self, claims: Claims) -> str:
        payload = cast(dict[str, Any], msgspec.to_builtins(claims))
        return jwt.encode(  # pyright: ignore[reportUnknownMemberType]
            payload, self._signing_key, algorithm=ALGORITHM
        )
