"""What a control server tells the town: that its sessions live, and how they ended.

Heartbeats are best effort: the next one is never far, and a lost one costs nothing within the
lease. A completion is repeated, with growing pauses and under one idempotency key, until the town
has answered it with a 2xx or refused it with a 4xx, or this server ends; a town that never hears
it learns from the lease. The words about the container itself are said once each: its eviction,
its question after the boot, and the nonce of a drain that it takes over from the instance before
(town.md 7.3). Nothing the town says here changes what a session does.

The container's token is refreshed once per call when it is refused with 401 (town.md 7.3).
"""

from __future__ import annotations

import asyncio
import logging

import aiohttp
import msgspec

from boomtown.clock import Clock
from boomtown.container_sim.boot_order import BootOrder
from boomtown.container_sim.faults import Faults
from boomtown.container_sim.model import BodyState, SessionReport, StartSession
from boomtown.container_sim.town_calls import TownCalls
from boomtown.entropy import Entropy
from boomtown.ids import SessionId
from boomtown.wire import decode_json_as, encode_json, iso_from_ms

CALL_MS_MAX = 10_000
BACKOFF_MS = (200, 500, 1_000, 2_000, 5_000)  # the last one repeats
MESSAGE_MAX = 1_000  # characters; a person reads it
TRY_AGAIN_STATUSES = (401, 408, 425, 429)

log = logging.getLogger(__name__)


class _Token(msgspec.Struct, frozen=True):
    token: str


class _TokenAnswer(msgspec.Struct, frozen=True):
    data: _Token


class _Handed(msgspec.Struct, frozen=True):
    drain_nonce: str | None = msgspec.field(name="drainNonce", default=None)


class _BeatAnswer(msgspec.Struct, frozen=True):
    data: _Handed


class TownLink:
    """One per control server."""

    def __init__(
        self, order: BootOrder, calls: TownCalls, clock: Clock, entropy: Entropy, faults: Faults
    ) -> None:
        self._instance_id = order.instance_id
        self._token = order.container_token
        self._calls = calls
        self._clock = clock
        self._entropy = entropy
        self._faults = faults
        self._town = f"/api/towns/{order.town_id}"
        self._said_nonces: list[str] = []

    async def tell_eviction(self) -> None:
        """Say once that this container is told to end; failures are logged and forgotten."""
        await self._say("container-eviction", {})

    async def ask_registry(self, session_ids: tuple[SessionId, ...]) -> None:
        """Ask once which sessions may be resumed; nothing is adopted, whatever the answer."""
        await self._say("container-registry", {"session_ids": session_ids})

    async def send_heartbeat(
        self, order: StartSession, report: SessionReport, *, last_output_at_ms: int | None
    ) -> None:
        """Say once that the session lives; failures are logged and forgotten."""
        body: dict[str, object] = {
            "status": "starting" if report.state is BodyState.STARTING else "running",
            "containerInstanceId": self._instance_id,
            "timestamp": iso_from_ms(self._clock.now_ms()),
            "pid": report.pid,
            "worktree": report.worktree,
            "activeTools": [],
        }
        if last_output_at_ms is not None:
            body |= {"lastEventType": "output", "lastEventAt": iso_from_ms(last_output_at_ms)}
        if self._faults.take("heartbeat.lost") is not None:
            return
        status, text = await self._post(order, "heartbeat", body, key=None)
        if status is None or status >= 400:
            log.warning("heartbeat_failed session=%s status=%s", order.session_id, status)
            return
        nonce = _find_nonce(text)
        if nonce is not None and nonce not in self._said_nonces:
            self._said_nonces.append(nonce)
            await self._say("container-ready", {"nonce": nonce})

    async def report_completed(self, order: StartSession, report: SessionReport) -> None:
        """Say how the session ended, until the town has heard it."""
        body: dict[str, object] = {
            "status": "failed" if report.state is BodyState.FAILED else "completed",
            "reason": report.exit_reason,
            "exit_code": report.exit_code,
            "message": None if report.exit_message is None else report.exit_message[:MESSAGE_MAX],
            "session_id": order.session_id,
            "pid": report.pid,
            "kept_worktree": report.kept_worktree,
        }
        key = f"completed-{order.session_id}"
        tries = 0
        while True:
            is_lost = self._faults.take("completed.lost") is not None
            status = None
            if not is_lost:
                status, _ = await self._post(order, "completed", body, key=key)
            if status is not None and status < 500 and status not in TRY_AGAIN_STATUSES:
                if status >= 400:
                    log.warning("completed_refused session=%s status=%s", order.session_id, status)
                return
            pause_ms = BACKOFF_MS[min(tries, len(BACKOFF_MS) - 1)]
            pause_ms += self._entropy.below(pause_ms // 4, label="completed_jitter")
            tries += 1
            await self._clock.sleep_until_ms(self._clock.now_ms() + pause_ms)

    async def _post(
        self, order: StartSession, verb: str, body: dict[str, object], *, key: str | None
    ) -> tuple[int | None, bytes]:
        """As `_send`, from the session's agent."""
        rig_id = order.repository.rig_id
        path = f"{self._town}/rigs/{rig_id}/agents/{order.agent_id}/{verb}"
        headers: dict[str, str] = {
            "X-Gastown-Agent-Id": order.agent_id,
            "X-Gastown-Rig-Id": rig_id,
            "X-Boomtown-Session-Id": order.session_id,
        }
        if key is not None:
            headers["Idempotency-Key"] = key
        return await self._send(path, body, headers)

    async def _say(self, verb: str, body: dict[str, object]) -> None:
        """A word about the container itself."""
        status, _ = await self._send(f"{self._town}/{verb}", body, {})
        if status is None or status >= 400:
            log.warning("word_unheard verb=%s status=%s", verb, status)

    async def _send(
        self, path: str, body: dict[str, object], headers: dict[str, str]
    ) -> tuple[int | None, bytes]:
        """Status and body of the answer; no status where there was no answer."""
        try:
            status, text = await self._call(path, body, headers)
            if status == 401 and await self._refresh_token():
                status, text = await self._call(path, body, headers)
        except (ConnectionError, TimeoutError) as error:
            verb = path.rpartition("/")[2]
            log.warning("town_unreachable verb=%s error=%s", verb, type(error).__name__)
            return None, b""
        return status, text

    async def _refresh_token(self) -> bool:
        status, text = await self._call(f"{self._town}/refresh-container-token", {}, {})
        if status >= 400:
            return False
        try:
            self._token = decode_json_as(text, _TokenAnswer).data.token
        except msgspec.DecodeError:
            return False
        return True

    async def _call(
        self, path: str, body: dict[str, object], headers: dict[str, str]
    ) -> tuple[int, bytes]:
        named = headers | {
            "Authorization": f"Bearer {self._token}",
            "Content-Type": "application/json",
        }
        return await self._calls.call("POST", path, named, encode_json(body))


def _find_nonce(text: bytes) -> str | None:
    """The drain that a heartbeat's answer hands over, if it does."""
    try:
        return decode_json_as(text, _BeatAnswer).data.drain_nonce
    except msgspec.DecodeError:
        return None


class HttpCalls:
    """Satisfies TownCalls over HTTP."""

    def __init__(self, api_url: str, http: aiohttp.ClientSession) -> None:
        self._api_url = api_url.rstrip("/")
        self._http = http

    async def call(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, bytes]:
        url = self._api_url + path
        try:
            async with (
                asyncio.timeout(CALL_MS_MAX / 1000),
                self._http.request(method, url, data=body, headers=headers) as answer,
            ):
                return answer.status, await answer.read()
        except (aiohttp.ClientError, OSError) as error:
            if isinstance(error, TimeoutError):
                raise
            raise ConnectionError(type(error).__name__) from error
