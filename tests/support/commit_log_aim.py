"""Kills where they hurt: just before a batch reaches the commit log, then power cuts in recovery.

A kill there leaves commits in the page cache that the log does not hold: whoever lets a main file
take them, while the log still is to be read, has it led backwards by the next recovery. Ends that
are spread evenly over a life rarely meet that instant (commit-log.md 3 missed it once).
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec

from boomtown.sim.disk import Disk
from boomtown.sim.faults import Fault, FaultKind, PlannedFaults
from boomtown.sim.log_disk import SimulatedLogDisk
from boomtown.sim.sweep import Ledger, landing_of
from support.commit_log_faults import is_segment
from support.commit_log_story import CommitLogStory, Plan

OPERATIONS_OF_A_RECOVERY = 100  # with checkpoints, where it makes any
KILLS = 4  # the last ones of a life: there is the most to lead backwards


def sweep_recoveries_after_kills(plan: Plan) -> Counter[str]:
    """Kill before each of the last batches; cut the next life at each of its first operations.
    The first life is not affected by what the plan's disk does wrong to a recovery."""
    story = CommitLogStory(plan)
    first = msgspec.structs.replace(plan, disk_of=SimulatedLogDisk)
    verdicts: Counter[str] = Counter()
    for operation in _operations_of_batches(first)[-KILLS:]:
        ledger = Ledger()
        killed = Disk(_fault_at(operation, FaultKind.KILL))
        CommitLogStory(first).work(killed, ledger)
        for cut in range(1, OPERATIONS_OF_A_RECOVERY, 3):
            known = ledger.copy()
            second = killed.after_kill(_fault_at(cut, FaultKind.POWER_CUT))
            story.work(second, known)
            for pattern in range(2):
                landing = landing_of(pattern, seed=operation * 100 + cut)
                survivor = second.after_power_cut(landing, PlannedFaults())
                verdicts[story.check(survivor, known)] += 1
                survivor.stop()
    return verdicts


def _operations_of_batches(plan: Plan) -> list[int]:
    """The disk operations of a life in which a batch is written to the log."""
    found: list[int] = []

    class Traced(SimulatedLogDisk):
        def write(self, file: Path, offset: int, data: bytes) -> None:
            faults = self.disk.faults
            assert isinstance(faults, PlannedFaults)
            if is_segment(file) and offset > 0:
                found.append(faults.reached["disk.op"] + 1)
            super().write(file, offset, data)

    disk = Disk(PlannedFaults())
    CommitLogStory(msgspec.structs.replace(plan, disk_of=Traced)).work(disk, Ledger())
    disk.stop()
    return found


def _fault_at(operation: int, kind: FaultKind) -> PlannedFaults:
    return PlannedFaults((Fault("disk.op", operation, kind),))
