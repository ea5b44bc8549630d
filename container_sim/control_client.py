"""What the town asks of a control server, and its answers turned into outcomes.

The table of decisions 32, by status alone: 201 and 200 are `Started`, 409 is `Conflict`, 503 and
any other 4xx are `Rejected`, and everything else (no answer in time, no connection, 5xx, a body
that does not decode) is `Unknown`, because it proves nothing. Nobody reads error text.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Protocol

import aiohttp
import msgspec

from boomtown.container_sim.control_messages import (
    ConflictAnswer,
    ErrorAnswer,
    ProveMerge,
    StopOrder,
)
from boomtown.container_sim.model import (
    Conflict,
    InstanceReport,
    Known,
    MergeProof,
    NotFound,
    ProbeOutcome,
    ProofOutcome,
    Rejected,
    SessionReport,
    Started,
    StartOutcome,
    StartSession,
    StopOutcome,
    Stopped,
    Unknown,
)
from boomtown.error_codes import ErrorCode
from boomtown.ids import InstanceId, SessionId
from boomtown.wire import decode_json_as, encode_json


class NoAnswer(Exception):
    """The request may or may not have arrived; the text says what was seen."""


class Answer(msgspec.Struct, frozen=True):
    """A whole answer."""

    status: int
    body: bytes


class ControlWay(Protocol):
    """Carries requests to one control server."""

    async def send(self, method: str, path: str, body: bytes | None, *, timeout_ms: int) -> Answer:
        """The whole answer. Raises NoAnswer, at the latest after `timeout_ms`."""
        ...

    async def close(self) -> None: ...


class ControlClient:
    """Talks to one control server. Close it with its instance."""

    def __init__(self, instance_id: InstanceId, way: ControlWay) -> None:
        self._instance_id = instance_id
        self._way = way

    async def close(self) -> None:
        await self._way.close()

    async def start(self, request: StartSession, *, timeout_ms: int) -> StartOutcome:
        try:
            answer = await self._send("POST", "/agents/start", request, timeout_ms)
            match answer.status:
                case 200 | 201:
                    report = decode_json_as(answer.body, SessionReport)
                    return Started(report=report, is_new=answer.status == 201)
                case 409:
                    conflict = decode_json_as(answer.body, ConflictAnswer)
                    return Conflict(holder_session_id=conflict.holder_session_id)
                case status if status == 503 or 400 <= status < 500:
                    return _rejected(answer)
                case status:
                    return Unknown(reason=f"status {status}")
        except NoAnswer as error:
            return Unknown(reason=str(error))
        except msgspec.DecodeError:
            return Unknown(reason="the answer does not decode")

    async def probe(self, session_id: SessionId, *, timeout_ms: int) -> ProbeOutcome:
        try:
            answer = await self._send("GET", f"/sessions/{session_id}/status", None, timeout_ms)
            match answer.status:
                case 200:
                    return Known(report=decode_json_as(answer.body, SessionReport))
                case 404:
                    return NotFound(instance_id=self._instance_id)
                case status:
                    return Unknown(reason=f"status {status}")
        except NoAnswer as error:
            return Unknown(reason=str(error))
        except msgspec.DecodeError:
            return Unknown(reason="the answer does not decode")

    async def stop(
        self, session_id: SessionId, *, grace_ms: int, keeps_work: bool, timeout_ms: int
    ) -> StopOutcome:
        try:
            order = StopOrder(grace_ms=grace_ms, keeps_work=keeps_work)
            path = f"/sessions/{session_id}/stop"
            answer = await self._send("POST", path, order, timeout_ms)
            match answer.status:
                case 200:
                    return Stopped(report=decode_json_as(answer.body, SessionReport))
                case 404:
                    return NotFound(instance_id=self._instance_id)
                case status:
                    return Unknown(reason=f"status {status}")
        except NoAnswer as error:
            return Unknown(reason=str(error))
        except msgspec.DecodeError:
            return Unknown(reason="the answer does not decode")

    async def prove_merge(self, wanted: ProveMerge, *, timeout_ms: int) -> ProofOutcome:
        try:
            answer = await self._send("POST", "/git/prove-merge", wanted, timeout_ms)
            match answer.status:
                case 200:
                    return decode_json_as(answer.body, MergeProof)
                case status if 400 <= status < 500:
                    return _rejected(answer)
                case status:
                    return Unknown(reason=f"status {status}")
        except NoAnswer as error:
            return Unknown(reason=str(error))
        except msgspec.DecodeError:
            return Unknown(reason="the answer does not decode")

    async def find_health(self, *, timeout_ms: int) -> InstanceReport | None:
        """What the container says of itself, None when it does not answer."""
        try:
            answer = await self._send("GET", "/health", None, timeout_ms)
            return decode_json_as(answer.body, InstanceReport) if answer.status == 200 else None
        except (NoAnswer, msgspec.DecodeError):
            return None

    async def find_output(self, session_id: SessionId, *, timeout_ms: int) -> str | None:
        """The newest output of a session's agent, None when it cannot be had."""
        try:
            answer = await self._send("GET", f"/sessions/{session_id}/output", None, timeout_ms)
            return answer.body.decode(errors="replace") if answer.status == 200 else None
        except NoAnswer:
            return None

    async def _send(self, method: str, path: str, body: object, timeout_ms: int) -> Answer:
        data = None if body is None else encode_json(body)
        return await self._way.send(method, path, data, timeout_ms=timeout_ms)


class SocketWay:
    """A control server's Unix socket."""

    def __init__(self, socket_path: Path, secret: str) -> None:
        self._http = aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(path=str(socket_path)),
            headers={"Authorization": f"Bearer {secret}", "Content-Type": "application/json"},
        )

    async def close(self) -> None:
        await self._http.close()

    async def send(self, method: str, path: str, body: bytes | None, *, timeout_ms: int) -> Answer:
        if self._http.closed:
            raise NoAnswer("the container has ended")
        try:
            async with (
                asyncio.timeout(timeout_ms / 1000),
                self._http.request(
                    method, f"http://container{path}", data=body, timeout=NO_OTHER_LIMIT
                ) as answer,
            ):
                return Answer(answer.status, await answer.read())
        except TimeoutError as error:
            raise NoAnswer("timeout") from error
        except (aiohttp.ClientError, OSError) as error:
            raise NoAnswer(type(error).__name__) from error


NO_OTHER_LIMIT = aiohttp.ClientTimeout(total=None)  # the caller's is the only one


def _rejected(answer: Answer) -> Rejected:
    said = decode_json_as(answer.body, ErrorAnswer)
    known = said.code in ErrorCode.__members__
    code = ErrorCode(said.code) if known else ErrorCode.CONTAINER_ERROR
    return Rejected(code=code, message=said.error)
