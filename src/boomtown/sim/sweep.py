"""The power-cut sweep: stop the machine at every disk operation, come back, look for lies.

Theory of operation. A `Story` is code under test: `work` runs on a disk and writes into the ledger
what it attempts and what it was told is durable; `check` opens what a later life finds and gives
a verdict. The sweep first runs the story undisturbed and counts the disk's operations. Then, for
each operation and each landing pattern, a fresh disk stops just before that operation, the
survivor is made, and the story checks it. With two lives the first life ends at a sample of its
operations, by a power cut or by a kill, the story works on in the second life (its recovery
included), and *that* life is cut at every operation.

A fault that fails one operation (IO_ERROR, DISK_FULL) is swept alike: the story goes on as far as
it can, and the power is cut when it has returned.

A case whose fault never fired is a defect of the harness and raises. A sweep proves something
only beside its mutants: the same sweep must find bad cases with the sync removed, with the folder
sync removed, and with replies that do not wait.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple, Protocol

from boomtown.sim.choices import Choices
from boomtown.sim.disk import Disk, DiskModel, Landing
from boomtown.sim.faults import Fault, FaultKind, PlannedFaults

OK = "ok"


class Ledger:
    """What the outside knows of a story: kept by the test, so it survives every outage."""

    def __init__(self) -> None:
        self.attempted: list[int] = []  # numbers handed in, in order
        self.acknowledged: list[int] = []  # those of them that were said to be durable

    def copy(self) -> Ledger:
        """A ledger with the same entries."""
        twin = Ledger()
        twin.attempted = list(self.attempted)
        twin.acknowledged = list(self.acknowledged)
        return twin


class Story(Protocol):
    """Code under test, without state between its calls."""

    def work(self, disk: Disk, ledger: Ledger) -> None:
        """Open, recover, work. When the machine stops: return, leaving nothing open."""
        ...

    def check(self, disk: Disk, ledger: Ledger) -> str:
        """`OK`, or in two or three words what is wrong."""
        ...


class Case(NamedTuple):
    """One case of a sweep."""

    life: int  # 1 or 2: the life that was cut
    first_end: str  # how the life before it ended, "" in the first
    operation: int
    pattern: int
    verdict: str


class SweepReport(NamedTuple):
    """What a sweep found."""

    operations: int  # of the undisturbed story
    syncs: int
    cases: int
    verdicts: Counter[str]
    first_bad: Case | None

    @property
    def bad(self) -> int:
        """Cases that were not OK."""
        return self.cases - self.verdicts[OK]


class SweepPlan(NamedTuple):
    """How thorough a sweep is."""

    patterns: int = 6  # landing patterns of each cut: nothing, everything, then chosen ones
    outage: FaultKind = FaultKind.POWER_CUT  # what strikes the life that is swept
    model: DiskModel = DiskModel()
    every: int = 1  # only every nth operation; 1 sweeps all
    first_ends: int = 0  # two lives: at how many operations the first life ends; 0 is one life
    seed: int = 0


def landing_of(pattern: int, *, seed: int) -> Landing:
    """Pattern 0: nothing unsynced landed. Pattern 1: everything. Others: each by choice."""
    if pattern < 2:
        return lambda what: pattern == 1
    choices = Choices(seed=seed * 1_000 + pattern)
    return lambda what: choices.below(2, label="landing") == 1


def sweep(story: Story, plan: SweepPlan) -> SweepReport:
    """Run every case of the plan."""
    whole = Disk(PlannedFaults(), model=plan.model)
    story.work(whole, Ledger())
    whole.stop()
    operations = _operations(whole)
    cases: list[Case] = []
    if plan.first_ends == 0:
        fresh = Disk(PlannedFaults(), model=plan.model)
        fresh.stop()
        cases = _sweep_life(story, plan, before=fresh, ledger=Ledger(), life=1, first_end="")
    for nth in range(plan.first_ends):
        at = 1 + (operations - 1) * (nth + 1) // (plan.first_ends + 1)
        kind = (FaultKind.KILL, FaultKind.POWER_CUT)[nth % 2]
        ledger = Ledger()
        ended = _run_until(story, Disk(_stop_at(at, kind), model=plan.model), ledger)
        before = _survivor(ended, kind, landing_of(2, seed=plan.seed + at), PlannedFaults())
        before.stop()
        first_end = f"{kind.value} at {at}"
        cases += _sweep_life(story, plan, before=before, ledger=ledger, life=2, first_end=first_end)
    bad = next((case for case in cases if case.verdict != OK), None)
    verdicts = Counter(case.verdict for case in cases)
    return SweepReport(operations, whole.syncs, len(cases), verdicts, bad)


def _sweep_life(
    story: Story, plan: SweepPlan, *, before: Disk, ledger: Ledger, life: int, first_end: str
) -> list[Case]:
    # after_kill makes a twin with everything that is unsynced, which is a copy of the disk.
    undisturbed = before.after_kill(PlannedFaults())
    story.work(undisturbed, ledger.copy())
    undisturbed.stop()
    cases: list[Case] = []
    for operation in range(1, _operations(undisturbed) + 1, plan.every):
        known = ledger.copy()
        ended = _run_until(story, before.after_kill(_stop_at(operation, plan.outage)), known)
        for pattern in range(1 if plan.outage is FaultKind.KILL else plan.patterns):
            landing = landing_of(pattern, seed=plan.seed * 10_000 + operation)
            survivor = _survivor(ended, plan.outage, landing, PlannedFaults())
            verdict = story.check(survivor, known)
            survivor.stop()
            cases.append(Case(life, first_end, operation, pattern, verdict))
    return cases


def _stop_at(operation: int, kind: FaultKind) -> PlannedFaults:
    return PlannedFaults((Fault("disk.op", operation, kind),))


def _run_until(story: Story, disk: Disk, ledger: Ledger) -> Disk:
    story.work(disk, ledger)
    faults = disk.faults
    assert isinstance(faults, PlannedFaults)
    assert faults.fired, "the fault of this case never fired: the story is not deterministic"
    return disk


def _survivor(ended: Disk, kind: FaultKind, landing: Landing, faults: PlannedFaults) -> Disk:
    if kind is FaultKind.KILL:
        return ended.after_kill(faults)
    return ended.after_power_cut(landing, faults)


def _operations(disk: Disk) -> int:
    faults = disk.faults
    assert isinstance(faults, PlannedFaults)
    return faults.reached.get("disk.op", 0)
