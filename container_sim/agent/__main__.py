"""An agent's process: reads its order from standard input, does it, and exits 0 or 1.

Exit 0: what the session was for has been said to the town, or the town has moved on; 1: it could
not be done, and the last line of the output says why. No final state is kept anywhere: what counts
is what was pushed and what was reported.
"""

from __future__ import annotations

import sys

from boomtown.clock import SystemClock
from boomtown.container_sim.agent.command import CommandWorker
from boomtown.container_sim.agent.ending import AgentFailed, SessionOver
from boomtown.container_sim.agent.interval_log import IntervalLog
from boomtown.container_sim.agent.merging import Refinery
from boomtown.container_sim.agent.order import AgentOrder
from boomtown.container_sim.agent.repository import AgentRepository
from boomtown.container_sim.agent.scripted_work import ScriptedWorker
from boomtown.container_sim.agent.town_api import TownApi
from boomtown.container_sim.model import SessionKind
from boomtown.container_sim.recipes import RecipeError
from boomtown.wire import decode_json_as


def run_session(order: AgentOrder) -> None:
    """Choose the worker by harness and kind, and let it work."""
    api = TownApi(order)
    repository = AgentRepository(order)
    if order.harness.argv and not order.session.merge_only:
        CommandWorker(order, api, repository).run()
    elif order.session.kind is SessionKind.WORK:
        ScriptedWorker(order, api, repository).run()
    else:
        Refinery(order, api, repository).run_scripted()


def main() -> int:
    order = decode_json_as(sys.stdin.buffer.read(), AgentOrder)
    interval = IntervalLog(order, SystemClock())
    interval.note_start()
    try:
        run_session(order)
    except SessionOver as error:
        print(f"session over: {error}", flush=True)
    except (AgentFailed, RecipeError, OSError) as error:
        print(f"failed: {error}", flush=True)
        return 1
    finally:
        interval.note_end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
