"""Who worked when: one JSON line when an agent starts and one when it ends, for proofs that no
two sessions of a bead overlapped. An agent that is killed leaves its first line only."""

from __future__ import annotations

import os

from boomtown.clock import SystemClock
from boomtown.container_sim.agent.order import AgentOrder
from boomtown.wire import encode_json


class IntervalLog:
    """Appends to the file that the server's settings name, if they name one."""

    def __init__(self, order: AgentOrder, clock: SystemClock) -> None:
        self._path = order.agent_log
        self._clock = clock
        self._facts = {
            "pid": os.getpid(),
            "session_id": order.session.session_id,
            "bead_id": order.session.bead_id,
            "agent_id": order.session.agent_id,
            "kind": order.session.kind,
            "started_at": clock.now_ms(),
        }

    def note_start(self) -> None:
        self._append({**self._facts, "ended_at": None})

    def note_end(self) -> None:
        self._append({**self._facts, "ended_at": self._clock.now_ms()})

    def _append(self, line: dict[str, object]) -> None:
        if self._path is None:
            return
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, encode_json(line) + b"\n")  # one write: lines never mix
        finally:
            os.close(descriptor)
