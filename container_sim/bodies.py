"""The sessions of one control server: each gets a body, lives, ends, and stays known.

Theory of operation. A session is registered first and worked on after: `start` answers as soon as
the session is `starting`, and its heartbeats flow from that moment, so a clone of minutes looks
alive (town.md 10, row 68). One task per session then does, in this order: fetch, worktree, birth
of the agent, waiting while it is watched (agent_watch.py), the end of its whole process group and
of whatever else carries its mark, removal of the worktree, the change to `exited` or `failed`, and
the completion, told until it is heard. So whoever reads a final state knows that no process and no
worktree of the session is left.

Idempotent by session_id: the same session again is answered with its state, living or over; an
agent that has another living session is a conflict. Nothing is durable here but the ledger: when
the control server dies, the manager ends what the ledger names, and the town hears that the
instance is gone.

It does not judge whether a session should exist: that is the town's, which fences by session_id.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress
from typing import TypeVar

import msgspec

from boomtown.clock import Clock
from boomtown.container_sim.deadlines import deadline
from boomtown.container_sim.model import (
    AgentRole,
    BodyState,
    Conflict,
    SessionReport,
    Started,
    StartSession,
)
from boomtown.container_sim.town_link import TownLink
from boomtown.container_sim.workplace import AgentBody, Workplace
from boomtown.error_codes import ErrorCode
from boomtown.errors import BoomtownError
from boomtown.ids import AgentId, InstanceId, SessionId

T = TypeVar("T")

OVER = (BodyState.EXITED, BodyState.FAILED)
EVICTION = "container eviction"  # town.md 7.4
SAVE_MS_MAX = 4_000  # of the drain's 10 s, beside the agents' grace

log = logging.getLogger(__name__)


class Body:
    """One session. Changed by its own task only, but for the wish to stop."""

    def __init__(self, order: StartSession, instance_id: InstanceId) -> None:
        self.order = order
        self.report = SessionReport(
            session_id=order.session_id,
            agent_id=order.agent_id,
            instance_id=instance_id,
            state=BodyState.STARTING,
        )
        self.stop_wanted = asyncio.Event()
        self.stop_reason = ""
        self.is_at_fault = False  # stopped for a bound that the agent did not keep
        self.keeps_work = False  # killed by a person: what is not pushed is put aside
        self.grace_ms = order.stop_grace_ms
        self.changed = asyncio.Event()
        self.over = asyncio.Event()
        self.agent: AgentBody | None = None

    def move_to(self, state: BodyState) -> None:
        self.report = msgspec.structs.replace(self.report, state=state)
        self.changed.set()

    def want_stop(self, reason: str, *, grace_ms: int) -> None:
        """The first reason counts."""
        if not self.stop_wanted.is_set():
            self.stop_reason = reason
            self.grace_ms = grace_ms
            self.stop_wanted.set()

    def break_off(self, reason: str) -> None:
        """The agent is past one of its bounds."""
        if not self.stop_wanted.is_set():
            self.is_at_fault = True
            self.want_stop(reason, grace_ms=self.order.stop_grace_ms)


class Bodies:
    """All sessions that this control server was ever asked for."""

    def __init__(
        self,
        instance_id: InstanceId,
        workplace: Workplace,
        link: TownLink,
        clock: Clock,
        tasks: asyncio.TaskGroup,
        *,
        kill_wait_ms: int,
    ) -> None:
        self._instance_id = instance_id
        self._workplace = workplace
        self._link = link
        self._clock = clock
        self._tasks = tasks
        self._kill_wait_ms = kill_wait_ms
        self._bodies: dict[SessionId, Body] = {}
        self._running: list[asyncio.Task[None]] = []
        self._last_over_at_ms = clock.now_ms()

    def start(self, order: StartSession) -> Started | Conflict:
        """Register the session and begin with it."""
        started = self.find_started(order)
        if started is not None:
            return started
        holder = self.find_live_of_agent(order.agent_id)
        if holder is not None:
            return Conflict(holder_session_id=holder.session_id)
        body = Body(order, self._instance_id)
        self._bodies[order.session_id] = body
        name = f"session-{order.session_id}"
        self._running = [task for task in self._running if not task.done()]
        self._running.append(self._tasks.create_task(self._live(body), name=name))
        return Started(report=body.report, is_new=True)

    def find_started(self, order: StartSession) -> Started | None:
        """The answer to a start that was carried out before."""
        known = self._bodies.get(order.session_id)
        return None if known is None else Started(report=known.report, is_new=False)

    def find(self, session_id: SessionId) -> SessionReport | None:
        body = self._bodies.get(session_id)
        return None if body is None else body.report

    def find_output(self, session_id: SessionId) -> str | None:
        """The newest output of the session's agent; empty before its birth."""
        body = self._bodies.get(session_id)
        if body is None:
            return None
        return "" if body.agent is None else body.agent.output.text()

    def find_live_of_agent(self, agent_id: AgentId) -> SessionReport | None:
        return next((r for r in self.live_reports() if r.agent_id == agent_id), None)

    def find_latest_of_agent(self, agent_id: AgentId) -> SessionReport | None:
        reports = [b.report for b in self._bodies.values() if b.report.agent_id == agent_id]
        return reports[-1] if reports else None

    def live_reports(self) -> list[SessionReport]:
        """In the order of their starts."""
        return [b.report for b in self._bodies.values() if b.report.state not in OVER]

    def find_idle_since_at_ms(self) -> int | None:
        """When the last session was over, or this server began; None while a session lives."""
        return None if self.live_reports() else self._last_over_at_ms

    def reports(self) -> list[SessionReport]:
        """Living and over, in the order of their starts."""
        return [body.report for body in self._bodies.values()]

    async def stop(
        self, session_id: SessionId, reason: str, *, grace_ms: int, keeps_work: bool
    ) -> SessionReport | None:
        """End a session and return how it ended; None for one never heard of. A session that is
        over is returned as it is. `keeps_work`: what it has not pushed is put aside."""
        body = self._bodies.get(session_id)
        if body is None:
            return None
        body.keeps_work = body.keeps_work or keeps_work
        body.want_stop(reason, grace_ms=grace_ms)
        await body.over.wait()
        return body.report

    async def wait_finished(self) -> None:
        """Wait until each session there is now is over, but for a mayor's: it never finishes."""
        for body in list(self._bodies.values()):
            if body.order.role is not AgentRole.MAYOR:
                await body.over.wait()

    async def drain(self, *, grace_ms: int) -> None:
        """End all sessions, their work saved, and wait until each has told the town."""
        for body in self._bodies.values():
            body.want_stop(EVICTION, grace_ms=min(grace_ms, body.order.stop_grace_ms))
        if self._running:
            await asyncio.wait(self._running)

    def abandon(self) -> None:
        """Cancel what is still being told or done; the process is about to end."""
        for task in self._running:
            task.cancel()

    async def _live(self, body: Body) -> None:
        beats = self._tasks.create_task(self._beat(body), name=f"beat-{body.order.session_id}")
        try:
            ending = await self._run(body)
            kept = await self._leave(body)
        finally:
            beats.cancel()
        body.report = msgspec.structs.replace(ending, worktree=None, kept_worktree=kept)
        body.over.set()
        self._last_over_at_ms = self._clock.now_ms()
        log.info("session_over session=%s reason=%s", ending.session_id, ending.exit_reason)
        await self._link.report_completed(body.order, body.report)

    async def _run(self, body: Body) -> SessionReport:
        """From the preparation to the end of the last process; the session's last report."""
        try:
            if not await self._give_birth_unless_stopped(body):
                return self._ending(body, BodyState.EXITED, None, body.stop_reason)
            return await self._wait_end(body)
        except BoomtownError as error:
            log.warning("session_failed code=%s message=%s", error.code, error.message)
            ending = self._ending(body, BodyState.FAILED, None, error.code)
            return msgspec.structs.replace(ending, exit_message=error.message)
        except OSError:
            log.exception("session_failed session=%s", body.order.session_id)
            return self._ending(body, BodyState.FAILED, None, ErrorCode.CONTAINER_ERROR)

    async def _give_birth_unless_stopped(self, body: Body) -> bool:
        """False: the session was told to stop before its agent ran."""
        working = _begin(body, "birth", self._give_birth(body))
        stopping = _begin(body, "stop", body.stop_wanted.wait())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                return False
            working.result()
            return True
        finally:
            stopping.cancel()
            if working.cancel():
                await asyncio.wait({working})

    async def _give_birth(self, body: Body) -> None:
        worktree = await self._workplace.prepare(body.order)
        body.report = msgspec.structs.replace(body.report, worktree=str(worktree))
        body.agent = await self._workplace.spawn(body.order, worktree)
        body.report = msgspec.structs.replace(body.report, pid=body.agent.pid)
        body.move_to(BodyState.RUNNING)

    async def _wait_end(self, body: Body) -> SessionReport:
        agent = body.agent
        assert agent is not None
        exiting = _begin(body, "exit", agent.wait_exit())
        stopping = _begin(body, "stop", body.stop_wanted.wait())
        watching = self._tasks.create_task(
            self._watch(body, agent), name=f"watch-{body.order.session_id}"
        )
        try:
            with suppress(TimeoutError):
                async with deadline(self._clock, body.order.run_ms_max):
                    await asyncio.wait({exiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if exiting.done():
                code = exiting.result()
                await agent.end(grace_ms=0, kill_wait_ms=self._kill_wait_ms)
                return self._exit_report(body, code)
            is_timeout = not stopping.done()
            reason = "timeout" if is_timeout else body.stop_reason
        finally:
            exiting.cancel()
            stopping.cancel()
            watching.cancel()
        body.move_to(BodyState.STOPPING)
        ended = await agent.end(grace_ms=body.grace_ms, kill_wait_ms=self._kill_wait_ms)
        state = BodyState.FAILED if is_timeout or body.is_at_fault else BodyState.EXITED
        return self._ending(body, state, ended, reason)

    async def _watch(self, body: Body, agent: AgentBody) -> None:
        """Look at the agent at its birth and with each beat, until it is past a bound."""
        while (breach := await agent.find_breach()) is None:
            await self._clock.sleep_until_ms(self._clock.now_ms() + body.order.heartbeat_ms)
        log.warning("agent_broken_off session=%s reason=%s", body.order.session_id, breach)
        body.break_off(breach)

    async def _leave(self, body: Body) -> str | None:
        """Save or keep what is to be, remove the rest; where what was kept is now."""
        kept = None
        try:
            if body.stop_reason == EVICTION and body.report.worktree is not None:
                async with deadline(self._clock, SAVE_MS_MAX):
                    await self._workplace.save(body.order)
            elif body.keeps_work and body.report.worktree is not None:
                path = await self._workplace.keep(body.order)
                kept = None if path is None else str(path)
        except (BoomtownError, OSError, TimeoutError) as error:
            log.warning("work_not_saved session=%s error=%r", body.order.session_id, error)
        try:
            if kept is None:
                await self._workplace.leave(body.order)
        except (BoomtownError, OSError) as error:
            log.warning("worktree_left session=%s error=%r", body.order.session_id, error)
        return kept

    def _exit_report(self, body: Body, code: int) -> SessionReport:
        state = BodyState.EXITED if code == 0 else BodyState.FAILED
        reason = f"exit {code}" if code >= 0 else f"signal {-code}"
        return self._ending(body, state, code, reason)

    def _ending(self, body: Body, state: BodyState, code: int | None, reason: str) -> SessionReport:
        return msgspec.structs.replace(body.report, state=state, exit_code=code, exit_reason=reason)

    async def _beat(self, body: Body) -> None:
        """At once, at each change of state and every `heartbeat_ms`."""
        while True:
            body.changed.clear()
            at_ms = self._clock.now_ms() + body.order.heartbeat_ms
            output_at_ms = None if body.agent is None else body.agent.output.last_at_ms
            await self._link.send_heartbeat(body.order, body.report, last_output_at_ms=output_at_ms)
            timer = self._clock.call_at_ms(at_ms, body.changed.set)
            try:
                await body.changed.wait()
            finally:
                timer.cancel()


def _begin(body: Body, what: str, work: Coroutine[object, object, T]) -> asyncio.Task[T]:
    """A task that the caller ends: named, because the simulator orders and shows tasks by name."""
    return asyncio.create_task(work, name=f"{what}-{body.order.session_id}")
