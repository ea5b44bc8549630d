"""One session from its first step to its exit code, whichever world it runs in."""

from __future__ import annotations

from boomtown.container_sim.agent.command import CommandWorker
from boomtown.container_sim.agent.ending import AgentFailed, SessionOver
from boomtown.container_sim.agent.merging import Refinery
from boomtown.container_sim.agent.order import AgentOrder
from boomtown.container_sim.agent.reviewing import Reviewer
from boomtown.container_sim.agent.scripted_work import ScriptedWorker
from boomtown.container_sim.agent.surroundings import Surroundings, Worktree
from boomtown.container_sim.agent.town_api import TownApi
from boomtown.container_sim.model import SessionKind
from boomtown.container_sim.recipes import RecipeError
from boomtown.container_sim.town_calls import TownCalls


async def run_session(
    order: AgentOrder, calls: TownCalls, worktree: Worktree, surroundings: Surroundings
) -> int:
    """Do what the session is for. 0: it has been said to the town, or the town has moved on; 1:
    it could not be done, and the last line of the output says why."""
    api = TownApi(order, calls, surroundings)
    try:
        if order.harness.argv and not order.session.merge_only:
            await CommandWorker(order, api, worktree, surroundings).run()
        elif order.session.kind is SessionKind.PATROL:
            await Reviewer(order, api, worktree, surroundings).run()
        elif order.session.kind is SessionKind.WORK:
            await ScriptedWorker(order, api, worktree, surroundings).run()
        else:
            await Refinery(order, api, worktree, surroundings).run_scripted()
    except SessionOver as error:
        surroundings.say(f"session over: {error}")
    except (AgentFailed, RecipeError, OSError) as error:
        surroundings.say(f"failed: {error}")
        return 1
    return 0
