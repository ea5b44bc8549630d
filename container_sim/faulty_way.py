"""The planned faults between the town's server and a control server, real or simulated."""

from __future__ import annotations

from boomtown.clock import Clock
from boomtown.container_sim.control_client import Answer, ControlWay, NoAnswer
from boomtown.container_sim.faults import Fault, FaultKind, Faults


class FaultyWay:
    """Satisfies ControlWay over another one."""

    def __init__(self, way: ControlWay, faults: Faults, clock: Clock) -> None:
        self._way = way
        self._faults = faults
        self._clock = clock

    async def close(self) -> None:
        await self._way.close()

    async def send(self, method: str, path: str, body: bytes | None, *, timeout_ms: int) -> Answer:
        until_ms = self._clock.now_ms() + timeout_ms
        is_start = path == "/agents/start"
        is_probe = method == "GET" and path.endswith("/status")
        if is_start:
            fault = self._faults.take("start.before")
        else:
            fault = self._faults.take("probe.status") if is_probe else None
        if fault is not None:
            return await self._fail(fault, until_ms)
        answer = await self._way.send(method, path, body, timeout_ms=timeout_ms)
        if is_start and (fault := self._faults.take("start.reply")) is not None:
            return await self._fail(fault, until_ms)
        return answer

    async def _fail(self, fault: Fault, until_ms: int) -> Answer:
        if fault.kind is FaultKind.ERROR:
            return Answer(500, b"")
        if fault.kind is FaultKind.MISSING:
            return Answer(404, b"")
        await self._clock.sleep_until_ms(until_ms)
        raise NoAnswer("timeout")
