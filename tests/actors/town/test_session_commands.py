"""Sessions by hand: the statements C1 to C4 and C6 of the roster's specification."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from boomtown.actors.town.commands_of_roster import HireAgent
from boomtown.actors.town.commands_of_sessions import (
    CleanUpSessions,
    KillSession,
    RestoreSession,
    RollBackSession,
    SendToSession,
    SpawnSession,
    SpawnWish,
)
from boomtown.actors.town.model import BeadStatus, Session, SessionState
from boomtown.actors.town.questions import ListSessions, PreflightSpawn
from boomtown.actors.town.views import AgentView, FactsView, ListView, PreflightView, SessionView
from boomtown.container_sim.model import AgentRole, Looked, Obstacle, Unknown, Verdict
from boomtown.error_codes import ErrorCode
from boomtown.errors import BoomtownError
from boomtown.ids import AgentId, BeadId, RigId, SessionId
from support.scripted_containers import Reply
from support.town_steps import run_session_of, sling
from support.town_world import RIG_ID, TownWorld

NOWHERE = RigId("01890000-0000-7000-8000-00000000dead")
NOBODY = AgentId("01890000-0000-7000-8000-00000000beef")


async def spawn(world: TownWorld, **fields: Any) -> SessionView:
    view = await world.execute(SpawnSession(wish=SpawnWish(rig_id=RIG_ID, **fields)))
    assert isinstance(view, SessionView)
    return view


async def refused(world: TownWorld, command: Any) -> BoomtownError:
    with pytest.raises(BoomtownError) as caught:
        await world.execute(command)
    return caught.value


async def refused_spawn(
    world: TownWorld, *, rig_id: RigId | None = RIG_ID, **fields: Any
) -> BoomtownError:
    """A refusal leaves every table as it was."""
    before = await all_rows(world)
    error = await refused(world, SpawnSession(wish=SpawnWish(rig_id=rig_id, **fields)))
    assert await all_rows(world) == before
    return error


async def all_rows(world: TownWorld) -> dict[str, list[tuple[Any, ...]]]:
    tables = await world.rows(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        " AND name NOT LIKE '\\_cf%' ESCAPE '\\' ORDER BY name"
    )
    return {name: await world.rows(f"SELECT * FROM {name}") for (name,) in tables}


def obstacle(code: ErrorCode, **details: str) -> Reply:
    found = Obstacle(code=code, message=f"because of {code}", details=details)
    return Reply(outcome=Looked(obstacles=(found,)))


async def killed(world: TownWorld) -> Session:
    """A session that ran, was killed, and is over."""
    view = await spawn(world, prompt="Write the docs")
    session = await run_session_of(world, BeadId(view.bead_id or ""))
    await world.execute(KillSession(session_id=session.session_id, force=True, reason="enough"))
    await world.settle()
    return await world.session(session.session_id)


@pytest.mark.parametrize("role", [AgentRole.POLECAT, AgentRole.ARCHITECT])
async def test_stmt_C01_unknown_rig_is_refused_before_any_row(
    tmp_path: Path, role: AgentRole
) -> None:
    async with TownWorld(tmp_path) as world:
        error = await refused_spawn(world, rig_id=NOWHERE, role=role)
        assert (error.code, error.http_status) == (ErrorCode.RIG_NOT_FOUND, 404)
        error = await refused_spawn(world, rig_id=None, role=role)
        assert (error.code, error.http_status) == (ErrorCode.RIG_ID_REQUIRED, 400)
        sessions = await world.query(ListSessions())
        assert isinstance(sessions, ListView)
        assert sessions.items == ()
        assert world.containers.looks == []


async def test_spawn_makes_its_bead_and_is_started_with_its_own_words(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        view = await spawn(world, prompt="Write the docs\nAll of them", branch="docs/all")
        assert (view.state, view.branch) == ("claimed", "docs/all")
        assert view.missing == ("handle", "worktree")
        await world.settle()
        (start,) = world.containers.starts
        assert (start.prompt, start.branch) == ("Write the docs\nAll of them", "docs/all")
        bead = await world.bead(BeadId(view.bead_id or ""))
        assert (bead.title, bead.status) == ("Write the docs", BeadStatus.IN_PROGRESS)


async def test_preflight_lists_every_finding_and_creates_nothing(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        await world.settle()
        before = await all_rows(world)
        wish = SpawnWish(
            rig_id=RIG_ID,
            prompt="x" * 5_000,
            agent_id=NOBODY,
            bead_id=BeadId(NOBODY),
            boss="Nobody",
        )
        view = await world.query(PreflightSpawn(wish=wish))
        assert isinstance(view, PreflightView)
        assert [finding.code for finding in view.findings] == [
            ErrorCode.PROMPT_TOO_LONG,
            ErrorCode.AGENT_NOT_FOUND,
            ErrorCode.NO_COORDINATOR,
            ErrorCode.BEAD_NOT_FOUND,
        ]
        assert await all_rows(world) == before
        world.containers.look_replies.append(obstacle(ErrorCode.UNKNOWN_HARNESS))
        view = await world.query(PreflightSpawn(wish=SpawnWish(rig_id=RIG_ID, boss="Nobody")))
        assert isinstance(view, PreflightView)
        assert [finding.code for finding in view.findings] == [
            ErrorCode.UNKNOWN_HARNESS,
            ErrorCode.NO_COORDINATOR,
        ]
        view = await world.query(PreflightSpawn(wish=SpawnWish(rig_id=RIG_ID)))
        assert isinstance(view, PreflightView)
        assert view.findings == ()


@pytest.mark.parametrize("missing", ["worktree", "branch"])
async def test_stmt_C02_restore_needs_a_worktree_and_a_branch(tmp_path: Path, missing: str) -> None:
    async with TownWorld(tmp_path) as world:
        session = await killed(world)
        empty = {"worktree": "worktree = NULL", "branch": "worktree = '/w', branch = ''"}
        await world.plant(f"UPDATE sessions SET {empty[missing]}")
        error = await refused(world, RestoreSession(session_id=session.session_id))
        assert (error.code, error.http_status) == (ErrorCode.SESSION_INCOMPLETE_HANDLE, 409)
        assert error.details["missing"] == [missing]


async def test_stmt_C02_kill_of_a_session_without_a_body_has_the_same_code(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        view = await spawn(world)
        before = await all_rows(world)
        error = await refused(world, KillSession(session_id=SessionId(view.id)))
        assert (error.code, error.http_status) == (ErrorCode.SESSION_INCOMPLETE_HANDLE, 409)
        assert error.details["missing"] == ["handle", "worktree"]
        assert set(error.details["remedies"]) == {"rollback", "force"}
        assert await all_rows(world) == before
        ended = await world.execute(KillSession(session_id=SessionId(view.id), force=True))
        assert isinstance(ended, SessionView)
        assert (ended.state, ended.end_reason) == ("ended", "killed")


async def test_stmt_C02_only_an_ended_session_is_restored(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        view = await spawn(world)
        error = await refused(world, RestoreSession(session_id=SessionId(view.id)))
        assert (error.code, error.http_status) == (ErrorCode.SESSION_NOT_RESTORABLE, 409)
        error = await refused(world, RestoreSession(session_id=SessionId(NOBODY)))
        assert (error.code, error.http_status) == (ErrorCode.SESSION_NOT_FOUND, 404)


async def test_restored_session_goes_on_in_what_was_kept(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        view = await spawn(world, prompt="Write", branch="docs/all")
        session = await run_session_of(world, BeadId(view.bead_id or ""))
        world.containers.kept_worktrees[session.session_id] = "/kept/one"
        await world.plant("UPDATE sessions SET worktree = '/w/one'")
        await world.execute(KillSession(session_id=session.session_id))
        await world.settle()
        over = await world.session(session.session_id)
        assert (over.state, over.kept_worktree) == (SessionState.ENDED, "/kept/one")
        assert over.ended_by == "operator:local"
        again = await world.execute(RestoreSession(session_id=session.session_id))
        assert isinstance(again, SessionView)
        assert (again.branch, again.restored_from) == ("docs/all", session.session_id)
        await world.settle()
        assert world.containers.starts[-1].kept_worktree == "/kept/one"
        facts = await world.execute(CleanUpSessions())
        assert isinstance(facts, FactsView)
        assert facts.facts == {"cleaned": [], "left": [session.session_id]}
        await world.execute(KillSession(session_id=SessionId(again.id), force=True))
        await world.settle()
        facts = await world.execute(CleanUpSessions())
        assert isinstance(facts, FactsView)
        assert facts.facts == {"cleaned": [session.session_id], "left": []}


async def test_stmt_C03a_branch_of_another_session_names_branch_and_path(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        await spawn(world, branch="docs/all")
        await world.plant("UPDATE sessions SET worktree = '/w/one'")
        error = await refused_spawn(world, branch="docs/all")
        assert (error.code, error.http_status) == (ErrorCode.BRANCH_CHECKED_OUT_ELSEWHERE, 409)
        assert "docs/all" in error.message
        assert "/w/one" in error.message


@pytest.mark.parametrize(
    ("code", "status"),
    [
        pytest.param(ErrorCode.BRANCH_CHECKED_OUT_ELSEWHERE, 409, id="stmt_C03a_elsewhere"),
        pytest.param(ErrorCode.BRANCH_NOT_FETCHED, 400, id="stmt_C03b_not_fetched"),
        pytest.param(ErrorCode.AGENT_BINARY_NOT_FOUND, 400, id="stmt_C06_no_binary"),
        pytest.param(ErrorCode.UNKNOWN_HARNESS, 400, id="stmt_C06_no_harness"),
        pytest.param(ErrorCode.INVALID_BRANCH, 400, id="stmt_C03b_no_name"),
        pytest.param(ErrorCode.GIT_UNREACHABLE, 502, id="stmt_C03b_unreachable"),
    ],
)
async def test_obstacle_outside_refuses_the_spawn_with_its_own_code(
    tmp_path: Path, code: ErrorCode, status: int
) -> None:
    async with TownWorld(tmp_path) as world:
        await world.settle()
        world.containers.look_replies.append(obstacle(code, branch="b"))
        error = await refused_spawn(world, branch="b")
        assert (error.code, error.http_status) == (code, status)
        assert error.details == {"branch": "b"}
        assert world.containers.starts == []


async def test_containers_that_do_not_answer_refuse_the_spawn(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        await world.settle()
        for reply in (Reply(outcome=Unknown(reason="timeout")), Reply(error=OSError("no"))):
            world.containers.look_replies.append(reply)
            error = await refused_spawn(world)
            assert error.code == ErrorCode.RUNTIME_UNAVAILABLE


async def test_stmt_C04a_rollback_of_a_seed_deletes_it_and_the_bead_it_made(
    tmp_path: Path,
) -> None:
    async with TownWorld(tmp_path) as world:
        view = await spawn(world, prompt="Write")
        facts = await world.execute(RollBackSession(session_id=SessionId(view.id)))
        assert isinstance(facts, FactsView)
        assert facts.facts == {
            "ok": True,
            "sessionId": view.id,
            "deleted": True,
            "killed": False,
        }
        assert await world.sessions() == []
        assert await world.rows("SELECT * FROM beads") == []
        told = await world.rows(
            "SELECT topic, entity_id, agent_id, session_id FROM feed_log WHERE session_id = ?1"
            " OR entity_id = ?1".replace("?1", f"'{view.id}'")
        )
        assert told == [("session.rolled_back", view.id, None, None)]
        verbs = await world.rows("SELECT verb, actor FROM roster_log")
        assert verbs == [("rolled_back", "operator:local")]
        await world.settle()
        assert world.containers.starts == []


async def test_stmt_C04a_rolled_back_seed_gives_its_bead_back(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        bead_id = await sling(world)
        (session,) = await world.sessions()
        facts = await world.execute(RollBackSession(session_id=session.session_id))
        assert isinstance(facts, FactsView)
        assert facts.facts["deleted"] is True
        bead = await world.bead(bead_id)
        assert (bead.status, bead.assignee_agent_id, bead.dispatch_attempts) == ("open", None, 0)


async def test_stmt_C04b_rollback_of_a_session_with_a_body_kills_it(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        view = await spawn(world, prompt="Write")
        session = await run_session_of(world, BeadId(view.bead_id or ""))
        facts = await world.execute(RollBackSession(session_id=session.session_id))
        assert isinstance(facts, FactsView)
        assert (facts.facts["deleted"], facts.facts["killed"]) == (False, True)
        await world.settle()
        over = await world.session(session.session_id)
        assert (over.state, over.end_reason) == (SessionState.ENDED, "rolled_back")
        assert len(world.containers.calls_of("stop")) == 1
        assert world.containers.live_reports() == []


async def test_stmt_C04c_rollback_of_an_ended_session_changes_nothing(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        session = await killed(world)
        before = await all_rows(world)
        facts = await world.execute(RollBackSession(session_id=session.session_id))
        assert isinstance(facts, FactsView)
        assert (facts.facts["deleted"], facts.facts["killed"]) == (False, False)
        assert await all_rows(world) == before


async def test_stmt_C04d_the_log_of_a_session_with_a_body_is_untouched(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        view = await spawn(world, prompt="Write")
        session = await run_session_of(world, BeadId(view.bead_id or ""))
        logs = (
            "SELECT * FROM bead_events WHERE session_id = ? ORDER BY seq",
            "SELECT * FROM feed_log WHERE session_id = ? ORDER BY seq",
        )
        before = [await world.rows(log, session.session_id) for log in logs]
        await world.execute(RollBackSession(session_id=session.session_id))
        after = [await world.rows(log, session.session_id) for log in logs]
        for known, now in zip(before, after, strict=True):
            assert known
            assert now[: len(known)] == known


async def test_stmt_C04e_rollback_of_an_unknown_session_is_benign(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        facts = await world.execute(RollBackSession(session_id=SessionId(NOBODY)))
        assert isinstance(facts, FactsView)
        assert facts.facts == {
            "ok": True,
            "sessionId": NOBODY,
            "deleted": False,
            "killed": False,
        }


async def test_kill_is_idempotent_and_its_late_words_are_stale(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        session = await killed(world)
        assert (await world.bead(session.bead_id)).labels == ("gt:held",)
        again = await world.execute(KillSession(session_id=session.session_id))
        assert isinstance(again, SessionView)
        assert (again.state, again.freed) == ("ended", True)
        posted = await world.done(session.session_id, Verdict.SUBMITTED)
        assert getattr(posted, "stale", None) is True
        bead = await world.bead(session.bead_id)
        assert bead.dispatch_attempts == 0


async def test_spawn_that_is_rolled_back_before_its_start_is_marked(tmp_path: Path) -> None:
    """A rollback that comes while the start is on its way: the body that comes is stopped."""
    async with TownWorld(tmp_path) as world:
        view = await spawn(world, prompt="Write")
        world.containers.start_replies.append(Reply(after_ms=5_000))
        await world.settle()
        facts = await world.execute(RollBackSession(session_id=SessionId(view.id)))
        assert isinstance(facts, FactsView)
        assert (facts.facts["deleted"], facts.facts["killed"]) == (False, True)
        await world.advance_ms(20_000)
        await world.settle()
        assert world.containers.live_reports() == []
        assert (await world.session(SessionId(view.id))).state == SessionState.ENDED


async def test_what_is_sent_is_mail_for_the_living(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        view = await spawn(world)
        session_id = SessionId(view.id)
        await world.execute(SendToSession(session_id=session_id, message="Go on"))
        (row,) = await world.rows("SELECT to_agent_id, delivered_at_ms FROM mail")
        assert row == (view.agent_id, None)
        for message, code in (
            ("  ", ErrorCode.MESSAGE_REQUIRED),
            (None, ErrorCode.MESSAGE_REQUIRED),
            ("x" * 9_000, ErrorCode.MESSAGE_TOO_LONG),
        ):
            error = await refused(world, SendToSession(session_id=session_id, message=message))
            assert (error.code, error.http_status) == (code, 400)
        await world.execute(KillSession(session_id=session_id, force=True))
        error = await refused(world, SendToSession(session_id=session_id, message="Go on"))
        assert (error.code, error.http_status) == (ErrorCode.SESSION_TERMINATED, 409)


async def test_spawn_puts_nobody_below_itself(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        heads: list[AgentId] = []
        for name in ("ann", "bob"):
            head = await world.execute(HireAgent(role=AgentRole.ARCHITECT, name=name))
            assert isinstance(head, AgentView)
            heads.append(AgentId(head.id))
        await world.plant(f"UPDATE agents SET boss_id = '{heads[0]}' WHERE name = 'bob'")
        error = await refused_spawn(world, agent_id=heads[0], boss="bob")
        assert (error.code, error.http_status) == (ErrorCode.REASSIGN_TARGET_INVALID, 400)
        worker = await spawn(world, boss="bob")
        (row,) = await world.rows("SELECT boss_id FROM agents WHERE agent_id = ?", worker.agent_id)
        assert row == (heads[1],)


async def test_i19_an_ending_that_nobody_logged_is_reported(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        await killed(world)
        await world.tick_now()
        assert await world.violations() == []
        await world.plant("DELETE FROM roster_log")
        await world.tick_now()
        assert [found.name for found in await world.violations()] == ["ending_is_logged"]


async def test_i4_a_session_of_one_who_has_left_is_reported(tmp_path: Path) -> None:
    async with TownWorld(tmp_path) as world:
        view = await spawn(world)
        await world.plant(
            f"UPDATE agents SET employment = 'offboarded' WHERE agent_id = '{view.agent_id}'"
        )
        await world.tick_now()
        assert "left_has_no_session" in [found.name for found in await world.violations()]
