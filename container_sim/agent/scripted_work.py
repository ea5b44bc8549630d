"""The scripted worker: follows the recipe of its bead, commits, pushes, reports."""

from __future__ import annotations

from boomtown.container_sim.agent.ending import AgentFailed
from boomtown.container_sim.agent.order import AgentOrder
from boomtown.container_sim.agent.surroundings import PushOutcome, Surroundings, Worktree
from boomtown.container_sim.agent.town_api import TownApi
from boomtown.container_sim.model import Verdict
from boomtown.container_sim.recipes import ENDINGS, Recipe, Step, Verb, parse_recipe
from boomtown.ids import short_id

HANG_S = 86_400.0  # a hanging agent is ended by its run limit long before
SUMMARY_LENGTH_MAX = 200


class ScriptedWorker:
    """One working session."""

    def __init__(
        self, order: AgentOrder, api: TownApi, worktree: Worktree, surroundings: Surroundings
    ) -> None:
        self._session = order.session
        self._api = api
        self._worktree = worktree
        self._surroundings = surroundings

    async def run(self) -> None:
        """Do all steps in order. Raises RecipeError, AgentFailed, SessionOver."""
        for step in self._plan(parse_recipe(self._session.body)):
            self._surroundings.say(f"step {step.verb}")
            await self._perform(step)

    def _plan(self, recipe: Recipe) -> tuple[Step, ...]:
        if self._session.feedback:
            steps = recipe.rework or (
                Step(verb=Verb.APPEND, path="REWORK.md", text=self._session.feedback),
            )
        else:
            steps = recipe.work or (
                Step(
                    verb=Verb.CREATE,
                    path=f"work/{short_id(self._session.bead_id)}.md",
                    text=f"# {self._session.title}\n\n{self._session.body}\n",
                ),
            )
        if any(step.verb in ENDINGS for step in steps):
            return steps
        return (*steps, Step(verb=Verb.DONE))

    async def _perform(self, step: Step) -> None:
        match step.verb:
            case Verb.CREATE | Verb.APPEND | Verb.EDIT:
                await self._change_file(step)
            case Verb.RUN:
                run = await self._surroundings.run(step.argv)
                self._surroundings.say(run.output)
                if run.code != 0:
                    raise AgentFailed(f"{step.argv[0]} ended with {run.code}")
            case Verb.SLEEP:
                await self._surroundings.pause(step.seconds)
            case Verb.HANG:
                await self._surroundings.pause(HANG_S)
            case Verb.FAIL:
                raise AgentFailed(step.text or "the recipe says so")
            case Verb.STATUS:
                await self._api.set_status(step.text)
            case Verb.ASK:
                await self._api.escalate(step.text)
            case Verb.REQUEST_CHANGES:
                await self._api.request_changes(step.text)
            case Verb.COMMIT:
                await self._commit(step.text or self._session.title)
            case Verb.DONE | Verb.DONE_TWICE | Verb.DONE_LATE | Verb.FORGET_DONE:
                await self._finish(step)

    async def _finish(self, step: Step) -> None:
        await self._commit(self._session.title)
        await push_work(self._worktree, self._surroundings, self._session.branch)
        if step.verb is Verb.FORGET_DONE:
            return
        await self._surroundings.pause(step.seconds)
        for _ in range(2 if step.verb is Verb.DONE_TWICE else 1):
            await self._api.report_done(
                branch=self._session.branch,
                verdict=step.text or Verdict.SUBMITTED,
                summary=self._session.title[:SUMMARY_LENGTH_MAX],
            )

    async def _commit(self, message: str) -> None:
        await self._surroundings.reach("container.crash@commit")
        await self._worktree.commit_all(message)

    async def _change_file(self, step: Step) -> None:
        text = "" if step.verb is Verb.CREATE else await self._worktree.find_text(step.path) or ""
        if step.verb is Verb.EDIT:
            if step.old not in text:
                raise AgentFailed(f"{step.path} does not contain {step.old!r}")
            text = text.replace(step.old, step.text, 1)
        else:
            text += _with_newline(step.text)
        await self._worktree.write_text(step.path, text)


async def push_work(worktree: Worktree, surroundings: Surroundings, branch: str) -> None:
    """Push HEAD to a branch that only this bead's sessions write. Raises AgentFailed."""
    await surroundings.reach("container.crash@push")
    outcome = await worktree.push(branch)
    if outcome is not PushOutcome.PUSHED:
        raise AgentFailed(f"the push of {branch} was {outcome.value}")


def _with_newline(text: str) -> str:
    return text if text.endswith("\n") else text + "\n"
