"""The agent's side of the town's HTTP: few calls, repeated until they are answered.

No answer, 5xx, 408, 425 and 429 are tried again with growing pauses, long enough for a server to be
killed and started anew; every repetition carries the same Idempotency-Key. A 401 is answered once
per call by asking for the session's next token, which the town gives while the session lives
(decisions 47). An answer with `stale: true`, or a refusal with SESSION_ENDED, raises SessionOver;
any other refusal raises CallRefused.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import msgspec

from boomtown.container_sim.agent.ending import AgentFailed, CallRefused, SessionOver
from boomtown.container_sim.agent.order import AgentOrder
from boomtown.container_sim.agent.surroundings import Surroundings
from boomtown.container_sim.model import PullRequestOrder
from boomtown.container_sim.town_calls import TownCalls
from boomtown.error_codes import ErrorCode
from boomtown.wire import decode_json_as, encode_json

PAUSES_S = (0.2, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0, 5.0, 5.0, 5.0)  # 33 s in all
TRY_AGAIN_STATUSES = (408, 425, 429)


class _Inner(msgspec.Struct, frozen=True):
    stale: bool = False
    token: str = ""


class _Answer(msgspec.Struct, frozen=True):
    data: _Inner | None = None
    code: str = ""


class TownApi:
    """Calls as one session."""

    def __init__(self, order: AgentOrder, calls: TownCalls, surroundings: Surroundings) -> None:
        session = order.session
        self._town_path = f"/api/towns/{session.town_id}"
        self._rig_path = f"/api/towns/{session.town_id}/rigs/{session.repository.rig_id}"
        self._agent_path = f"{self._rig_path}/agents/{session.agent_id}"
        self._session_id = session.session_id
        self._token = session.session_token
        self._calls = calls
        self._surroundings = surroundings
        self._numbers = itertools.count(1)

    async def report_done(self, *, branch: str, verdict: str, **facts: str) -> None:
        """Say what was achieved; `facts` are summary, commit_sha and the like."""
        body = {"branch": branch, "verdict": verdict, **facts}
        await self._post(f"{self._agent_path}/done", body)
        await self._surroundings.reach("container.crash@report")

    async def request_changes(self, feedback: str) -> None:
        await self._post(f"{self._agent_path}/request-changes", {"feedback": feedback})

    async def complete_review(self, bead_id: str, *, status: str, message: str) -> None:
        """Say that a merge could not be made: conflict or failed."""
        path = f"{self._rig_path}/review-queue/{bead_id}/complete"
        await self._post(path, {"status": status, "message": message})

    async def set_status(self, message: str) -> None:
        await self._post(f"{self._agent_path}/status", {"message": message[:280]})

    async def escalate(self, title: str) -> None:
        await self._post(f"{self._rig_path}/escalations", {"title": title})

    async def post_review(self, asked: PullRequestOrder, *, verdict: str, body: str) -> None:
        """Say a verdict about a pull request's head; the town posts it once."""
        args = {
            "repo": asked.repo,
            "number": asked.number,
            "head_sha": asked.head_sha,
            "verdict": verdict,
            "body": body,
        }
        await self._post(f"{self._town_path}/gateway/pr.review", {"args": args})

    async def _post(self, path: str, body: Mapping[str, object]) -> None:
        key = f"{self._session_id}-{next(self._numbers)}"
        data = encode_json(body)
        seen = ""
        is_refreshed = False
        for seconds in (*PAUSES_S, None):
            try:
                status, text = await self._send(path, data, key)
                if status == 401 and not is_refreshed and await self._refresh_token(text):
                    is_refreshed = True
                    status, text = await self._send(path, data, key)
            except (ConnectionError, TimeoutError) as error:
                seen = str(error) or type(error).__name__
            else:
                if status < 500 and status not in TRY_AGAIN_STATUSES:
                    return _judge(path, status, text)
                seen = f"status {status}"
            if seconds is not None:
                self._surroundings.say(f"town not reached ({seen}), trying again")
                await self._surroundings.pause(seconds)
        raise AgentFailed(f"the town did not answer {path}: {seen}")

    async def _refresh_token(self, refusal: bytes) -> bool:
        """Ask for the session's next token, unless the refusal says that the session is over."""
        if _decode(refusal).code == ErrorCode.SESSION_ENDED:
            return False
        key = f"{self._session_id}-{next(self._numbers)}"
        status, text = await self._send(f"{self._agent_path}/refresh-token", b"{}", key)
        answer = _decode(text)
        if status >= 400 or answer.data is None or not answer.data.token:
            return False
        self._token = answer.data.token
        return True

    async def _send(self, path: str, data: bytes, key: str) -> tuple[int, bytes]:
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Content-Type": "application/json",
            "Idempotency-Key": key,
            "X-Boomtown-Session-Id": self._session_id,
        }
        return await self._calls.call("POST", path, headers, data)


def _judge(path: str, status: int, text: bytes) -> None:
    answer = _decode(text)
    if status == 401 and answer.code == ErrorCode.SESSION_ENDED:
        raise SessionOver(f"{path} was answered {answer.code}")
    if status >= 400:
        raise CallRefused(f"{path} was refused: {status} {answer.code}", code=answer.code)
    if answer.data is not None and answer.data.stale:
        raise SessionOver(f"{path} was answered stale")


def _decode(text: bytes) -> _Answer:
    try:
        return decode_json_as(text or b"{}", _Answer)
    except msgspec.DecodeError:
        return _Answer()  # the status alone must do
