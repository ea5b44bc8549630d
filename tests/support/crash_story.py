"""A town's life with every command in it, and every kind of effect: what the crash sweep walks.

One step is one command or one tick. The story reads ids from the tables, and moves no clock, so
that the same steps come in the same order whoever walks it.
"""

from __future__ import annotations

from typing import Any

from boomtown.actors.town import commands as c
from boomtown.actors.town.commands import Caller, CallerKind, ConvoyTask
from boomtown.actors.town.model import (
    BeadStatus,
    MergeMode,
    RigConfig,
    Session,
    SessionState,
    TownConfig,
)
from boomtown.container_sim.model import AgentRole, InstanceGone, SessionKind, Verdict
from boomtown.ids import AgentId, BeadId, InstanceId, RigId
from support.crash_points import Walk
from support.crash_story_sessions import deal_with_sessions
from support.town_world import RIG_ID, SYSTEM, TOWN_ID, speaker

OTHER_RIG = RigId("01890000-0000-7000-8000-000000000003")
HEIR = InstanceId("01890000-0000-7000-8000-0000000000fe")


async def tell(walk: Walk) -> None:
    """The whole story, from the town's making to its end."""
    await _found(walk)
    await _keep_beads(walk)
    await _attach_agents(walk)
    await _staff(walk)
    await deal_with_sessions(walk)
    await _work_and_rework(walk)
    await _prove_a_merge(walk)
    await _run_convoys(walk)
    await _hand_over(walk)
    await _end(walk)


async def _found(walk: Walk) -> None:
    init = c.InitTown(town_id=TOWN_ID, name="boom", owner_user_id="local", config=TownConfig())
    await walk.command(init, SYSTEM)
    for rig_id, name in ((RIG_ID, "app"), (OTHER_RIG, "lib")):
        rig = c.CreateRig(
            rig_id=rig_id,
            name=name,
            git_url=f"https://example.invalid/{name}.git",
            default_branch="main",
            config=RigConfig(),
        )
        await walk.command(rig)
    await walk.command(c.RenameTown(name="bust"))
    await walk.command(c.PutFeedCursor(consumer="panel", seq=1))
    await walk.command(c.DeleteFeedCursor(consumer="panel"))
    await walk.command(c.UpdateConfig(patch={"max_polecats_per_rig": 3}))
    await walk.command(c.UpdateRigConfig(rig_id=OTHER_RIG, patch={"max_polecats_per_rig": 2}))


async def _keep_beads(walk: Walk) -> None:
    await walk.command(c.SetPaused(is_paused=True))
    first = await _make_bead(walk, "First")
    second = await _make_bead(walk, "Second")
    await walk.command(
        c.UpdateBead(rig_id=RIG_ID, bead_id=first, title="The first", metadata={"k": 1})
    )
    set_status = c.SetBeadStatus(rig_id=RIG_ID, bead_id=first, status=BeadStatus.FAILED)
    await walk.command(set_status)
    await walk.command(c.RetryBead(rig_id=RIG_ID, bead_id=first))
    await walk.command(c.DeleteBeads(rig_id=RIG_ID, bead_ids=(second,)))
    for status in (BeadStatus.OPEN, BeadStatus.FAILED):
        await walk.command(c.DeleteBeadsByStatus(rig_id=RIG_ID, status=status))
    raised: Any = await walk.command(c.CreateEscalation(rig_id=RIG_ID, title="Look"))
    await walk.command(c.AcknowledgeEscalation(escalation_id=BeadId(raised.id)))


async def _attach_agents(walk: Walk) -> None:
    agent = await _hire(walk, "Ada")
    mayor: Any = await walk.command(c.GetOrCreateAgent(rig_id=RIG_ID, role=AgentRole.MAYOR))
    own: dict[str, Any] = {"rig_id": RIG_ID, "agent_id": agent}
    await walk.command(
        c.SendMail(
            rig_id=RIG_ID,
            from_agent_id=AgentId(mayor.id),
            subject="Hello",
            body="There",
            to_agent_id=agent,
        )
    )
    bead_id = await _make_bead(walk, "By hand")
    await walk.command(c.HookBead(**own, bead_id=bead_id))
    await walk.command(c.PrimeAgent(**own))
    await walk.command(c.CheckMail(**own))
    await walk.command(c.WriteCheckpoint(**own, data={"at": 1}))
    await walk.command(c.SetAgentStatus(**own, message="busy"))
    await walk.command(c.ReportWaiting(**own, fired_at_ms=None))
    await walk.command(c.UnhookBead(**own))
    await walk.command(c.ResetAgent(**own))
    await walk.command(c.DeleteBeads(rig_id=RIG_ID, bead_ids=(bead_id,)))
    await walk.command(c.DeleteAgent(**own))
    await walk.command(c.SetPaused(is_paused=False))


async def _staff(walk: Walk) -> None:
    """Coordinators come and go with workers and watches; one worker is dismissed at work."""
    heads: list[AgentId] = []
    for name in ("ann", "bob"):
        head: Any = await walk.command(c.HireAgent(role=AgentRole.ARCHITECT, name=name))
        heads.append(AgentId(head.id))
    await walk.command(c.HireAgent(template="polecat", rig_id=RIG_ID, name="w-1", boss="ann"))
    for repo in ("app", "web"):
        await walk.command(
            c.AddWatch(agent_id=heads[0], forge="https://f", repo_owner="acme", repo_name=repo)
        )
    [(watch_id,)] = await walk.world.rows("SELECT watch_id FROM watches WHERE repo_name = 'web'")
    await walk.command(c.RemoveWatch(agent_id=heads[0], watch_id=watch_id))
    await walk.command(c.ReassignWorkers(agent_id=heads[0], to="bob"))
    await walk.command(c.OffboardAgent(agent_id=heads[0], reason="done"))
    await walk.command(c.OffboardAgent(agent_id=heads[1], reassign_to="mayor"))
    await walk.command(c.SlingBead(rig_id=RIG_ID, title="Begin it"))
    work = await begin_session(walk, SessionKind.WORK)
    put = c.UseGateway(action="memory.put", args={"key": "k", "value": 1})
    await walk.command(put, speaker(work))
    await walk.command(c.OffboardAgent(agent_id=work.agent_id))
    again = await begin_session(walk, SessionKind.WORK)
    assert again.agent_id != work.agent_id
    await say_done(walk, again, Verdict.ABANDONED)
    await settle(walk)


async def _work_and_rework(walk: Walk) -> None:
    """Sling, submit, changes asked for, rework, review again, merged."""
    await walk.command(c.SlingBead(rig_id=RIG_ID, title="Paint it"))
    work = await begin_session(walk, SessionKind.WORK)
    await walk.command(c.RefreshSession(agent_id=work.agent_id), speaker(work))
    await say_done(walk, work, Verdict.SUBMITTED)
    review = await begin_session(walk, SessionKind.REVIEW)
    ask = c.RequestChanges(rig_id=RIG_ID, agent_id=review.agent_id, feedback="Brighter")
    await walk.command(ask, speaker(review))
    rework = await begin_session(walk, SessionKind.WORK)
    await say_done(walk, rework, Verdict.SUBMITTED)
    again = await begin_session(walk, SessionKind.REVIEW)
    completed = c.CompleteReview(
        rig_id=RIG_ID, review_id=again.bead_id, status="merged", commit_sha="c0ffee"
    )
    await walk.command(completed, speaker(again))
    await settle(walk)


async def _prove_a_merge(walk: Walk) -> None:
    """A done without a verdict, and reviews that people file and settle."""
    await walk.command(c.SlingBead(rig_id=RIG_ID, title="Prove it"))
    work = await begin_session(walk, SessionKind.WORK)
    await say_done(walk, work, Verdict.SUBMITTED)
    review = await begin_session(walk, SessionKind.REVIEW)
    walk.world.containers.merged_branches.add(review.branch)
    await say_done(walk, review, None)
    await settle(walk)
    await walk.command(c.UpdateConfig(patch={"approval": "every"}))
    bead_id = await _make_bead(walk, "Filed", rig_id=OTHER_RIG)
    filed: Any = await walk.command(
        c.SubmitReview(rig_id=OTHER_RIG, bead_id=bead_id, agent_id=None, branch="feature")
    )
    await walk.command(c.Approve(bead_id=BeadId(filed.bead_id), approve=False, note="No"))
    await walk.command(c.UpdateConfig(patch={"approval": "none"}))
    agent = await _hire(walk, "Bo", rig_id=OTHER_RIG)
    await walk.command(c.ReassignBead(rig_id=OTHER_RIG, bead_id=bead_id, agent_id=agent))
    await walk.command(c.DeleteRig(rig_id=OTHER_RIG, force=True))
    await settle(walk)


async def _run_convoys(walk: Walk) -> None:
    draft: Any = await walk.command(
        c.SlingConvoy(
            rig_id=RIG_ID,
            convoy_title="Fix",
            tasks=(ConvoyTask(title="One"), ConvoyTask(title="Two", depends_on=(0,))),
            staged=True,
        )
    )
    convoy_id = BeadId(draft.convoy.id)
    extra = await _make_bead(walk, "Extra", labels=("gt:held",))
    await walk.command(c.AddConvoyBead(convoy_id=convoy_id, bead_id=extra))
    await walk.command(c.RemoveConvoyBead(convoy_id=convoy_id, bead_id=extra))
    await walk.command(c.UpdateConvoy(convoy_id=convoy_id, merge_mode=MergeMode.REVIEW_THEN_LAND))
    await walk.command(c.StartConvoy(convoy_id=convoy_id))
    for kind in (SessionKind.WORK, SessionKind.REVIEW) * 2 + (SessionKind.LANDING,):
        session = await begin_session(walk, kind)
        is_work = kind == SessionKind.WORK
        await say_done(walk, session, Verdict.SUBMITTED if is_work else Verdict.MERGED)
    await settle(walk)
    second: Any = await walk.command(
        c.SlingConvoy(rig_id=RIG_ID, convoy_title="Drop", tasks=(ConvoyTask(title="Three"),))
    )
    await begin_session(walk, SessionKind.WORK)
    await walk.command(c.CloseConvoyByForce(convoy_id=BeadId(second.convoy.id)))
    await settle(walk)


async def _hand_over(walk: Walk) -> None:
    """A container that drains, one that fails an agent, and one that dies."""
    await walk.command(c.SlingBead(rig_id=RIG_ID, title="Carry on"))
    work = await begin_session(walk, SessionKind.WORK)
    draining = _container(work.instance_id)
    drained: Any = await walk.command(c.BeginDrain(), draining)
    note = c.ReportEviction(
        rig_id=RIG_ID, agent_id=work.agent_id, branch=work.branch, saved_at_ms=1
    )
    await walk.command(note, speaker(work, kind=CallerKind.CONTAINER))
    ended = c.ReportCompleted(
        rig_id=RIG_ID, agent_id=work.agent_id, status="failed", reason="container eviction"
    )
    walk.world.containers.end_session(work.session_id, exit_code=1)
    await walk.command(ended, speaker(work, kind=CallerKind.CONTAINER))
    events = c.ReportContainerEvents(events=({"kind": "note", "message": "bye"},))
    await walk.command(events, draining)
    await walk.tick()
    await walk.command(c.ClearDrain(nonce=drained.facts["drainNonce"]), _container(HEIR))
    again = await begin_session(walk, SessionKind.WORK)
    assert again.instance_id is not None
    gone = InstanceGone(
        town_id=TOWN_ID, instance_id=again.instance_id, exit_code=None, reason="crashed"
    )
    walk.world.containers.end_instance(TOWN_ID)
    await walk.command(c.ReportContainerGone(gone=gone), SYSTEM)
    last = await begin_session(walk, SessionKind.WORK)
    await say_done(walk, last, Verdict.ABANDONED)
    await settle(walk)


async def _end(walk: Walk) -> None:
    await walk.end(c.DestroyTown(force=True), SYSTEM)


async def _make_bead(
    walk: Walk, title: str, *, rig_id: RigId = RIG_ID, labels: tuple[str, ...] = ()
) -> BeadId:
    made: Any = await walk.command(c.CreateBead(rig_id=rig_id, title=title, labels=labels))
    return BeadId(made.bead_id)


async def _hire(walk: Walk, name: str, *, rig_id: RigId = RIG_ID) -> AgentId:
    hired: Any = await walk.command(
        c.RegisterAgent(
            rig_id=rig_id, role=AgentRole.POLECAT, name=name, identity=f"{name}-identity"
        )
    )
    return AgentId(hired.id)


async def begin_session(walk: Walk, kind: SessionKind) -> Session:
    """Tick until the session of that kind is accepted by its container, then let it live."""
    for _ in range(8):
        for session in await walk.world.live_sessions():
            is_accepted = session.state == SessionState.STARTING and session.instance_id
            if session.kind == kind and is_accepted:
                beat = c.Heartbeat(
                    rig_id=session.rig_id,
                    agent_id=session.agent_id,
                    instance_id=session.instance_id,
                )
                await walk.command(beat, speaker(session))
                return await walk.world.session(session.session_id)
        await walk.tick()
    raise AssertionError(f"no {kind} began")


async def say_done(walk: Walk, session: Session, verdict: Verdict | None) -> None:
    done = c.ReportDone(
        rig_id=session.rig_id, agent_id=session.agent_id, branch=session.branch, verdict=verdict
    )
    await walk.command(done, speaker(session))


async def settle(walk: Walk) -> None:
    """Tick until no session lives."""
    for _ in range(8):
        if not await walk.world.live_sessions():
            return
        await walk.tick()
    raise AssertionError("sessions live on")


def _container(instance_id: InstanceId | None) -> Caller:
    return Caller(kind=CallerKind.CONTAINER, user_id="local", instance_id=instance_id)
