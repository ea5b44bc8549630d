"""The command harness: any program as an agent, wrapped so that it need know nothing of towns.

The program runs in the worktree with the session's environment, its prompt as a placeholder, in a
file and on standard input. Work: exit 0 with new commits is submitted, exit 0 without any is
abandoned, anything else fails the session; what it left uncommitted is committed first. Review: it
judges, in a worktree at the target; exit 0 lets the scripted merge go on, anything else asks for
changes with the end of its output. It may as well report by itself: a later report of ours is then
answered `stale`, which ends us quietly.

The program is in our process group, so whoever ends us ends it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from collections import deque
from pathlib import Path

from boomtown.container_sim.agent.ending import AgentFailed
from boomtown.container_sim.agent.merging import OUTPUT_TAIL_LENGTH, Refinery
from boomtown.container_sim.agent.order import AgentOrder
from boomtown.container_sim.agent.repository import AgentRepository
from boomtown.container_sim.agent.town_api import TownApi
from boomtown.container_sim.harnesses import fill_command
from boomtown.container_sim.model import SessionKind, Verdict

TAIL_LINES = 200


class CommandWorker:
    """One session driven by a command."""

    def __init__(self, order: AgentOrder, api: TownApi, repository: AgentRepository) -> None:
        self._order = order
        self._session = order.session
        self._api = api
        self._repository = repository

    def run(self) -> None:
        """Raises AgentFailed where the command did, SessionOver when the town has moved on."""
        if self._session.kind is SessionKind.WORK:
            self._work()
        else:
            self._review()

    def _work(self) -> None:
        before = self._repository.get_head()
        code, tail = self._run_command()
        self._repository.commit_all(self._session.title)
        if code != 0:
            raise AgentFailed(f"the agent command ended with {code}")
        verdict, summary = Verdict.ABANDONED, "The agent command made no commit"
        if self._repository.get_head() != before:
            self._repository.push_work(self._session.branch)
            verdict, summary = Verdict.SUBMITTED, tail.strip().rpartition("\n")[2][:200]
        self._api.report_done(branch=self._session.branch, verdict=verdict, summary=summary)

    def _review(self) -> None:
        code, tail = self._run_command()
        if code != 0:
            feedback = tail[-OUTPUT_TAIL_LENGTH:].strip()
            self._api.request_changes(feedback or f"The reviewer ended with {code}")
            return
        Refinery(self._order, self._api, self._repository).merge()

    def _run_command(self) -> tuple[int, str]:
        """Exit code and the end of the output, which goes on to our own output as it comes."""
        prompt = self._session.prompt
        with tempfile.TemporaryDirectory(prefix="boomtown-prompt-") as folder:
            prompt_file = Path(folder) / "prompt.md"
            prompt_file.write_text(prompt)
            values = {
                "prompt": prompt,
                "prompt_file": str(prompt_file),
                "bead_id": self._session.bead_id,
                "branch": self._session.branch,
                "worktree": str(self._repository.worktree),
            }
            try:
                process = subprocess.Popen(
                    fill_command(self._order.harness.argv, values),
                    cwd=self._repository.worktree,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    errors="replace",
                )
            except OSError as error:
                raise AgentFailed(f"the agent command cannot be run: {error}") from error
            return _converse(process, prompt)


def _converse(process: subprocess.Popen[str], prompt: str) -> tuple[int, str]:
    assert process.stdin is not None
    assert process.stdout is not None
    # In a thread: a command that prints before it reads would block both of us otherwise.
    feeder = threading.Thread(target=_feed, args=(process, prompt), daemon=True)
    feeder.start()
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    for line in process.stdout:
        sys.stdout.write(line)
        sys.stdout.flush()
        tail.append(line)
    return process.wait(), "".join(tail)


def _feed(process: subprocess.Popen[str], prompt: str) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(prompt)
        process.stdin.close()
    except BrokenPipeError:
        return  # it does not read its input
