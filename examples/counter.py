"""A durable counter: its state outlives the process. Run it twice.

`Counter` is a durable object: every method runs alone, storage calls never interleave with those
of another request, and what was answered has been written. It is called here over HTTP, as any
program could.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from boomtown.actors import DurableObject
from boomtown.client import BoomtownClient
from boomtown.clock import SystemClock
from boomtown.compose import open_server
from boomtown.entropy import SeededEntropy, SystemSecrets
from boomtown.settings import Settings


class Counter(DurableObject):
    """Counts, and never loses a count that it has answered."""

    async def increment(self, by: int = 1) -> int:
        value: int = await self.ctx.storage.get("value") or 0
        await self.ctx.storage.put("value", value + by)
        return value + by


async def main() -> None:
    settings = Settings(port=0, data_dir=Path(".boomtown-counter"))
    async with open_server(
        settings,
        clock=SystemClock(),
        entropy=SeededEntropy(),
        secrets=SystemSecrets(),
        classes={"Counter": Counter},
    ) as server:
        key = server.operator_key_file.read_text().strip()
        async with BoomtownClient(server.url, key=key) as client:
            path = "/actors/Counter/visits/rpc/increment"
            counted = [await client.request("POST", path, [1]) for _ in range(3)]
    print("counted", *counted)


if __name__ == "__main__":
    asyncio.run(main())
