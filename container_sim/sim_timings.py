"""How long things take in simulated containers: a span for each, drawn by label."""

from __future__ import annotations

import msgspec

from boomtown.entropy import Entropy


class Span(msgspec.Struct, frozen=True):
    """From `least_ms` to `most_ms`, both included."""

    least_ms: int
    most_ms: int

    def __post_init__(self) -> None:
        assert 0 <= self.least_ms <= self.most_ms

    def draw(self, entropy: Entropy, *, label: str) -> int:
        """A number of milliseconds; the least one where the entropy is boring."""
        width = self.most_ms - self.least_ms + 1
        return self.least_ms + entropy.below(width, label=label)


class SimTimings(msgspec.Struct, frozen=True, kw_only=True):
    """The spans of one simulated world; the defaults are like a small machine's."""

    boot: Span = Span(300, 2_000)  # of a control server
    control_way: Span = Span(1, 20)  # a request's way to the control server, and the answer's
    clone: Span = Span(500, 20_000)
    fetch: Span = Span(50, 2_000)
    git_command: Span = Span(5, 100)  # everything of git that stays on the disk
    push: Span = Span(50, 2_000)
    spawn: Span = Span(50, 500)  # from the wish to the agent's first instruction
    work: Span = Span(0, 60_000)  # what an agent thinks about before its first step
    program: Span = Span(5, 5_000)  # a gate or a command of a recipe
    end: Span = Span(1, 50)  # from a signal to the end of a process group
