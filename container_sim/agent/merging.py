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
from boomtown.container_sim.agent.pause import pause
from boomtown.container_sim.agent.repository import AgentRepository, PushOutcome, run_command
from boomtown.container_sim.agent.town_api import TownApi
from boomtown.container_sim.model import SessionKind, Verdict
from boomtown.container_sim.recipes import Judgement, ReviewStep, parse_recipe

HANG_S = 86_400.0
OUTPUT_TAIL_LENGTH = 4_000  # of a failed gate, for the one who must repair it


class Refinery:
    """One review or landing session."""

    def __init__(self, order: AgentOrder, api: TownApi, repository: AgentRepository) -> None:
        self._order = order
        self._session = order.session
        self._api = api
        self._repository = repository
        self._target = f"refs/remotes/origin/{self._session.target_branch}"
        self._branch = f"refs/remotes/origin/{self._session.branch}"

    def run_scripted(self) -> None:
        """Judge as the recipe says, a `merge_only` session and a landing by merging alone."""
        session = self._session
        is_judged = session.kind is SessionKind.REVIEW and not session.merge_only
        step = ReviewStep(judgement=Judgement.MERGE)
        if is_judged:
            step = parse_recipe(session.body).review_of_number(session.review_number)
        match step.judgement:
            case Judgement.MERGE:
                self.merge()
            case Judgement.CHANGES:
                self._api.request_changes(step.text)
            case Judgement.CONFLICT:
                self._say_failed("conflict", step.text or "the recipe says so")
            case Judgement.FAIL:
                raise AgentFailed(step.text or "the recipe says so")
            case Judgement.FORGET:
                self.merge(is_reported=False)
            case Judgement.HANG:
                pause(HANG_S)

    def merge(self, *, is_reported: bool = True) -> None:
        """Merge, check and push; report merged, a conflict or the gate that failed."""
        for _ in range(self._order.merge_tries_max):
            self._repository.fetch()
            head = self._repository.find_head(self._branch)
            if head is None:
                return self._say_failed("failed", f"Origin has no branch {self._session.branch}")
            if self._repository.is_ancestor(head, self._target):
                return self._say_merged(self._repository.get_head(self._target), is_reported)
            self._repository.git("checkout", "--detach", "--force", "--quiet", self._target)
            self._repository.git("clean", "-ffdxq")
            if not self._try_merge(head):
                return None
            if not self._pass_gates():
                return None
            commit = self._repository.get_head()
            match self._repository.push(self._session.target_branch):
                case PushOutcome.PUSHED:
                    return self._say_merged(commit, is_reported)
                case PushOutcome.REJECTED:
                    print("not fast-forward, merging once more", flush=True)
                case PushOutcome.FAILED:
                    raise AgentFailed("origin could not be reached for the push")
        raise AgentFailed(f"the target moved {self._order.merge_tries_max} times")

    def _try_merge(self, head: str) -> bool:
        message = f"Merge {self._session.branch} into {self._session.target_branch}"
        run = self._repository.try_git("merge", "--no-ff", "--quiet", "--message", message, head)
        if run.code == 0:
            return True
        paths = self._repository.git("diff", "--name-only", "--diff-filter=U").splitlines()
        self._repository.try_git("merge", "--abort")
        if not paths:
            raise AgentFailed(f"git merge failed: {run.output[-OUTPUT_TAIL_LENGTH:]}")
        self._say_failed("conflict", f"Conflict in {', '.join(paths)}")
        return False

    def _pass_gates(self) -> bool:
        for gate in self._session.gates:
            print(f"gate {' '.join(gate)}", flush=True)
            run = run_command(gate, self._repository.worktree, self._order.gate_ms_max / 1000)
            if run.code != 0:
                tail = run.output[-OUTPUT_TAIL_LENGTH:]
                words = " ".join(gate)
                self._api.request_changes(f"The gate `{words}` ended with {run.code}:\n{tail}")
                return False
        return True

    def _say_merged(self, commit: str, is_reported: bool) -> None:
        if is_reported:
            self._api.report_done(
                branch=self._session.branch, verdict=Verdict.MERGED, commit_sha=commit
            )

    def _say_failed(self, status: str, message: str) -> None:
        self._api.complete_review(self._session.bead_id, status=status, message=message)
