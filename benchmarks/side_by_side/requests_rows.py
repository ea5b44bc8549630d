"""The rows that are driven by wrk: each cell on every server, one right after the other."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from side_by_side.figures import (
    OTHERS_CORES_MAX,
    TAKES_MAX,
    Row,
    Sample,
    Target,
    at_least,
    at_most,
    calmest,
    is_disturbed,
    median_of,
)
from side_by_side.machine import LOOK_S, others_now
from side_by_side.servers import Server
from side_by_side.wrk import drive

THEIRS = "workerd"
NEW = 0  # objects: a new one for each request
WARM_S = 1.0
WAIT_S_MAX = 6.0  # for one sample; an object is evicted after 10
CALM_RATE = 1_000  # of increments: no server makes new objects as fast on this disk
MAKES_MAX = 5


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of work; `target` is of the rate on (asyncio, uvloop)."""

    endpoint: str
    connections: int
    objects: int = 1_000
    targets: tuple[Target | None, Target | None] = (None, None)
    p99_target: Target | None = None

    @property
    def name(self) -> str:
        objects = {NEW: "new objects", 1: "1 object"}.get(self.objects, f"{self.objects:,} objects")
        return f"{self.endpoint}, {self.connections} connections, {objects}"


_ROUTED = (at_least(3), at_least(4))
_WRITTEN = (at_least(8), at_least(8))
_P99 = at_most(0.2)
SHORT = (
    Cell(endpoint="noop", connections=64, targets=_ROUTED, p99_target=_P99),
    Cell(endpoint="read", connections=64, targets=_ROUTED, p99_target=_P99),
    Cell(endpoint="incr", connections=64, targets=_WRITTEN, p99_target=_P99),
    Cell(endpoint="kvput", connections=64, targets=_WRITTEN),
    Cell(endpoint="incr", connections=1, targets=(at_least(1.5), at_least(1.5))),
    Cell(endpoint="incr", connections=64, objects=1, targets=(at_least(4), at_least(4))),
    Cell(endpoint="incr", connections=16, objects=NEW, targets=(at_least(2.5), at_least(2.5))),
)
MORE = (
    *(Cell(endpoint="noop", connections=connections) for connections in (1, 16, 256)),
    *(Cell(endpoint="read", connections=connections) for connections in (1, 16, 256)),
    *(Cell(endpoint="incr", connections=connections) for connections in (16, 256)),
    *(Cell(endpoint="kvput", connections=connections) for connections in (1, 16, 256)),
    *(Cell(endpoint="txn", connections=connections) for connections in (1, 64)),
    *(
        Cell(endpoint=endpoint, connections=64, objects=objects)
        for endpoint in ("noop", "incr")
        for objects in (1, 30)
        if (endpoint, objects) != ("incr", 1)
    ),
    Cell(endpoint="incr", connections=64, objects=NEW),
)


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What one cell gave on one server."""

    cell: Cell
    server: str
    median: Sample
    takes: int  # samples taken, those that were disturbed included


class Patience:
    """How many disturbed samples may be taken again in all, and how long may be waited for other
    processes: a run has an end."""

    def __init__(self, takes_again_max: int, *, wait_s_max: float) -> None:
        self._left = takes_again_max
        self._wait_s_left = wait_s_max

    def wait_calm(self, look: Callable[[], float]) -> float:
        """Wait until others leave the machine to us; the seconds that it took, as looks."""
        waited_s = 0.0
        while self._wait_s_left > 0 and waited_s < WAIT_S_MAX and look() > OTHERS_CORES_MAX:
            waited_s += LOOK_S
            self._wait_s_left -= LOOK_S
        return waited_s

    def takes_max(self) -> int:
        """How often the next sample may be taken."""
        return 1 + min(self._left, TAKES_MAX - 1)

    def spend(self, takes: int) -> None:
        """A sample was taken so often."""
        self._left -= takes - 1


def measure_cell(
    cell: Cell, servers: Sequence[Server], *, seconds: float, repeats: int, patience: Patience
) -> list[Measured]:
    """Each server in turn, `repeats` times around."""
    bystanders = [server.pid for server in servers]
    kept: dict[str, list[Sample]] = {server.name: [] for server in servers}
    takes_of = dict.fromkeys(kept, 0)

    def drive_once(server: Server, for_s: float) -> Sample:
        return drive(
            server,
            cell.endpoint,
            connections=cell.connections,
            objects=cell.objects,
            seconds=for_s,
            bystanders=bystanders,
        )

    look = partial(others_now, own=(os.getpid(), *bystanders))
    for repeat in range(repeats):
        for server in servers:
            waited_s = patience.wait_calm(look)
            if (repeat == 0 or waited_s > WARM_S) and cell.objects != NEW:
                # Its objects may have been evicted meanwhile.
                drive_once(server, WARM_S)
            sample, takes = calmest(
                partial(drive_once, server, seconds), takes_max=patience.takes_max()
            )
            patience.spend(takes)
            kept[server.name].append(sample)
            takes_of[server.name] += takes
    return [
        Measured(cell=cell, server=name, median=median_of(samples), takes=takes_of[name])
        for name, samples in kept.items()
    ]


def rows_of(measured: Sequence[Measured]) -> list[Row]:
    """Two rows a cell, one per event loop; and those of its p99, where there is a target."""
    theirs = next((each for each in measured if each.server == THEIRS), None)
    ours = [each for each in measured if each.server != THEIRS]
    rows: list[Row] = []
    for each, target in zip(ours, measured[0].cell.targets, strict=False):
        loop = each.server.rpartition(" ")[2]
        rows.append(
            Row(
                name=f"{each.cell.name}, {loop}",
                unit="requests/s",
                ours=each.median.rate,
                theirs=None if theirs is None else theirs.median.rate,
                target=target,
                note=note_of(each, theirs),
                others_cores=worst_of(each, theirs),
            )
        )
    for each in ours:
        loop = each.server.rpartition(" ")[2]
        if each.cell.p99_target is not None:
            rows.append(
                Row(
                    name=f"{each.cell.name}, {loop}: p99",
                    unit="ms",
                    ours=each.median.p99_ms,
                    theirs=None if theirs is None else theirs.median.p99_ms,
                    target=each.cell.p99_target,
                    others_cores=worst_of(each, theirs),
                )
            )
    return rows


def worst_of(ours: Measured, theirs: Measured | None) -> float:
    """What other processes took, at most, while either was measured."""
    return max(each.median.others_cores for each in (ours, theirs) if each is not None)


def note_of(ours: Measured, theirs: Measured | None) -> str:
    """What a reader must know of the two figures."""
    both = [each for each in (ours, theirs) if each is not None]
    words: list[str] = []
    errors = sum(each.median.errors for each in both)
    if errors:
        words.append(f"{errors} errors")
    worst = max(both, key=lambda each: each.median.others_cores).median
    if is_disturbed(worst):
        words.append(f"others took {worst.others_cores:.1f} cores")
    return ", ".join(words)


def make_all(server: Server, *, bystanders: Sequence[int]) -> None:
    """See that the objects of all cells have their files, and the server its caches."""
    for _ in range(MAKES_MAX):
        sample = drive(
            server, "incr", connections=16, objects=1_000, seconds=4, bystanders=bystanders
        )
        if sample.rate > CALM_RATE:
            return


def touch(server: Server, count: int, *, bystanders: Sequence[int]) -> tuple[float, int, float]:
    """Make new objects until there are `count`, or some more; how many, errors, and seconds."""
    made, errors, began = 0.0, 0, time.perf_counter()
    while made < count:
        sample = drive(
            server, "incr", connections=16, objects=NEW, seconds=5, bystanders=bystanders
        )
        made += sample.rate * 5
        errors += sample.errors
    return made, errors, time.perf_counter() - began
