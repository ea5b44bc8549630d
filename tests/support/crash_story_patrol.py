"""The observer's life with every command, decision and effect of it: what the second crash sweep
walks.

People act at the forge between two steps, once per walk. Time passes between two looks only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from boomtown.actors.town import commands as c
from boomtown.actors.town.commands_of_observer import ClaimPr, PollForges, RecheckObserver
from boomtown.actors.town.commands_of_roster import (
    AddWatch,
    HireAgent,
    RemoveWatch,
    UseGateway,
)
from boomtown.actors.town.model import BeadStatus, RigConfig, SessionState, TownConfig
from boomtown.actors.town.observer_model import ObserverState
from boomtown.container_sim.forge.model import CheckStatus, PullRequest, RepositoryName
from boomtown.container_sim.model import SessionKind, Verdict
from boomtown.ids import AgentId
from support.crash_forge import CrashForgeWorld
from support.crash_points import TracedWalk, Walk
from support.crash_story import begin_session, say_done, settle
from support.forge_town import REPO
from support.town_world import RIG_ID, SYSTEM, TOWN_ID, speaker

LOOK_MS = 1_000  # between two looks: a wish to poll counts only after the last poll
GEARS = RepositoryName(owner="acme", name="gears")  # no rig is a clone of it


async def traced_patrol(data_dir: Path) -> TracedWalk:
    """The story told undisturbed, to a town of its own."""
    async with CrashForgeWorld(data_dir) as world:
        walk = TracedWalk(world)
        await tell_of_patrol(walk, world)
        return walk


async def tell_of_patrol(walk: Walk, world: CrashForgeWorld) -> None:
    """The whole story; `world` is the walk's."""
    reviewer = await _found(walk, world)
    await _review(walk, world)
    await _supersede(walk, world, reviewer)
    await _nudge_and_merge(walk, world)
    await _miss_a_rig(walk, world, reviewer)
    await _lose_the_token(walk, world)
    await _lose_the_forge(walk, world)


async def _found(walk: Walk, world: CrashForgeWorld) -> AgentId:
    init = c.InitTown(town_id=TOWN_ID, name="boom", owner_user_id="local", config=TownConfig())
    await walk.command(init, SYSTEM)
    rig = c.CreateRig(
        rig_id=RIG_ID,
        name="app",
        git_url=world.forge.git_url(REPO.full_name),
        default_branch="main",
        config=RigConfig(),
    )
    await walk.command(rig)
    hired: Any = await walk.command(HireAgent(template="code-review-engineer", name="rex"))
    reviewer = AgentId(hired.id)
    await walk.command(_watch(world, reviewer, REPO))
    await _calm(walk, world)
    assert (await world.observer()).state == ObserverState.ACTIVE
    return reviewer


async def _review(walk: Walk, world: CrashForgeWorld) -> None:
    """A request is opened, reviewed, and known as reviewed after the next start of the server."""
    pull = await world.open_pull()
    await _look(walk, world)
    session = await begin_session(walk, SessionKind.PATROL)
    args = {
        "repo": world.forge.git_url(REPO.full_name),
        "number": pull.number,
        "head_sha": pull.head_sha,
        "verdict": "approved",
        "body": "It is good.",
    }
    await walk.deed(UseGateway(action="pr.review", args=args), speaker(session))
    await _assert_said_once(world, pull)
    await say_done(walk, session, Verdict.SUBMITTED)
    await settle(walk)
    await world.pass_time(LOOK_MS)
    await world.boot()
    await _calm(walk, world)
    assert await world.patrols() == [("closed", pull.head_sha)]
    await _assert_said_once(world, pull)


async def _supersede(walk: Walk, world: CrashForgeWorld, reviewer: AgentId) -> None:
    """While nobody is sent to review, a head makes way for the next, and that for no watch."""
    await walk.command(c.SetPaused(is_paused=True))
    heads: list[str] = []
    for text in ("more\n", "and more\n"):
        heads.append(world.push("work", text))
        await _look(walk, world)
    asked = await world.patrols()
    assert asked[1:] == [("failed", heads[0]), ("open", heads[1])]
    [(watch_id,)] = await world.rows("SELECT watch_id FROM watches")
    await walk.command(RemoveWatch(agent_id=reviewer, watch_id=watch_id))
    await _calm(walk, world)
    assert (await world.patrols())[-1] == ("failed", heads[1])
    assert await world.prs() == []
    await walk.command(c.SetPaused(is_paused=False))


async def _nudge_and_merge(walk: Walk, world: CrashForgeWorld) -> None:
    """A worker owns the request of its branch and one that it claims; each failing check is told
    once, and the merge ends its work."""
    await walk.command(c.CreateBead(rig_id=RIG_ID, title="Widen it"))
    session = await begin_session(walk, SessionKind.WORK)
    own = await world.open_pull(session.branch)
    by_hand = await world.open_pull("by-hand")
    await walk.command(ClaimPr(session_id=session.session_id, pr=f"#{by_hand.number}"))
    subjects: list[str] = []
    for pull in (own, by_hand):
        await world.operator.set_check(
            REPO, head_sha=pull.head_sha, name="test", status=CheckStatus.FAILED, log="line 7"
        )
        await _look(walk, world)
        subjects.append(f"CI fails on #{pull.number}")
        await _look(walk, world)
        assert await world.mail_to(session.agent_id) == subjects
    assert [pr.agent_id for pr in await world.prs()] == [session.agent_id] * 2
    await world.merge(own)
    await _look(walk, world)
    await settle(walk)
    ended = await world.session(session.session_id)
    assert (ended.state, ended.end_reason) == (SessionState.ENDED, "pr_merged")
    assert (await world.bead(session.bead_id)).status == BeadStatus.CLOSED
    await _calm(walk, world)
    subjects.append(f"#{by_hand.number} conflicts with main")
    assert await world.mail_to(session.agent_id) == subjects


async def _miss_a_rig(walk: Walk, world: CrashForgeWorld, reviewer: AgentId) -> None:
    world.add_repository(GEARS.full_name)
    await walk.command(_watch(world, reviewer, GEARS))
    await _calm(walk, world)
    await world.open_pull("cogs", repo=GEARS)
    for _ in range(2):
        await _look(walk, world)
    assert len(await world.escalation_titles()) == 1


async def _lose_the_token(walk: Walk, world: CrashForgeWorld) -> None:
    """First a poll misses it, then a check; and a check finds it again."""
    world.has_token = False
    await _look(walk, world)
    assert len(await world.rows("SELECT * FROM observed_owners")) == 1
    await walk.command(RecheckObserver())
    await _calm(walk, world)
    assert (await world.observer()).state == ObserverState.DISABLED
    world.has_token = True
    await walk.command(RecheckObserver())
    await _calm(walk, world)
    assert (await world.observer()).state == ObserverState.ACTIVE
    assert (await world.topics("observer")).count("observer.disabled") == 1


async def _lose_the_forge(walk: Walk, world: CrashForgeWorld) -> None:
    """A check without an answer is made again."""
    world.way.failing.add("/rate_limit")
    await walk.command(RecheckObserver())
    await _calm(walk, world)
    assert (await world.observer()).state == ObserverState.DEGRADED
    world.way.failing.clear()
    await world.pass_time(world.limits.patrol_poll_ms)
    await _calm(walk, world)
    assert (await world.observer()).state == ObserverState.ACTIVE


async def _look(walk: Walk, world: CrashForgeWorld) -> None:
    """Somebody wants all repositories polled, and the town does it and reacts."""
    await world.pass_time(LOOK_MS)
    await walk.command(PollForges())
    await _calm(walk, world)


async def _calm(walk: Walk, world: CrashForgeWorld) -> None:
    """Tick until nothing is due and the last tick has changed nothing that is planned from."""
    for _ in range(12):
        await walk.tick()
        if await world.is_quiet():
            await walk.tick()
            if await world.is_quiet():
                return
    raise AssertionError("the town does not come to rest")


async def _assert_said_once(world: CrashForgeWorld, pull: PullRequest) -> None:
    assert [said.verdict.value for said in await world.reviews_at_forge(pull)] == ["approved"]
    assert await world.rows("SELECT head_sha FROM reviewed_prs") == [(pull.head_sha,)]


def _watch(world: CrashForgeWorld, agent_id: AgentId, repo: RepositoryName) -> AddWatch:
    return AddWatch(
        agent_id=agent_id,
        forge=world.forge.site.key,
        repo_owner=repo.owner,
        repo_name=repo.name,
    )
