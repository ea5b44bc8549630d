"""Looks at one living agent from outside: does it keep its bounds, does it wait for a person?

The control server asks with each heartbeat (bodies.py); the first answer that is not None ends the
session for that reason. A look is made in a thread, and the next one comes no sooner than its
share of the time allows, so watching a worktree of half a million files costs little.

Waiting for input is a state with a timer (decisions 50). It begins at the first look that finds a
process of the session reading the terminal, starts anew with every output, and ends at a look
that finds none reading; older than `harness_input_wait_ms`, it is the end of the session, because
nobody will ever type. Only programs under a terminal (`tty = true`) can be in it.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from boomtown.clock import Clock
from boomtown.container_sim.agent_usage import find_breach, measure_agent
from boomtown.container_sim.output_ring import OutputRing
from boomtown.container_sim.process_groups import Mark, find_members
from boomtown.container_sim.terminal_reads import is_reading_terminal
from boomtown.limits import ContainerLimits

WAITS_FOR_INPUT = "waits for input"


class AgentWatch:
    """The looks at one agent, and what they remember of each other."""

    def __init__(
        self,
        group: int,
        mark: Mark,
        output: OutputRing,
        clock: Clock,
        *,
        worktree: Path,
        has_terminal: bool,
        limits: ContainerLimits,
    ) -> None:
        self._group = group
        self._mark = mark
        self._output = output
        self._clock = clock
        self._worktree = worktree
        self._has_terminal = has_terminal
        self._limits = limits
        self._reading_since_ms: int | None = None
        self._next_look_ms = 0  # of the monotonic clock

    async def find_breach(self) -> str | None:
        """Look, unless it is too early for it; the reason to end the session, if there is one."""
        began_ms = self._clock.monotonic_ms()
        if began_ms < self._next_look_ms:
            return None
        breach, is_reading = await asyncio.to_thread(self._look)
        ended_ms = self._clock.monotonic_ms()
        spent_ms = ended_ms - began_ms
        self._next_look_ms = began_ms + spent_ms * 100 // self._limits.agent_watch_percent_max
        return breach or self._judge_waiting(is_reading=is_reading)

    def _look(self) -> tuple[str | None, bool]:
        members = find_members(frozenset({self._group}), self._mark)
        usage = measure_agent(members, self._worktree, limits=self._limits)
        is_reading = self._has_terminal and any(is_reading_terminal(pid) for pid in members)
        return find_breach(usage, self._limits), is_reading

    def _judge_waiting(self, *, is_reading: bool) -> str | None:
        if not is_reading:
            self._reading_since_ms = None
            return None
        now_ms = self._clock.now_ms()
        if self._reading_since_ms is None:
            self._reading_since_ms = now_ms
        silent_since_ms = max(self._reading_since_ms, self._output.last_at_ms or 0)
        is_long = now_ms - silent_since_ms >= self._limits.harness_input_wait_ms
        return WAITS_FOR_INPUT if is_long else None
