"""Containers in memory that do what a test told them: the town's rule tests run against this.

Without a script every start succeeds and the session is `starting` until the test says more
(`run_session`, `end_session`, `end_instance`); nothing here reports to the town, the test hands
in heartbeats and completions itself. A `Reply` put into a script is used up by one call, in
order: it may wait on the clock, raise, answer something else than what is so, and it may happen
(`is_effective`) although the answer was lost.
"""

from __future__ import annotations

from collections import deque

import msgspec

from boomtown.clock import Clock
from boomtown.container_sim.model import (
    BodyState,
    Conflict,
    InstanceGone,
    Known,
    Looked,
    LookOrder,
    LookOutcome,
    MergeProof,
    NoContainer,
    NotFound,
    ProbeOutcome,
    ProofOutcome,
    Repository,
    SessionReport,
    Started,
    StartOutcome,
    StartSession,
    StopOutcome,
    Stopped,
)
from boomtown.ids import InstanceId, RigId, SessionId, TownId

Outcome = StartOutcome | ProbeOutcome | StopOutcome | ProofOutcome | LookOutcome
OVER = (BodyState.EXITED, BodyState.FAILED)


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """One scripted answer. With neither outcome nor error the call answers what is so."""

    outcome: Outcome | None = None
    error: Exception | None = None
    after_ms: int = 0
    is_effective: bool = False  # the call takes effect although `outcome` says otherwise


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One call as it came."""

    verb: str  # start, probe, stop, prove_merge, stop_container
    town_id: TownId
    session_id: SessionId | None = None
    at_ms: int


class ScriptedContainers:
    """Satisfies boomtown.actors.town.ports.Containers."""

    def __init__(self, clock: Clock) -> None:
        self.calls: list[Call] = []
        self.starts: list[StartSession] = []
        self.start_replies: deque[Reply] = deque()
        self.probe_replies: deque[Reply] = deque()
        self.stop_replies: deque[Reply] = deque()
        self.proof_replies: deque[Reply] = deque()
        self.sessions: dict[SessionId, SessionReport] = {}
        self.instances: dict[TownId, InstanceId] = {}
        self.ended_instances: dict[TownId, InstanceId] = {}
        self.look_replies: deque[Reply] = deque()
        self.looks: list[LookOrder] = []
        self.kept_worktrees: dict[SessionId, str] = {}  # what a kill would leave
        self.merged_branches: set[str] = set()
        self.peak_live_count = 0  # the most sessions of one agent that ever lived at once
        self._clock = clock

    async def start_session(self, request: StartSession, *, timeout_ms: int) -> StartOutcome:
        self._record("start", request.town_id, request.session_id)
        self.starts.append(request)
        reply = await self._next(self.start_replies)
        if reply.outcome is None or reply.is_effective:
            real = self._start(request)
            if reply.outcome is None:
                return real
        assert isinstance(reply.outcome, StartOutcome)
        return reply.outcome

    async def probe_session(
        self, town_id: TownId, session_id: SessionId, *, timeout_ms: int
    ) -> ProbeOutcome:
        self._record("probe", town_id, session_id)
        reply = await self._next(self.probe_replies)
        if reply.outcome is not None:
            assert isinstance(reply.outcome, ProbeOutcome)
            return reply.outcome
        found = self._find(town_id, session_id)
        return Known(report=found) if isinstance(found, SessionReport) else found

    async def stop_session(
        self, town_id: TownId, session_id: SessionId, *, grace_ms: int, timeout_ms: int
    ) -> StopOutcome:
        self._record("stop", town_id, session_id)
        reply = await self._next(self.stop_replies)
        if reply.outcome is not None and not reply.is_effective:
            assert isinstance(reply.outcome, StopOutcome)
            return reply.outcome
        found = self._find(town_id, session_id)
        if isinstance(found, SessionReport) and found.state not in OVER:
            found = self.end_session(session_id, exit_code=-15, reason="stopped")
        if reply.outcome is not None:
            assert isinstance(reply.outcome, StopOutcome)
            return reply.outcome
        return Stopped(report=found) if isinstance(found, SessionReport) else found

    async def kill_session(
        self, town_id: TownId, session_id: SessionId, *, grace_ms: int, timeout_ms: int
    ) -> StopOutcome:
        outcome = await self.stop_session(
            town_id, session_id, grace_ms=grace_ms, timeout_ms=timeout_ms
        )
        kept = self.kept_worktrees.get(session_id)
        if isinstance(outcome, Stopped) and kept is not None:
            report = msgspec.structs.replace(outcome.report, kept_worktree=kept)
            self.sessions[session_id] = report
            return Stopped(report=report)
        return outcome

    async def look(self, order: LookOrder, *, timeout_ms: int) -> LookOutcome:
        self.looks.append(order)
        reply = await self._next(self.look_replies)
        if reply.outcome is None:
            return Looked(obstacles=())
        assert isinstance(reply.outcome, LookOutcome)
        return reply.outcome

    async def discard_kept(
        self, rig_id: RigId, *, spared: tuple[str, ...], timeout_ms: int
    ) -> tuple[str, ...]:
        gone = {k: path for k, path in self.kept_worktrees.items() if path not in spared}
        for session_id in gone:
            del self.kept_worktrees[session_id]
        return tuple(sorted(gone.values()))

    async def prove_merge(
        self,
        town_id: TownId,
        repository: Repository,
        *,
        branch: str,
        target_branch: str,
        timeout_ms: int,
    ) -> ProofOutcome:
        self._record("prove_merge", town_id, None)
        reply = await self._next(self.proof_replies)
        if reply.outcome is not None:
            assert isinstance(reply.outcome, ProofOutcome)
            return reply.outcome
        return MergeProof(is_merged=branch in self.merged_branches, target_head="0" * 40)

    async def stop_container(self, town_id: TownId, *, timeout_ms: int) -> None:
        self._record("stop_container", town_id, None)
        self.end_instance(town_id)

    def run_session(self, session_id: SessionId) -> SessionReport:
        """The agent's process lives now."""
        return self._change(session_id, BodyState.RUNNING, None, None)

    def end_session(
        self, session_id: SessionId, *, exit_code: int, reason: str | None = None
    ) -> SessionReport:
        """The agent's process is gone; a signal or "stopped" counts as exited, as for real."""
        is_exited = exit_code == 0 or reason == "stopped"
        state = BodyState.EXITED if is_exited else BodyState.FAILED
        return self._change(session_id, state, exit_code, reason or f"exit {exit_code}")

    def end_instance(self, town_id: TownId, *, reason: str = "stopped") -> InstanceGone | None:
        """The container and all that it knew are gone; None when there is none."""
        instance_id = self.instances.pop(town_id, None)
        if instance_id is None:
            return None
        self.ended_instances[town_id] = instance_id
        kept = {k: r for k, r in self.sessions.items() if r.instance_id != instance_id}
        self.sessions = kept
        return InstanceGone(town_id=town_id, instance_id=instance_id, exit_code=None, reason=reason)

    def live_reports(self) -> list[SessionReport]:
        """The sessions that have a body, in the order of their starts."""
        return [report for report in self.sessions.values() if report.state not in OVER]

    def calls_of(self, verb: str) -> list[Call]:
        return [call for call in self.calls if call.verb == verb]

    def _start(self, request: StartSession) -> StartOutcome:
        if (known := self.sessions.get(request.session_id)) is not None:
            return Started(report=known, is_new=False)
        for report in self.live_reports():
            if report.agent_id == request.agent_id:
                return Conflict(holder_session_id=report.session_id)
        count = len(self.instances) + len(self.ended_instances)
        instance_id = self.instances.setdefault(
            request.town_id, InstanceId(f"instance-{count + 1}-{self._clock.now_ms()}")
        )
        report = SessionReport(
            session_id=request.session_id,
            agent_id=request.agent_id,
            instance_id=instance_id,
            state=BodyState.STARTING,
            pid=10_000 + len(self.sessions),
        )
        self.sessions[request.session_id] = report
        alike = [r for r in self.live_reports() if r.agent_id == request.agent_id]
        self.peak_live_count = max(self.peak_live_count, len(alike))
        return Started(report=report, is_new=True)

    def _find(
        self, town_id: TownId, session_id: SessionId
    ) -> SessionReport | NotFound | NoContainer:
        instance_id = self.instances.get(town_id)
        if instance_id is None:
            return NoContainer(ended_instance_id=self.ended_instances.get(town_id))
        report = self.sessions.get(session_id)
        return NotFound(instance_id=instance_id) if report is None else report

    def _change(
        self, session_id: SessionId, state: BodyState, exit_code: int | None, reason: str | None
    ) -> SessionReport:
        report = msgspec.structs.replace(
            self.sessions[session_id], state=state, exit_code=exit_code, exit_reason=reason
        )
        self.sessions[session_id] = report
        return report

    async def _next(self, replies: deque[Reply]) -> Reply:
        reply = replies.popleft() if replies else Reply()
        if reply.after_ms:
            await self._clock.sleep_until_ms(self._clock.now_ms() + reply.after_ms)
        if reply.error is not None:
            raise reply.error
        return reply

    def _record(self, verb: str, town_id: TownId, session_id: SessionId | None) -> None:
        now_ms = self._clock.now_ms()
        call = Call(verb=verb, town_id=town_id, session_id=session_id, at_ms=now_ms)
        self.calls.append(call)
