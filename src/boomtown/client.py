"""A thin client of a server, for the command line, the demo and monitoring.

Calls are one request each and are never repeated here: only the caller knows whether a second
try is harmless. Answers are the wire's JSON, unwrapped from the envelope; shapes are http.md 2.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlencode

import aiohttp
import msgspec

from boomtown.wire import decode_json_as, encode_json

REQUEST_S_MAX = 60  # longer than any answer of a healthy server
CONNECT_S_MAX = 5
STREAM_SILENCE_S_MAX = 15  # three heartbeats of a stream

# What a stream ends with although its reader may come back at once.
_ENDS_TO_RETURN_FROM = ("SHUTTING_DOWN", "SLOW_READER", "OBJECT_RESET", "OVERLOADED")

Query = Mapping[str, str | int | None]  # None: left out


class ServerUnreachable(Exception):
    """No answer: nothing listens, or the connection broke. It may have happened."""


class ServerRefused(Exception):
    """The server answered with an error, by its code."""

    def __init__(
        self,
        *,
        code: str,
        status: int,
        message: str,
        request_id: str | None,
        details: Mapping[str, Any],
        kind: str | None = None,
        issues: Sequence[Any] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.message = message
        self.request_id = request_id
        self.details = dict(details)
        self.kind = kind
        self.issues = list(issues)


class FeedFrame(msgspec.Struct, frozen=True):
    """What a stream of the feed sends: an event, or that the feed is at `seq`."""

    seq: int
    event: dict[str, Any] | None


class BoomtownClient:
    """Calls of one server; close it, or use it as an async context manager. Every method raises
    ServerUnreachable or ServerRefused."""

    def __init__(self, base_url: str, key: str | None = None) -> None:
        self._base_url = base_url.rstrip("/")
        self._headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections; harmless when called again."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Query | None = None,
        idempotency_key: str | None = None,
    ) -> Any:
        """One call; answers the envelope's `data`, None for 204. `path` is quoted already."""
        headers = dict(self._headers)
        data = None
        if body is not None:
            data = encode_json(body)
            headers["Content-Type"] = "application/json"
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        given = {name: value for name, value in (query or {}).items() if value is not None}
        url = self._base_url + path + (f"?{urlencode(given)}" if given else "")
        try:
            async with self._open().request(method, url, data=data, headers=headers) as response:
                content = await response.read()
                return _unwrapped(response.status, content)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise ServerUnreachable(f"no answer from {self._base_url}: {reason}") from error

    async def read_feed(
        self, town_id: str, *, after: int = 0, limit: int | None = None, topic: str | None = None
    ) -> dict[str, Any]:
        """A page: events, head, oldest, next. CURSOR_EXPIRED names `oldest` and `head` in its
        details."""
        query: Query = {"after": after, "limit": limit, "topic": topic}
        return _an_object(await self.request("GET", f"{_town(town_id)}/feed", query=query))

    async def follow_feed(
        self, town_id: str, *, after: int, topic: str | None = None, agent: str | None = None
    ) -> AsyncGenerator[FeedFrame]:
        """Everything after a cursor, as it comes, until the connection ends: ServerUnreachable
        when it is to be made again, from the last `seq`; ServerRefused when that is no use."""
        given = {"after": after, "topic": topic, "agent": agent}
        query = urlencode({name: value for name, value in given.items() if value is not None})
        url = f"{self._base_url}{_town(town_id)}/feed/stream?{query}"
        timeout = aiohttp.ClientTimeout(connect=CONNECT_S_MAX, sock_read=STREAM_SILENCE_S_MAX)
        try:
            async with self._open().get(url, headers=self._headers, timeout=timeout) as response:
                if response.status != 200:
                    _unwrapped(response.status, await response.read())
                rest = b""
                async for part in response.content.iter_any():
                    *blocks, rest = (rest + part).split(b"\n\n")
                    for block in blocks:
                        frame = _frame_of(block)
                        if frame is not None:
                            yield frame
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise ServerUnreachable(f"no answer from {self._base_url}: {reason}") from error
        raise ServerUnreachable(f"{self._base_url} ended the stream")

    async def get_feed_cursor(self, town_id: str, name: str) -> dict[str, Any]:
        return _an_object(await self.request("GET", f"{_cursors(town_id)}/{_q(name)}"))

    async def list_feed_cursors(self, town_id: str) -> list[dict[str, Any]]:
        return _a_list(await self.request("GET", _cursors(town_id)))

    async def put_feed_cursor(
        self, town_id: str, name: str, seq: int, *, rewind: bool = False
    ) -> dict[str, Any]:
        """Say that everything up to `seq` was dealt with. Without `rewind` it never goes back."""
        body = {"seq": seq, "rewind": rewind}
        return _an_object(await self.request("PUT", f"{_cursors(town_id)}/{_q(name)}", body))

    def _open(self) -> aiohttp.ClientSession:
        # Made at the first call: a session belongs to the event loop that runs then.
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=REQUEST_S_MAX, connect=CONNECT_S_MAX)
            )
        return self._session

    async def health(self) -> dict[str, Any]:
        return _an_object(await self.request("GET", "/health"))

    async def shutdown(self) -> None:
        """Ask the server to end; it answers before it does."""
        await self.request("POST", "/shutdown", {})

    async def create_owner(self, name: str) -> dict[str, Any]:
        """The same again changes nothing."""
        return _an_object(await self.request("POST", "/api/owners", {"name": name}))

    async def list_owners(self) -> list[dict[str, Any]]:
        return _a_list(await self.request("GET", "/api/owners"))

    async def create_town(
        self, user: str, name: str, *, idempotency_key: str | None = None
    ) -> dict[str, Any]:
        body = {"name": name}
        path = f"{_user(user)}/towns"
        return _an_object(await self.request("POST", path, body, idempotency_key=idempotency_key))

    async def list_towns(self, user: str) -> list[dict[str, Any]]:
        return _a_list(await self.request("GET", f"{_user(user)}/towns"))

    async def create_rig(
        self,
        user: str,
        *,
        town_id: str,
        name: str,
        git_url: str,
        default_branch: str | None = None,
        config: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> dict[str, Any]:
        """The server checks the address's form only; the first clone says whether it is there.
        `config` is what the rig settles otherwise than its town: harness, refinery, and so on."""
        body: dict[str, Any] = {"town_id": town_id, "name": name, "git_url": git_url}
        body |= {} if default_branch is None else {"default_branch": default_branch}
        body |= {} if config is None else {"config": config}
        path = f"{_user(user)}/rigs"
        return _an_object(await self.request("POST", path, body, idempotency_key=idempotency_key))

    async def list_rigs(self, town_id: str) -> list[dict[str, Any]]:
        return _a_list(await self.request("GET", f"{_tools(town_id)}/rigs"))

    async def sling_batch(
        self,
        town_id: str,
        *,
        rig_id: str,
        convoy_title: str,
        tasks: Sequence[Mapping[str, Any]],
        parallel: bool = False,
        staged: bool | None = None,
        merge_mode: str | None = None,
        idempotency_key: str | None = None,
    ) -> dict[str, Any]:
        """A convoy of tasks ({title, body?, depends_on?: indexes}); answers {convoy, beads}."""
        body: dict[str, Any] = {"rig_id": rig_id, "convoy_title": convoy_title}
        body |= {"tasks": list(tasks), "parallel": parallel}
        body |= {} if staged is None else {"staged": staged}
        body |= {} if merge_mode is None else {"merge_mode": merge_mode}
        path = f"{_tools(town_id)}/sling-batch"
        return _an_object(await self.request("POST", path, body, idempotency_key=idempotency_key))

    async def list_convoys(self, town_id: str) -> list[dict[str, Any]]:
        return _a_list(await self.request("GET", f"{_tools(town_id)}/convoys"))

    async def get_convoy(self, town_id: str, convoy_id: str) -> dict[str, Any]:
        return _an_object(await self.request("GET", f"{_tools(town_id)}/convoys/{_q(convoy_id)}"))

    async def town_status(self, town_id: str) -> dict[str, Any]:
        return _an_object(await self.request("GET", f"{_town(town_id)}/status"))

    async def town_invariants(self, town_id: str) -> list[dict[str, Any]]:
        """What is violated now; empty when nothing is."""
        return _a_list(await self.request("GET", f"{_town(town_id)}/invariants"))

    async def list_beads(
        self,
        town_id: str,
        rig_id: str,
        *,
        status: str | None = None,
        bead_type: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> list[dict[str, Any]]:
        query: Query = {"status": status, "type": bead_type, "limit": limit, "offset": offset}
        path = f"{_town(town_id)}/rigs/{_q(rig_id)}/beads"
        return _a_list(await self.request("GET", path, query=query))

    async def list_agents(self, town_id: str, rig_id: str) -> list[dict[str, Any]]:
        return _a_list(await self.request("GET", f"{_town(town_id)}/rigs/{_q(rig_id)}/agents"))

    async def list_sessions(
        self, town_id: str, *, bead_id: str | None = None
    ) -> list[dict[str, Any]]:
        path = f"{_town(town_id)}/sessions"
        return _a_list(await self.request("GET", path, query={"bead_id": bead_id}))

    async def list_events(
        self,
        user: str,
        town_id: str,
        *,
        since: str | None = None,
        after: int | None = None,
        limit: int | None = None,
    ) -> list[dict[str, Any]]:
        """The town's audit, oldest first. `since` is ISO text; `after` the `seq` seen last."""
        query: Query = {"since": since, "after": after, "limit": limit}
        path = f"{_user(user)}/towns/{_q(town_id)}/events"
        return _a_list(await self.request("GET", path, query=query))

    async def list_escalations(self, town_id: str) -> list[dict[str, Any]]:
        return _a_list(await self.request("GET", f"{_town(town_id)}/escalations"))


def _unwrapped(status: int, content: bytes) -> Any:
    if status == 204:
        return None
    try:
        answer = decode_json_as(content, dict[str, Any])
    except msgspec.DecodeError:
        answer = {}
    if "success" not in answer:
        raise ServerRefused(
            code="INVALID_ANSWER",
            status=status,
            message="The answer is not one of a boomtown server",
            request_id=None,
            details={},
        )
    if answer["success"] is True:
        return answer.get("data")
    raise ServerRefused(
        code=str(answer.get("code", "")),
        status=status,
        message=str(answer.get("error", "")),
        request_id=answer.get("requestId"),
        details=answer.get("details") or {},
        kind=answer.get("kind"),
        issues=answer.get("issues") or (),
    )


def _an_object(data: Any) -> dict[str, Any]:
    return msgspec.convert(data, dict[str, Any])


def _a_list(data: Any) -> list[dict[str, Any]]:
    return msgspec.convert(data, list[dict[str, Any]])


def _q(text: str) -> str:
    return quote(text, safe="")


def _user(user: str) -> str:
    return f"/api/users/{_q(user)}"


def _town(town_id: str) -> str:
    return f"/api/towns/{_q(town_id)}"


def _tools(town_id: str) -> str:
    return f"/api/mayor/{_q(town_id)}/tools"


def _cursors(town_id: str) -> str:
    return f"{_town(town_id)}/feed/cursors"


def _frame_of(block: bytes) -> FeedFrame | None:
    """A block of server-sent events; None for one that only directs browsers. Raises for the one
    by which a server says why it ends the stream."""
    fields = dict(line.split(b": ", 1) for line in block.split(b"\n") if b": " in line)
    data = decode_json_as(fields[b"data"], dict[str, Any]) if b"data" in fields else None
    if data is not None and fields.get(b"event") == b"closing":
        code, message = str(data.get("code", "")), str(data.get("error", ""))
        if code in _ENDS_TO_RETURN_FROM:
            raise ServerUnreachable(f"{message} ({code})")
        raise ServerRefused(code=code, status=0, message=message, request_id=None, details={})
    return FeedFrame(int(fields[b"id"]), data) if b"id" in fields else None
