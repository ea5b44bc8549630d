"""The scripted refinery: judges a branch, merges it, runs the gates, pushes the target.

The merge is made in the refinery's own detached worktree and reaches origin by one plain push;
until that push nothing outside has changed, so a crash anywhere before it costs a session and no
more. A crash after it is found by the next session: the branch is then already merged, and it says
so. Not fast-forward means that somebody else pushed: fetch, merge and gates again, a bounded
number of times (decisions 49).
"""

from __future__ import annotations

from boomtown.container_sim.agent.ending import AgentFailed
from boomtown.container_sim.agent.order import AgentOrder
from boomtown.container_sim.agent.surroundings import PushOutcome, Surroundings, Worktree
from boomtown.container_sim.agent.town_api import TownApi
from boomtown.container_sim.model import SessionKind, Verdict
from boomtown.container_sim.recipes import Judgement, ReviewStep, parse_recipe

HANG_S = 86_400.0
OUTPUT_TAIL_LENGTH = 4_000  # of a failed gate, for the one who must repair it


class Refinery:
    """One review or landing session."""

    def __init__(
        self, order: AgentOrder, api: TownApi, worktree: Worktree, surroundings: Surroundings
    ) -> None:
        self._order = order
        self._session = order.session
        self._api = api
        self._worktree = worktree
        self._surroundings = surroundings
        self._target = f"refs/remotes/origin/{self._session.target_branch}"
        self._branch = f"refs/remotes/origin/{self._session.branch}"

    async def run_scripted(self) -> None:
        """Judge as the recipe says, a `merge_only` session and a landing by merging alone."""
        session = self._session
        is_judged = session.kind is SessionKind.REVIEW and not session.merge_only
        step = ReviewStep(judgement=Judgement.MERGE)
        if is_judged:
            step = parse_recipe(session.body).review_of_number(session.review_number)
        match step.judgement:
            case Judgement.MERGE:
                await self.merge()
            case Judgement.CHANGES:
                await self._api.request_changes(step.text)
            case Judgement.CONFLICT:
                await self._say_failed("conflict", step.text or "the recipe says so")
            case Judgement.FAIL:
                raise AgentFailed(step.text or "the recipe says so")
            case Judgement.FORGET:
                await self.merge(is_reported=False)
            case Judgement.HANG:
                await self._surroundings.pause(HANG_S)

    async def merge(self, *, is_reported: bool = True) -> None:
        """Merge, check and push; report merged, a conflict or the gate that failed."""
        for _ in range(self._order.merge_tries_max):
            await self._worktree.fetch()
            head = await self._worktree.find_head(self._branch)
            if head is None:
                missing = f"Origin has no branch {self._session.branch}"
                return await self._say_failed("failed", missing)
            target = await self._worktree.get_head(self._target)
            if await self._worktree.is_ancestor(head, target):
                return await self._say_merged(target, is_reported)
            await self._worktree.stand_at(target)
            if not await self._try_merge(head):
                return None
            if not await self._pass_gates():
                return None
            commit = await self._worktree.get_head()
            await self._surroundings.reach("container.crash@push")
            match await self._worktree.push(self._session.target_branch):
                case PushOutcome.PUSHED:
                    await self._surroundings.reach("container.crash@between merge and report")
                    return await self._say_merged(commit, is_reported)
                case PushOutcome.REJECTED:
                    self._surroundings.say("not fast-forward, merging once more")
                case PushOutcome.FAILED:
                    raise AgentFailed("origin could not be reached for the push")
        raise AgentFailed(f"the target moved {self._order.merge_tries_max} times")

    async def _try_merge(self, head: str) -> bool:
        message = f"Merge {self._session.branch} into {self._session.target_branch}"
        await self._surroundings.reach("container.crash@merge")
        paths = await self._worktree.merge(head, message)
        if not paths:
            return True
        await self._say_failed("conflict", f"Conflict in {', '.join(paths)}")
        return False

    async def _pass_gates(self) -> bool:
        for gate in self._session.gates:
            self._surroundings.say(f"gate {' '.join(gate)}")
            run = await self._surroundings.run(gate)
            if run.code != 0:
                tail = run.output[-OUTPUT_TAIL_LENGTH:]
                words = " ".join(gate)
                await self._api.request_changes(
                    f"The gate `{words}` ended with {run.code}:\n{tail}"
                )
                return False
        return True

    async def _say_merged(self, commit: str, is_reported: bool) -> None:
        if is_reported:
            await self._api.report_done(
                branch=self._session.branch, verdict=Verdict.MERGED, commit_sha=commit
            )

    async def _say_failed(self, status: str, message: str) -> None:
        await self._api.complete_review(self._session.bead_id, status=status, message=message)
