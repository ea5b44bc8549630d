"""The scripted reviewer: judges a pull request by merging it and running the gates, and says so.

It works in its own detached worktree and pushes nothing: the merge is a trial. A conflict and a
gate that fails ask for changes, with what the author needs; anything else is approved. Its word
goes through the town's gateway, which posts it once however often it is said. Nobody may approve a
pull request of their own account: then the same word is said as a comment. A head that has moved
is not judged: the town asks again for the new one.
"""

from __future__ import annotations

from boomtown.container_sim.agent.ending import AgentFailed, CallRefused
from boomtown.container_sim.agent.merging import OUTPUT_TAIL_LENGTH
from boomtown.container_sim.agent.order import AgentOrder
from boomtown.container_sim.agent.surroundings import Surroundings, Worktree
from boomtown.container_sim.agent.town_api import TownApi
from boomtown.container_sim.model import Verdict
from boomtown.error_codes import ErrorCode

APPROVED, CHANGES_REQUESTED, COMMENTED = "approved", "changes_requested", "commented"


class Reviewer:
    """One patrol session."""

    def __init__(
        self, order: AgentOrder, api: TownApi, worktree: Worktree, surroundings: Surroundings
    ) -> None:
        self._session = order.session
        self._api = api
        self._worktree = worktree
        self._surroundings = surroundings

    async def run(self) -> None:
        """Judge, post, report."""
        asked = self._session.pull_request
        if asked is None:
            raise AgentFailed("the order names no pull request")
        await self._worktree.fetch()
        head = await self._worktree.find_head(f"refs/remotes/origin/{self._session.branch}")
        if head is None or head != asked.head_sha:
            seen = "gone" if head is None else f"at {head[:12]}"
            await self._report(Verdict.ABANDONED, f"The head is {seen} now")
            return
        verdict, words = await self._judge(head)
        try:
            await self._api.post_review(asked, verdict=verdict, body=words)
        except CallRefused as error:
            if error.code != ErrorCode.FORGE_REFUSED or verdict == COMMENTED:
                raise
            await self._api.post_review(asked, verdict=COMMENTED, body=f"{verdict}: {words}")
        self._surroundings.say(f"reviewed {asked.repo}#{asked.number}: {verdict}")
        await self._report(Verdict.SUBMITTED, f"{verdict}: {words}"[:200])

    async def _judge(self, head: str) -> tuple[str, str]:
        target = self._session.target_branch
        await self._worktree.stand_at(f"refs/remotes/origin/{target}")
        paths = await self._worktree.merge(head, f"Try {self._session.branch} on {target}")
        if paths:
            return CHANGES_REQUESTED, f"Conflicts with {target} in {', '.join(paths)}"
        for gate in self._session.gates:
            self._surroundings.say(f"gate {' '.join(gate)}")
            run = await self._surroundings.run(gate)
            if run.code != 0:
                tail = run.output[-OUTPUT_TAIL_LENGTH:]
                return CHANGES_REQUESTED, f"`{' '.join(gate)}` ended with {run.code}:\n{tail}"
        gates = len(self._session.gates)
        return APPROVED, f"Merges into {target}; gates passed: {gates}"

    async def _report(self, verdict: Verdict, summary: str) -> None:
        await self._api.report_done(branch=self._session.branch, verdict=verdict, summary=summary)
