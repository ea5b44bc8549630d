"""Two classes of objects, and a host of them, for the tests of what tests may do to objects."""

from __future__ import annotations

import asyncio
from pathlib import Path

from boomtown.actors import AlarmInfo, Durability, DurableObject, DurableObjectState, Env, Host
from boomtown.entropy import SeededEntropy, SystemSecrets
from boomtown.testing import ManualClock

FAR_AHEAD_MS = 60_000


class Room(DurableObject):
    """Remembers in storage and in memory, and can be kept busy."""

    def __init__(self, ctx: DurableObjectState, env: Env) -> None:
        super().__init__(ctx, env)
        self.in_memory = 0
        self.released = asyncio.Event()

    async def remember(self, value: int) -> None:
        self.in_memory = value
        await self.ctx.storage.put("value", value)

    async def recall(self) -> list[int | None]:
        return [self.in_memory, await self.ctx.storage.get("value")]

    async def wait_for_release(self) -> str:
        await self.released.wait()
        return "released"

    async def set_alarm(self, span_ms: int) -> None:
        await self.ctx.storage.set_alarm(self.env.CLOCK.now_ms() + span_ms)

    async def runs(self) -> list[list[int]]:
        return await self.ctx.storage.get("runs") or []

    async def alarm(self, info: AlarmInfo) -> None:
        if await self.ctx.storage.get("fails"):
            raise ValueError("the handler failed")
        runs: list[list[int]] = await self.ctx.storage.get("runs") or []
        await self.ctx.storage.put("runs", [*runs, [info.scheduled_time, info.retry_count]])


class Plain(DurableObject):
    """Has no alarm."""

    async def touch(self) -> None:
        await self.ctx.storage.put("touched", True)


def room_host(folder: Path, clock: ManualClock) -> Host:
    """A host of both classes, not started."""
    return Host(
        classes={"Room": Room, "Plain": Plain},
        data_dir=folder,
        clock=clock,
        entropy=SeededEntropy(1),
        secrets=SystemSecrets(),
        durability=Durability.PROCESS,
        bindings={"CLOCK": clock},
    )
