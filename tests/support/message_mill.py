"""A town whose messages are delivered late, twice, in another order, or never.

What agents and control servers say goes into a bag; a step takes one out and delivers it, delivers
it and leaves it there, or throws it away. Other steps make the containers' own answers bad, end
the container, restart the server, and let time pass. `heal` ends all mischief and lets every agent
do what it is for, so that a test can ask what became of the work.
"""

from __future__ import annotations

import enum
from typing import Any

import msgspec

from boomtown.actors.town.commands import Caller, CallerKind, Command
from boomtown.actors.town.commands_of_agents import (
    Heartbeat,
    ReportCompleted,
    ReportDone,
    RequestChanges,
)
from boomtown.actors.town.model import FINAL_STATUSES, BeadKind, Session, SessionState
from boomtown.actors.town.questions import CheckInvariants
from boomtown.actors.town.views import ListView
from boomtown.container_sim.model import Rejected, SessionKind, Unknown, Verdict
from boomtown.error_codes import ErrorCode
from boomtown.errors import BoomtownError
from support.scripted_containers import Reply
from support.town_steps import serial_tasks, sling, sling_convoy
from support.town_world import TownWorld, speaker

BEADS_MAX = 4
SPEAKERS_MAX = 4  # of the newest bodies, those over included
HEALING_ROUNDS = 60
PASSING_MS = (50, 50, 150, 150, 1_000, 5_000, 40_000, 100_000, 200_000)
_REFUSALS = (ErrorCode.SESSION_ENDED, ErrorCode.NOT_A_REVIEW)
_SILENCE = Unknown(reason="no answer")
_START_REPLIES = (
    Reply(outcome=_SILENCE),
    Reply(outcome=_SILENCE, is_effective=True),
    Reply(outcome=Rejected(code=ErrorCode.UNKNOWN_HARNESS, message="no")),
    Reply(after_ms=30_000),
    Reply(error=ConnectionError("cut")),
)
_STOP_REPLIES = (
    Reply(outcome=_SILENCE),
    Reply(outcome=_SILENCE, is_effective=True),
    Reply(after_ms=10_000),
)


class Verb(enum.StrEnum):
    SLING = "sling"
    SLING_CONVOY = "sling_convoy"
    PASS_TIME = "pass_time"
    SAY = "say"
    DELIVER = "deliver"
    DUPLICATE = "duplicate"
    DROP = "drop"
    SPOIL_START = "spoil_start"
    SPOIL_PROBE = "spoil_probe"
    SPOIL_STOP = "spoil_stop"
    END_CONTAINER = "end_container"
    RESTART = "restart"


class Step(msgspec.Struct, frozen=True):
    """`number` chooses among what the verb may be about, whatever there is."""

    verb: Verb
    number: int


class MessageMill:
    """Plays steps on one town."""

    def __init__(self, world: TownWorld) -> None:
        self._world = world
        self._bag: list[tuple[Command, Caller]] = []
        self._slung = 0

    async def play(self, step: Step) -> None:
        world, number = self._world, step.number
        match step.verb:
            case Verb.SLING if self._slung < BEADS_MAX:
                self._slung += 1
                await sling(world, f"Bead {self._slung}")
            case Verb.SLING_CONVOY if self._slung < BEADS_MAX:
                self._slung += 2
                await sling_convoy(world, *serial_tasks(2))
            case Verb.PASS_TIME:
                await world.advance_ms(PASSING_MS[number % len(PASSING_MS)])
            case Verb.SAY:
                await self._say(number)
            case Verb.DELIVER | Verb.DUPLICATE | Verb.DROP if self._bag:
                await self._handle_message(step)
            case Verb.SPOIL_START:
                world.containers.start_replies.append(_START_REPLIES[number % 5])
            case Verb.SPOIL_PROBE:
                world.containers.probe_replies.extend([Reply(outcome=_SILENCE)] * (number % 9))
            case Verb.SPOIL_STOP:
                world.containers.stop_replies.append(_STOP_REPLIES[number % 3])
            case Verb.END_CONTAINER if world.containers.instances:
                await world.end_instance()
            case Verb.RESTART:
                await world.restart()
            case _:
                await world.tick()

    async def broken(self) -> list[object]:
        """The invariants that do not hold at this instant."""
        view = await self._world.query(CheckInvariants())
        assert isinstance(view, ListView)
        return list(view.items)

    async def heal(self) -> None:
        """No more mischief: agents speak at once, and their words arrive."""
        containers = self._world.containers
        containers.start_replies.clear()
        containers.probe_replies.clear()
        containers.stop_replies.clear()
        for _ in range(HEALING_ROUNDS):
            await self._world.settle()
            for session in await self._world.live_sessions():
                if session.session_id in containers.sessions:
                    await self._finish(session)
            if await self._is_done():
                return
            await self._world.advance_ms(60_000)
        raise AssertionError(f"unfinished: {await self._world.live_sessions()}")

    async def _is_done(self) -> bool:
        if await self._world.live_sessions():
            return False
        kinds = (BeadKind.WORK, BeadKind.REWORK, BeadKind.REVIEW, BeadKind.LANDING)
        left = [
            bead.bead_id
            for kind in kinds
            for bead in await self._world.beads(kind)
            if bead.status not in FINAL_STATUSES
        ]
        held = await self._world.rows(
            "SELECT d.bead_id FROM bead_dependencies d JOIN beads b"
            " ON b.bead_id = d.depends_on_bead_id"
            " WHERE d.type = 'blocks' AND b.status = 'failed' ORDER BY d.bead_id"
        )
        return set(left) <= {bead_id for (bead_id,) in held}

    async def _finish(self, session: Session) -> None:
        if session.state == SessionState.ENDING:
            return
        is_work = session.kind == SessionKind.WORK
        await self._world.heartbeat(session.session_id)
        verdict = Verdict.SUBMITTED if is_work else Verdict.MERGED
        await self._world.done(session.session_id, verdict)

    async def _say(self, number: int) -> None:
        reports = list(self._world.containers.sessions.values())[-SPEAKERS_MAX:]
        if not reports:
            return
        session = await self._world.session(reports[number % len(reports)].session_id)
        self._bag.append(_words_of(session, number // SPEAKERS_MAX))

    async def _handle_message(self, step: Step) -> None:
        index = step.number % len(self._bag)
        command, caller = self._bag[index]
        if step.verb != Verb.DUPLICATE:
            del self._bag[index]
        if step.verb == Verb.DROP:
            return
        if isinstance(command, ReportCompleted) and caller.session_id is not None:
            self._end_body(command, caller)
        try:
            await self._world.execute(command, caller)
        except BoomtownError as error:
            # Refused whole, as it may be; anything else is a finding.
            if error.code not in _REFUSALS:
                raise

    def _end_body(self, command: ReportCompleted, caller: Caller) -> None:
        """A control server says so only when it is so."""
        session_id = caller.session_id
        if session_id is not None and session_id in self._world.containers.sessions:
            is_failure = command.status != "completed"
            self._world.containers.end_session(session_id, exit_code=int(is_failure))


def _words_of(session: Session, number: int) -> tuple[Command, Caller]:
    own: dict[str, Any] = {"rig_id": session.rig_id, "agent_id": session.agent_id}
    by_agent = speaker(session)
    by_server = speaker(session, kind=CallerKind.CONTAINER)
    own_verdict = Verdict.SUBMITTED if session.kind == SessionKind.WORK else Verdict.MERGED
    words: tuple[tuple[Command, Caller], ...] = (
        (Heartbeat(**own, instance_id=session.instance_id), by_server),
        (ReportDone(**own, branch=session.branch, verdict=own_verdict), by_agent),
        (ReportDone(**own, branch=session.branch, verdict=Verdict.ABANDONED), by_agent),
        (ReportDone(**own, branch=session.branch), by_agent),
        (RequestChanges(**own, feedback="Once more"), by_agent),
        (ReportCompleted(**own, status="completed"), by_server),
        (ReportCompleted(**own, status="failed", reason="exit 1", exit_code=1), by_server),
    )
    return words[number % len(words)]
