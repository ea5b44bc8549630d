"""Carries what containers and agents say to the town, and withholds what a scenario names.

Theory of operation. Every call of the control servers and agents of a world passes `call`. A
withheld letter is kept once, however often its sender repeats it; the sender either sees a broken
connection, and tries again as long as it does, or is told that the town has it. `deliver` brings a
kept letter, or one made by `write_as`, over the same network as all others: late, out of order, or
a second time, with the credential that it was written with. `lift` ends all withholding; letters
that were never delivered stay undelivered.

One courier serves all lives of the server; it keeps nothing durable.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from boomtown.container_sim.town_calls import TownCalls
from boomtown.wire import decode_json, encode_json

SESSION_HEADER = "X-Boomtown-Session-Id"
KEY_HEADER = "Idempotency-Key"
TAKEN = b'{"success":true,"data":{"accepted":true,"stale":false}}'


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """One call."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def verb(self) -> str:
        """The last word of the path: heartbeat, done, completed, complete."""
        return self.path.rpartition("/")[2]

    @property
    def session_id(self) -> str:
        return self.headers.get(SESSION_HEADER, "")


class Withheld:
    """What one order of withholding has kept; made by `Courier.withhold`."""

    def __init__(self, verb: str, session_id: str | None, *, is_taken: bool) -> None:
        self.letters: list[Letter] = []
        self.is_over = False
        self._verb = verb
        self._session_id = session_id
        self._is_taken = is_taken

    def lift(self) -> None:
        """Let letters through from now on."""
        self.is_over = True

    def keep(self, letter: Letter) -> tuple[int, bytes] | None:
        """None: not ours. Raises ConnectionError where the sender is to see one."""
        is_ours = self._session_id in (None, letter.session_id) and letter.verb == self._verb
        if self.is_over or not is_ours:
            return None
        key = letter.headers.get(KEY_HEADER)
        if key is None or key not in [kept.headers.get(KEY_HEADER) for kept in self.letters]:
            self.letters.append(letter)
        if self._is_taken:
            return 202, TAKEN
        raise ConnectionError("withheld")


class Courier:
    """Satisfies TownCalls over another one."""

    def __init__(self, calls: TownCalls, note_fault: Callable[[str], None]) -> None:
        self.calls = calls  # what a planted defect replaces
        self._orders: list[Withheld] = []
        self._newest: dict[tuple[str, str], Letter] = {}  # by session and verb
        self._written = 0
        self._note_fault = note_fault

    async def call(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, bytes]:
        letter = Letter(method=method, path=path, headers=dict(headers), body=body)
        self._newest[letter.session_id, letter.verb] = letter
        for order in self._orders:
            answer = order.keep(letter)
            if answer is not None:
                return answer
        return await self.calls.call(method, path, headers, body)

    def withhold(self, verb: str, session_id: str | None, *, is_taken: bool) -> Withheld:
        """Keep what this session, or with None any, says with this verb; `is_taken`: its sender
        is told 202."""
        self._note_fault(f"withheld {verb}")
        order = Withheld(verb, session_id, is_taken=is_taken)
        self._orders.append(order)
        return order

    def lift(self) -> None:
        """End all withholding."""
        for order in self._orders:
            order.lift()

    def write_as(self, session_id: str, verb: str, body: object) -> Letter:
        """A letter of this session with its container's credential; it must have had a
        heartbeat."""
        model = self._newest[session_id, "heartbeat"]
        self._written += 1
        return msgspec.structs.replace(
            model,
            path=model.path.removesuffix("heartbeat") + verb,
            headers=model.headers | {KEY_HEADER: f"written-{self._written}"},
            body=encode_json(body),
        )

    async def deliver(self, letter: Letter) -> tuple[int, Any]:
        """The town's answer: its status, and its data."""
        status, text = await self.calls.call(
            letter.method, letter.path, letter.headers, letter.body
        )
        return status, decode_json(text).get("data")
