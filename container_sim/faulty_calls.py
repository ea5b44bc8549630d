"""The planned partitions between one speaker (a control server, an agent) and the town."""

from __future__ import annotations

from boomtown.clock import Clock
from boomtown.container_sim.faults import Faults
from boomtown.container_sim.town_calls import TownCalls


class FaultyCalls:
    """Satisfies TownCalls over another way."""

    def __init__(self, calls: TownCalls, faults: Faults, clock: Clock) -> None:
        self._calls = calls
        self._faults = faults
        self._clock = clock
        self._cut_until_ms = 0

    async def call(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, bytes]:
        now_ms = self._clock.now_ms()
        fault = self._faults.take("partition")
        if fault is not None:
            self._cut_until_ms = now_ms + fault.ms
        if fault is not None or now_ms < self._cut_until_ms:
            raise ConnectionError("partition")
        return await self._calls.call(method, path, headers, body)
