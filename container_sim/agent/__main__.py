"""An agent's process: reads its order from standard input, does it, and exits 0 or 1.

No final state is kept anywhere: what counts is what was pushed and what was reported.
"""

from __future__ import annotations

import sys
from pathlib import Path

from boomtown.clock import SystemClock
from boomtown.container_sim.agent.blocking_surroundings import BlockingCalls, BlockingSurroundings
from boomtown.container_sim.agent.interval_log import IntervalLog
from boomtown.container_sim.agent.order import AgentOrder
from boomtown.container_sim.agent.repository import AgentRepository
from boomtown.container_sim.agent.session_run import run_session
from boomtown.container_sim.agent.surroundings import run_blocking
from boomtown.container_sim.called_faults import CalledFaults
from boomtown.container_sim.faults import SharedFaults
from boomtown.container_sim.faulty_calls import FaultyCalls
from boomtown.wire import decode_json_as


def main() -> int:
    order = decode_json_as(sys.stdin.buffer.read(), AgentOrder)
    clock = SystemClock()
    interval = IntervalLog(order, clock)
    interval.note_start()
    faults_folder = Path(order.faults_folder)
    planned = SharedFaults(faults_folder, order.faults)
    faults = CalledFaults(planned, faults_folder, order.session.town_id)
    calls = FaultyCalls(BlockingCalls(order.api_url), faults, clock)
    surroundings = BlockingSurroundings(order, faults)
    try:
        return run_blocking(run_session(order, calls, AgentRepository(order), surroundings))
    finally:
        interval.note_end()


if __name__ == "__main__":
    sys.exit(main())
