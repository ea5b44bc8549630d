"""The command harness: any program as an agent, wrapped so that it need know nothing of towns.

The program runs in the worktree with the session's environment, its prompt as a placeholder, in a
file and on standard input, unless that is a terminal (terminal.py). Work: exit 0 with new commits
is submitted, exit 0 without any is abandoned, anything else fails the session; what it left
uncommitted is committed first. Patrol: it posts its review by itself, through the gateway; the
town believes the review, not the exit code. Review: it judges, in a worktree at the target; exit 0
lets the scripted merge go on, anything else asks for changes with the end of its output. It may as
well report by itself: a later report of ours is then answered `stale`, which ends us quietly.

The program is in our process group, so whoever ends us ends it.
"""

from __future__ import annotations

from boomtown.container_sim.agent.ending import AgentFailed
from boomtown.container_sim.agent.merging import OUTPUT_TAIL_LENGTH, Refinery
from boomtown.container_sim.agent.order import AgentOrder
from boomtown.container_sim.agent.scripted_work import push_work
from boomtown.container_sim.agent.surroundings import Run, Surroundings, Worktree
from boomtown.container_sim.agent.town_api import TownApi
from boomtown.container_sim.model import SessionKind, Verdict


class CommandWorker:
    """One session driven by a command."""

    def __init__(
        self, order: AgentOrder, api: TownApi, worktree: Worktree, surroundings: Surroundings
    ) -> None:
        self._order = order
        self._session = order.session
        self._api = api
        self._worktree = worktree
        self._surroundings = surroundings

    async def run(self) -> None:
        """Raises AgentFailed where the command did, SessionOver when the town has moved on."""
        if self._session.kind is SessionKind.WORK:
            await self._work()
        elif self._session.kind is SessionKind.PATROL:
            await self._patrol()
        else:
            await self._review()

    async def _work(self) -> None:
        before = await self._worktree.get_head()
        run = await self._converse()
        await self._surroundings.reach("container.crash@commit")
        await self._worktree.commit_all(self._session.title)
        if run.code != 0:
            raise AgentFailed(f"the agent command ended with {run.code}")
        verdict, summary = Verdict.ABANDONED, "The agent command made no commit"
        if await self._worktree.get_head() != before:
            await push_work(self._worktree, self._surroundings, self._session.branch)
            verdict, summary = Verdict.SUBMITTED, run.output.strip().rpartition("\n")[2][:200]
        await self._api.report_done(branch=self._session.branch, verdict=verdict, summary=summary)

    async def _review(self) -> None:
        run = await self._converse()
        if run.code != 0:
            feedback = run.output[-OUTPUT_TAIL_LENGTH:].strip()
            await self._api.request_changes(feedback or f"The reviewer ended with {run.code}")
            return
        await Refinery(self._order, self._api, self._worktree, self._surroundings).merge()

    async def _patrol(self) -> None:
        run = await self._converse()
        if run.code != 0:
            raise AgentFailed(f"the agent command ended with {run.code}")
        summary = run.output.strip().rpartition("\n")[2][:200]
        await self._api.report_done(
            branch=self._session.branch, verdict=Verdict.SUBMITTED, summary=summary
        )

    async def _converse(self) -> Run:
        return await self._surroundings.converse(self._order.harness.argv, self._session)
