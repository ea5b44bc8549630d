"""The campaign of `make sweep`: power cuts, kills and failures at every disk operation of the
commit log's story, and each planted fault, with a log.

Run as `python -m support.commit_log_campaign LOG`. The tests run a bounded part of the same.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from boomtown.sim.faults import FaultKind
from boomtown.sim.log_disk import SimulatedLogDisk
from boomtown.sim.sweep import OK, SweepPlan, SweepReport, sweep
from support.commit_log_aim import sweep_recoveries_after_kills
from support.commit_log_faults import (
    NOTHING_EMPTIED,
    NOTHING_LARGE,
    EagerCheckpoint,
    TemplateInPlace,
    UnsyncedLog,
    UnsyncedOwnLogs,
    UsesAlike,
)
from support.commit_log_story import CommitLogStory, Plan
from support.host_story import HostStory
from support.sim_campaign import commit

SEEDS = (0, 1, 2)
THOROUGH = SweepPlan(patterns=3)
LIVES = SweepPlan(patterns=2, first_ends=4, every=4)


class Line(NamedTuple):
    """One line of the log."""

    what: str
    cases: int
    bad: int
    operations: int
    is_planted: bool
    detail: str

    @property
    def is_as_expected(self) -> bool:
        """Nothing is lost, and what was planted is found."""
        return self.cases > 0 and (self.bad > 0) == self.is_planted


def run() -> Iterator[Line]:
    """Every sweep of the campaign."""
    for seed in SEEDS:
        for interleaves in (False, True):
            plan = Plan(seed=seed, interleaves=interleaves, rounds=7)
            how = f"seed {seed}, {'interleaved' if interleaves else 'inline'}"
            yield swept(f"one life, {how}", plan, THOROUGH._replace(seed=seed))
            yield swept(f"two lives, {how}", plan, LIVES._replace(seed=seed))
        long = Plan(seed=seed, interleaves=True, rounds=14)
        yield swept(f"segments used again, seed {seed}", long, SweepPlan(patterns=2, seed=seed))
        for kind in (FaultKind.KILL, FaultKind.IO_ERROR, FaultKind.DISK_FULL):
            failing = SweepPlan(outage=kind, patterns=2, every=2, seed=seed)
            yield swept(f"{kind.value}, seed {seed}", Plan(seed=seed, interleaves=True), failing)
        yield aimed(f"kills before a batch, seed {seed}", Plan(seed=seed, rounds=9))
    host = sweep(HostStory(log_disk_of=SimulatedLogDisk), SweepPlan(patterns=3))
    yield line("the whole runtime", host, is_planted=False)
    yield from planted()


def planted() -> Iterator[Line]:
    """Each fault of commit-log.md 3."""
    once = SweepPlan(patterns=2, every=3)
    twice = SweepPlan(patterns=2, first_ends=6, every=4)
    often = SweepPlan(patterns=2, first_ends=12, every=4)
    large = Plan(disk_of=UnsyncedOwnLogs, limits=NOTHING_LARGE, rounds=10)
    kept = Plan(disk_of=UnsyncedOwnLogs, limits=NOTHING_EMPTIED, rounds=2)
    for what, plan, cuts in (
        ("the log is not synced", Plan(disk_of=UnsyncedLog), once),
        ("no recovery", Plan(recovers=False), once),
        ("segments are emptied without a sync of the own logs", large, once),
        ("templates are written in place", Plan(disk_of=TemplateInPlace), once),
        ("uses of a segment are not told apart", Plan(disk_of=UsesAlike, rounds=8), once),
        ("no sync of an own log at its first opening", kept, often),
        ("a found log's end is taken for logged", Plan(trusts_found_end=True), twice),
    ):
        yield swept(f"planted: {what}", plan, cuts, is_planted=True)
    eager = Plan(seed=6, rounds=12, disk_of=EagerCheckpoint)
    yield aimed("planted: a recovery checkpoints first", eager, is_planted=True)


def swept(what: str, plan: Plan, cuts: SweepPlan, *, is_planted: bool = False) -> Line:
    return line(what, sweep(CommitLogStory(plan), cuts), is_planted=is_planted)


def line(what: str, report: SweepReport, *, is_planted: bool) -> Line:
    detail = "" if report.first_bad is None else str(report.first_bad)
    return Line(what, report.cases, report.bad, report.operations, is_planted, detail)


def aimed(what: str, plan: Plan, *, is_planted: bool = False) -> Line:
    verdicts = sweep_recoveries_after_kills(plan)
    cases = sum(verdicts.values())
    return Line(what, cases, cases - verdicts[OK], 0, is_planted, str(dict(verdicts)))


def main() -> None:
    """Run it, write the log, and exit with 1 when a line is not as it should be."""
    before = time.perf_counter()
    texts = [
        f"commit {commit()}, {platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}"
    ]
    lines: list[Line] = []
    for each in run():
        lines.append(each)
        verdict = "" if each.is_as_expected else f"  NOT AS IT SHOULD BE: {each.detail}"
        texts.append(f"{each.cases:>7} cases {each.bad:>6} bad  {each.what}{verdict}")
        print(texts[-1], flush=True)
    sound = [each for each in lines if not each.is_planted]
    texts.append(
        f"{sum(each.cases for each in sound)} cases of a sound log, "
        f"{sum(each.bad for each in sound)} bad; {len(lines) - len(sound)} planted faults, "
        f"{sum(each.bad > 0 for each in lines if each.is_planted)} found; "
        f"{time.perf_counter() - before:.0f} s"
    )
    print(texts[-1])
    Path(sys.argv[1]).write_text("\n".join(texts) + "\n")
    sys.exit(not all(each.is_as_expected for each in lines))


if __name__ == "__main__":
    main()
