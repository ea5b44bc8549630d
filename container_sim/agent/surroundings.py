"""What an agent's code is given of the world: its worktree, programs, time, and its voice.

The workers (scripted_work.py, merging.py, command.py) are written once, as coroutines over these
protocols. In a real agent's process nothing ever suspends: every call blocks, and `run_blocking`
drives the coroutine to its end without an event loop. In a simulated one (sim_agent.py) every call
takes virtual time. Whoever adds something to the workers adds it to both worlds at once.
"""

from __future__ import annotations

import enum
from collections.abc import Coroutine
from typing import Protocol, TypeVar

import msgspec

from boomtown.container_sim.model import StartSession

T = TypeVar("T")


class PushOutcome(enum.Enum):
    """What a plain push came to."""

    PUSHED = "pushed"
    REJECTED = "rejected"  # origin has moved on, or refuses the branch
    FAILED = "failed"  # origin was not reached


class Run(msgspec.Struct, frozen=True):
    """A command's end."""

    code: int
    output: str


class Worktree(Protocol):
    """Git and the files of one session's own worktree. A reference is a commit, `HEAD`, or one
    below `refs/`. What cannot be done raises AgentFailed."""

    async def fetch(self) -> None:
        """Bring `refs/remotes/origin` up to date."""
        ...

    async def find_head(self, reference: str) -> str | None:
        """The commit of a reference, None when there is none."""
        ...

    async def get_head(self, reference: str = "HEAD") -> str: ...

    async def is_ancestor(self, older: str, newer: str) -> bool: ...

    async def stand_at(self, reference: str) -> None:
        """Detach at the reference, every change and every unknown file thrown away."""
        ...

    async def commit_all(self, message: str) -> bool:
        """Commit every change; False when there was none."""
        ...

    async def merge(self, commit: str, message: str) -> tuple[str, ...]:
        """Merge into HEAD, never fast-forward. The paths in conflict, and then HEAD is as it
        was; none when it is merged."""
        ...

    async def push(self, branch: str) -> PushOutcome:
        """Push HEAD to origin's branch, never by force."""
        ...

    async def find_text(self, name: str) -> str | None:
        """A file's text, None where there is no such file. Raises OSError."""
        ...

    async def write_text(self, name: str, text: str) -> None:
        """Make or replace a file, and the folders above it. Raises OSError."""
        ...


class Surroundings(Protocol):
    """Everything but the worktree and the town."""

    def say(self, line: str) -> None:
        """A line of the agent's output."""
        ...

    async def pause(self, seconds: float) -> None:
        """Let time pass; signals end the agent meanwhile."""
        ...

    async def reach(self, point: str) -> None:
        """Come by a named point of faults.py; whoever dies there does not return."""
        ...

    async def run(self, argv: tuple[str, ...]) -> Run:
        """Run a program in the worktree. One that does not exist has code 127, one that ran
        longer than a gate may 124."""
        ...

    async def converse(self, argv: tuple[str, ...], session: StartSession) -> Run:
        """Run an agent command: placeholders filled, the prompt on its input, its output ours.
        Of the output, the end comes back."""
        ...


def run_blocking(coroutine: Coroutine[object, object, T]) -> T:
    """The result of a coroutine that never suspends."""
    try:
        coroutine.send(None)
    except StopIteration as ended:
        result: T = ended.value
        return result
    coroutine.close()
    raise RuntimeError("an agent's process has no event loop to wait on")
