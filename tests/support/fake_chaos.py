"""Faults on demand that never happen, for tests of the front."""

from __future__ import annotations

from boomtown.container_sim.chaos import ArmedFault, ChaosFault
from boomtown.ids import TownId


class FakeChaos:
    """Satisfies FaultsOnDemand."""

    def arm(
        self,
        town_id: TownId,
        fault: ChaosFault,
        *,
        target: str | None,
        nth: int,
        seed: int | None,
        key: str | None,
    ) -> ArmedFault:
        return ArmedFault(
            id=key or "f1", fault=fault, target=target, nth=nth, seed=seed or 0, reached=0, fired=0
        )

    def faults(self, town_id: TownId) -> list[ArmedFault]:
        return []
