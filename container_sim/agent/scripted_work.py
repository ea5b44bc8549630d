"""The scripted worker: follows the recipe of its bead, commits, pushes, reports."""

from __future__ import annotations

from pathlib import Path

from boomtown.container_sim.agent.ending import AgentFailed
from boomtown.container_sim.agent.order import AgentOrder
from boomtown.container_sim.agent.pause import pause
from boomtown.container_sim.agent.repository import AgentRepository, run_command
from boomtown.container_sim.agent.town_api import TownApi
from boomtown.container_sim.model import Verdict
from boomtown.container_sim.recipes import ENDINGS, Recipe, Step, Verb, parse_recipe
from boomtown.ids import short_id

HANG_S = 86_400.0  # a hanging agent is ended by its run limit long before
SUMMARY_LENGTH_MAX = 200


class ScriptedWorker:
    """One working session."""

    def __init__(self, order: AgentOrder, api: TownApi, repository: AgentRepository) -> None:
        self._order = order
        self._session = order.session
        self._api = api
        self._repository = repository

    def run(self) -> None:
        """Do all steps in order. Raises RecipeError, AgentFailed, SessionOver."""
        for step in self._plan(parse_recipe(self._session.body)):
            print(f"step {step.verb}", flush=True)
            self._perform(step)

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

    def _perform(self, step: Step) -> None:
        match step.verb:
            case Verb.CREATE | Verb.APPEND | Verb.EDIT:
                self._change_file(step)
            case Verb.RUN:
                run = run_command(
                    step.argv, self._repository.worktree, self._order.gate_ms_max / 1000
                )
                print(run.output, flush=True)
                if run.code != 0:
                    raise AgentFailed(f"{step.argv[0]} ended with {run.code}")
            case Verb.SLEEP:
                pause(step.seconds)
            case Verb.HANG:
                pause(HANG_S)
            case Verb.FAIL:
                raise AgentFailed(step.text or "the recipe says so")
            case Verb.STATUS:
                self._api.set_status(step.text)
            case Verb.ASK:
                self._api.escalate(step.text)
            case Verb.REQUEST_CHANGES:
                self._api.request_changes(step.text)
            case Verb.COMMIT:
                self._repository.commit_all(step.text or self._session.title)
            case Verb.DONE | Verb.DONE_TWICE | Verb.DONE_LATE | Verb.FORGET_DONE:
                self._finish(step)

    def _finish(self, step: Step) -> None:
        self._repository.commit_all(self._session.title)
        self._repository.push_work(self._session.branch)
        if step.verb is Verb.FORGET_DONE:
            return
        pause(step.seconds)
        for _ in range(2 if step.verb is Verb.DONE_TWICE else 1):
            self._api.report_done(
                branch=self._session.branch,
                verdict=step.text or Verdict.SUBMITTED,
                summary=self._session.title[:SUMMARY_LENGTH_MAX],
            )

    def _change_file(self, step: Step) -> None:
        path = self._find_place(step.path)
        match step.verb:
            case Verb.CREATE:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(_with_newline(step.text))
            case Verb.APPEND:
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("a") as file:
                    file.write(_with_newline(step.text))
            case _:
                text = path.read_text() if path.exists() else ""
                if step.old not in text:
                    raise AgentFailed(f"{step.path} does not contain {step.old!r}")
                path.write_text(text.replace(step.old, step.text, 1))

    def _find_place(self, name: str) -> Path:
        """Inside the worktree, also where a link of the repository points elsewhere."""
        root = self._repository.worktree.resolve()
        path = (root / name).resolve()
        if not path.is_relative_to(root):
            raise AgentFailed(f"{name} is outside the worktree")
        return path


def _with_newline(text: str) -> str:
    return text if text.endswith("\n") else text + "\n"
