"""A server that is nothing but a container manager, to be killed: starts one hanging session.

`python -m support.manager_program FOLDER API_URL GIT_URL` prints the agent's pid when it runs."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from boomtown.container_sim.model import BodyState, Known
from boomtown.limits import ContainerLimits
from support.container_orders import TOWN, work_order
from support.container_world import CALL_MS, ContainerWorld
from support.town_api import TownApi

HANG = "```recipe\nhang\n```\n"


async def main(folder: str, api_url: str, git_url: str) -> None:
    api = TownApi()
    api.url = api_url
    world = ContainerWorld(Path(folder), api, {}, ContainerLimits())
    order = work_order(session_id="s1", git_url=git_url, body=HANG)
    async with world.manager as manager:
        await world.start(order)
        while True:
            probed = await manager.probe_session(TOWN, order.session_id, timeout_ms=CALL_MS)
            if isinstance(probed, Known) and probed.report.state is BodyState.RUNNING:
                break
        print(probed.report.pid, manager.pids()[TOWN], flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
