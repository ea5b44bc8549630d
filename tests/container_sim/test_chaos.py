"""What can be asked for, and that deeds wait for their nth victim."""

from __future__ import annotations

from pathlib import Path

import pytest

from boomtown.container_sim.chaos import ARMED_MAX, Chaos, ChaosFault
from boomtown.container_sim.model import BodyState, InstanceReport, SessionReport
from boomtown.entropy import SeededEntropy
from boomtown.error_codes import ErrorCode
from boomtown.errors import BoomtownError
from boomtown.ids import AgentId, InstanceId, SessionId, TownId
from boomtown.testing import ManualClock

TOWN = TownId("t1")
NO_PID = 2**22 + 1  # above what the kernel gives out: a signal to it goes nowhere


class FewContainers:
    """Satisfies ChaosVictims: whoever the test says runs."""

    def __init__(self) -> None:
        self.running: list[int] = []

    def pids(self) -> dict[TownId, int]:
        return {TOWN: self.running[-1]} if self.running else {}

    async def find_instance(self, town_id: TownId, *, timeout_ms: int) -> InstanceReport | None:
        return InstanceReport(
            instance_id=InstanceId("i1"),
            town_id=town_id,
            pid=1,
            started_at_ms=0,
            sessions=tuple(
                SessionReport(
                    session_id=SessionId(f"s{pid}"),
                    agent_id=AgentId(f"a{pid}"),
                    instance_id=InstanceId("i1"),
                    state=BodyState.RUNNING,
                    pid=pid,
                )
                for pid in self.running
            ),
        )


def arm(chaos: Chaos, fault: ChaosFault, *, target: str | None = None, nth: int = 1) -> None:
    chaos.arm(TOWN, fault, target=target, nth=nth, seed=1, key=None)


async def test_a_deed_waits_for_its_nth_victim(tmp_path: Path) -> None:
    clock, containers = ManualClock(), FewContainers()
    async with Chaos(containers, tmp_path, clock, SeededEntropy(1)) as chaos:
        arm(chaos, ChaosFault.RESTART_CONTAINERS, nth=2)
        await clock.advance_ms(1_000)
        containers.running.append(NO_PID)
        await clock.advance_ms(1_000)
        assert chaos.faults(TOWN)[0].fired == 0
        containers.running.append(NO_PID + 1)
        await clock.advance_ms(1_000)
        (fault,) = chaos.faults(TOWN)
        assert (fault.fired, fault.pids) == (1, (NO_PID + 1,))


@pytest.mark.parametrize("target", [f"s{NO_PID + 1}", f"a{NO_PID + 1}"])
async def test_a_deed_hits_its_target_only(tmp_path: Path, target: str) -> None:
    clock, containers = ManualClock(), FewContainers()
    containers.running = [NO_PID]
    async with Chaos(containers, tmp_path, clock, SeededEntropy(1)) as chaos:
        arm(chaos, ChaosFault.KILL_AGENT, target=target)
        await clock.advance_ms(1_000)
        assert chaos.faults(TOWN)[0].fired == 0
        containers.running.append(NO_PID + 1)
        await clock.advance_ms(1_000)
        assert chaos.faults(TOWN)[0].pids == (NO_PID + 1,)


async def test_every_fault_can_be_armed_and_another_town_hears_nothing(tmp_path: Path) -> None:
    async with Chaos(FewContainers(), tmp_path, ManualClock(), SeededEntropy(1)) as chaos:
        for fault in ChaosFault:
            arm(chaos, fault)
        assert [row.fault for row in chaos.faults(TOWN)] == list(ChaosFault)
        assert chaos.faults(TownId("t2")) == []


async def test_there_are_not_too_many(tmp_path: Path) -> None:
    async with Chaos(FewContainers(), tmp_path, ManualClock(), SeededEntropy(1)) as chaos:
        for _ in range(ARMED_MAX):
            arm(chaos, ChaosFault.PARTITION)
        with pytest.raises(BoomtownError) as refused:
            arm(chaos, ChaosFault.PARTITION)
        assert refused.value.code is ErrorCode.OVERLOADED


async def test_the_next_life_forgets_what_was_armed(tmp_path: Path) -> None:
    async with Chaos(FewContainers(), tmp_path, ManualClock(), SeededEntropy(1)) as chaos:
        arm(chaos, ChaosFault.DROP_HEARTBEATS)
    assert list(tmp_path.glob("*/*.json"))
    async with Chaos(FewContainers(), tmp_path, ManualClock(), SeededEntropy(1)):
        assert list(tmp_path.glob("*/*.json")) == []
