"""Alarms of whole objects: the specification's cases 149, 151 and 155 from outside."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from boomtown.actors import AlarmInfo, DurableObject, Host
from boomtown.entropy import SeededEntropy, SystemSecrets
from boomtown.testing import ManualClock
from support.inline_backend import inline_backend

RETRIES_MS = 200_000  # six waits of at most 2.5, 5, 10, 20, 40 and 80 s


class Bell(DurableObject):
    """Its handler does what the test says, and tells the test's log when, and as which try."""

    async def set_alarm(self, span_ms: int) -> None:
        await self.ctx.storage.set_alarm(self.env.CLOCK.now_ms() + span_ms)

    async def get_alarm(self) -> int | None:
        return await self.ctx.storage.get_alarm()

    async def alarm(self, info: AlarmInfo) -> None:
        self.env.LOG.append((self.env.CLOCK.now_ms(), info.retry_count, self.ctx.id.name))
        match self.env.PLAN[0]:
            case "fail":
                raise RuntimeError("no bell")
            case "abort":
                self.ctx.abort("enough", retry_alarm=False)
            case _:
                pass


class Tower:
    """Hosts of bells, one after the other, on the same files and by the same clock."""

    def __init__(self, folder: Path, plan: str) -> None:
        self.clock = ManualClock()
        self.log: list[tuple[int, int, str | None]] = []
        self._folder = folder
        self._plan = plan

    def host(self) -> Host:
        """A new one, not started."""
        return Host(
            classes={"Bell": Bell},
            data_dir=self._folder,
            clock=self.clock,
            entropy=SeededEntropy(1),
            secrets=SystemSecrets(),
            bindings={"CLOCK": self.clock, "LOG": self.log, "PLAN": [self._plan]},
            backend=inline_backend(self._folder, self.clock, "Bell"),
        )


def bell_of(host: Host) -> Any:
    return host.namespace("Bell").get_by_name("big")


async def test_case_149_an_alarm_that_fails_seven_times_is_gone_from_its_object(
    tmp_path: Path,
) -> None:
    tower = Tower(tmp_path, "fail")
    async with tower.host() as host:
        due_at_ms = tower.clock.now_ms() + 10
        await bell_of(host).set_alarm(10)
        await tower.clock.advance_ms(1_000)
        assert await bell_of(host).get_alarm() == due_at_ms
        await tower.clock.advance_ms(RETRIES_MS)
        assert await bell_of(host).get_alarm() is None
    assert [retry_count for _, retry_count, _ in tower.log] == list(range(7))
    gaps = [late - early for (early, _, _), (late, _, _) in itertools.pairwise(tower.log)]
    for gap, least in zip(gaps, (2000, 4000, 8000, 16000, 32000, 64000), strict=True):
        assert least <= gap <= least * 5 // 4


async def test_case_151_an_abort_without_a_retry_leaves_no_alarm(tmp_path: Path) -> None:
    tower = Tower(tmp_path, "abort")
    async with tower.host() as host:
        await bell_of(host).set_alarm(10)
        await tower.clock.advance_ms(RETRIES_MS)
        assert await bell_of(host).get_alarm() is None
    assert len(tower.log) == 1


async def test_case_155_an_alarm_that_fell_due_between_two_hosts_rings_in_the_second(
    tmp_path: Path,
) -> None:
    tower = Tower(tmp_path, "ring")
    async with tower.host() as host:
        await bell_of(host).set_alarm(1_000)
    await tower.clock.advance_ms(5_000)
    assert tower.log == []
    async with tower.host() as host:
        await tower.clock.advance_ms(0)
        assert tower.log == [(tower.clock.now_ms(), 0, "big")]
        assert await bell_of(host).get_alarm() is None
