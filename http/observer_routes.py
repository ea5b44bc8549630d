"""The observer of the forges, from outside: its state, a recheck, a poll, and pull requests."""

from __future__ import annotations

from boomtown.actors.town.commands_of_observer import ClaimPr, PollForges, RecheckObserver
from boomtown.actors.town.questions_of_observer import GetObservers, ListPrs
from boomtown.container_sim.forge.model import PullRequestState
from boomtown.http.bodies import Body
from boomtown.http.calls import Call
from boomtown.http.query_parameters import find_choice, page_size
from boomtown.ids import AgentId, SessionId


class ClaimBody(Body, frozen=True, kw_only=True):
    pr: str  # an address, owner/name#7, #7 or 7
    takeover: bool = False


async def list_observers(call: Call) -> object:
    return await call.query(GetObservers())


async def recheck(call: Call) -> object:
    """The observer as it is now: the answer of the check comes later, on the feed and here."""
    await call.body(Body)
    return await call.execute(RecheckObserver())


async def poll(call: Call) -> object:
    """202: the repositories are looked at as soon as each may be asked."""
    await call.body(Body)
    return await call.execute(PollForges())


async def list_prs(call: Call) -> object:
    """By repository and number; `agent` and `state` narrow."""
    query = call.request.query
    agent = query.get("agent")
    return await call.query(
        ListPrs(
            agent_id=None if agent is None else AgentId(agent),
            state=find_choice(query, "state", PullRequestState),
            limit=page_size(query),
        )
    )


async def claim_pr(call: Call) -> object:
    body = await call.body(ClaimBody)
    session_id = SessionId(call.path["session"])
    command = ClaimPr(session_id=session_id, pr=body.pr[:2_048], takeover=body.takeover)
    return await call.execute(command)
