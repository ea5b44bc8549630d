"""The containers' port as a town of a scenario sees it: a log of its calls, and answers as ordered.

Theory of operation. Stands before the real simulated containers. A `Script` is used up by the next
call of its verb that is about a session of its bead, in order: it may wait, and it may answer
something else than what is so, with or without the call taking effect. Everything else goes
through. A wrapper of ServerParts (a planted defect) stands behind this, so the log has what the
town asked for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import cast

import msgspec

from boomtown.actors.town.ports import Containers
from boomtown.clock import Clock
from boomtown.container_sim.model import (
    ProbeOutcome,
    StartOutcome,
    StartSession,
    StopOutcome,
)
from boomtown.ids import SessionId, TownId

Outcome = StartOutcome | ProbeOutcome | StopOutcome


class PortCall(msgspec.Struct, frozen=True, kw_only=True):
    """One call of the town, as it came."""

    verb: str  # start, probe, stop
    session_id: str
    at_ms: int


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """One ordered answer."""

    verb: str
    bead_id: str
    outcome: Outcome
    after_ms: int = 0
    is_effective: bool = False  # the call takes effect, whatever is answered


class PortLog:
    """What all lives of one town asked of its containers, and what they are to be told."""

    def __init__(self, clock: Clock, note_fault: Callable[[str], None]) -> None:
        self.calls: list[PortCall] = []
        self.starts: list[StartSession] = []
        self.doubles_starts = False  # each start arrives a second time
        self._scripts: list[Script] = []
        self._clock = clock
        self._note_fault = note_fault

    def order(self, script: Script, *, times: int) -> None:
        """Have the next `times` such calls answered so."""
        self._scripts.extend([script] * times)

    def drop_orders(self) -> None:
        """Answer what is so from now on."""
        self._scripts.clear()
        self.doubles_starts = False

    def calls_of(self, verb: str, session_id: str) -> list[PortCall]:
        return [call for call in self.calls if (call.verb, call.session_id) == (verb, session_id)]

    def starts_of(self, bead_id: str) -> list[str]:
        """The sessions that were started for a bead, one entry per call."""
        return [start.session_id for start in self.starts if start.bead_id == bead_id]

    def over(self, containers: Containers) -> Containers:
        """The port of one life."""
        return cast(Containers, ScriptedPort(containers, self))

    def note(self, verb: str, session_id: str) -> Script | None:
        """Write a call down; the script that it uses up, if any."""
        now_ms = self._clock.now_ms()
        self.calls.append(PortCall(verb=verb, session_id=session_id, at_ms=now_ms))
        beads = {start.session_id: start.bead_id for start in self.starts}
        for script in self._scripts:
            if (script.verb, script.bead_id) == (verb, beads.get(SessionId(session_id))):
                self._scripts.remove(script)
                self._note_fault(f"ordered answer to {verb}")
                return script
        return None

    async def wait(self, script: Script) -> None:
        await self._clock.sleep_until_ms(self._clock.now_ms() + script.after_ms)


class ScriptedPort:
    """Satisfies boomtown.actors.town.ports.Containers over another one."""

    def __init__(self, containers: Containers, log: PortLog) -> None:
        self._containers = containers
        self._log = log

    def __getattr__(self, name: str) -> Callable[..., Awaitable[object]]:
        method: Callable[..., Awaitable[object]] = getattr(self._containers, name)
        return method

    async def start_session(self, request: StartSession, *, timeout_ms: int) -> StartOutcome:
        async def really() -> StartOutcome:
            return await self._containers.start_session(request, timeout_ms=timeout_ms)

        self._log.starts.append(request)
        outcome = await self._answer("start", request.session_id, really)
        return await really() if self._log.doubles_starts else cast(StartOutcome, outcome)

    async def probe_session(
        self, town_id: TownId, session_id: SessionId, *, timeout_ms: int
    ) -> ProbeOutcome:
        async def really() -> ProbeOutcome:
            return await self._containers.probe_session(town_id, session_id, timeout_ms=timeout_ms)

        return cast(ProbeOutcome, await self._answer("probe", session_id, really))

    async def stop_session(
        self, town_id: TownId, session_id: SessionId, *, grace_ms: int, timeout_ms: int
    ) -> StopOutcome:
        async def really() -> StopOutcome:
            return await self._containers.stop_session(
                town_id, session_id, grace_ms=grace_ms, timeout_ms=timeout_ms
            )

        return cast(StopOutcome, await self._answer("stop", session_id, really))

    async def _answer(
        self, verb: str, session_id: str, really: Callable[[], Awaitable[Outcome]]
    ) -> Outcome:
        script = self._log.note(verb, session_id)
        if script is None:
            return await really()
        if script.is_effective:
            await really()
        await self._log.wait(script)
        return script.outcome
