"""The arithmetic of the harness: samples, medians, targets, the table. No process, no clock.

A sample that others disturbed (their CPU time while it ran) is taken again, at most thrice in
all; the calmest of them counts. Rows compare medians of what was kept. Nothing is asserted: a
verdict is a word in a table.
"""

from __future__ import annotations

import enum
import statistics
from collections.abc import Callable, Iterable, Sequence

import msgspec

TAKES_MAX = 3  # of one sample
OTHERS_CORES_MAX = 0.25  # more CPU time of other processes disturbs a sample
WORTHLESS_CORES = 1.0  # and so much leaves nothing to be compared


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the load generator."""

    rate: float  # requests a second
    p50_ms: float
    p99_ms: float
    cpu_us: float  # of the server, for one request
    errors: int  # of sockets, and answers that are no success
    others_cores: float  # CPU time of other processes, as cores
    others_name: str = ""  # the busiest of them


class Bound(enum.StrEnum):
    """Which side of a target is good."""

    AT_LEAST = "at least"
    AT_MOST = "at most"


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What a row is to reach: a ratio to workerd's figure, or a figure of its own."""

    bound: Bound
    value: float
    is_ratio: bool

    def is_met(self, *, ratio: float | None, ours: float) -> bool:
        """A missing ratio meets nothing."""
        reached = ratio if self.is_ratio else ours
        if reached is None:
            return False
        return reached >= self.value if self.bound is Bound.AT_LEAST else reached <= self.value

    def __str__(self) -> str:
        sign = ">=" if self.bound is Bound.AT_LEAST else "<="
        return f"{sign} {self.value:g}{' x' if self.is_ratio else ''}"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table. `theirs` is None where workerd has nothing of the kind, or could
    not be measured."""

    name: str
    unit: str
    ours: float
    theirs: float | None = None
    target: Target | None = None
    note: str = ""
    others_cores: float = 0.0  # CPU time of other processes in the worst sample
    at: str = ""  # when it was measured

    @property
    def ratio(self) -> float | None:
        return None if not self.theirs else self.ours / self.theirs

    @property
    def verdict(self) -> str:
        """`ok` or `under`; `disturbed` where others had the machine; nothing without a target."""
        if self.target is None:
            return ""
        if self.others_cores > WORTHLESS_CORES:
            return "disturbed"
        return "ok" if self.target.is_met(ratio=self.ratio, ours=self.ours) else "under"


def at_least(value: float) -> Target:
    """Times workerd's figure, or more."""
    return Target(bound=Bound.AT_LEAST, value=value, is_ratio=True)


def at_most(value: float) -> Target:
    """Times workerd's figure, or less."""
    return Target(bound=Bound.AT_MOST, value=value, is_ratio=True)


def no_less_than(value: float) -> Target:
    """In the row's own unit."""
    return Target(bound=Bound.AT_LEAST, value=value, is_ratio=False)


def no_more_than(value: float) -> Target:
    """In the row's own unit."""
    return Target(bound=Bound.AT_MOST, value=value, is_ratio=False)


def is_disturbed(sample: Sample) -> bool:
    """Whether other processes took so much of the machine that it should be measured again."""
    return sample.others_cores > OTHERS_CORES_MAX


def calmest(take: Callable[[], Sample], *, takes_max: int) -> tuple[Sample, int]:
    """Take samples until one is undisturbed, at most `takes_max`; the calmest, and how many."""
    samples: list[Sample] = []
    while not samples or (is_disturbed(samples[-1]) and len(samples) < takes_max):
        samples.append(take())
    return min(samples, key=lambda sample: sample.others_cores), len(samples)


def median_of(samples: Sequence[Sample]) -> Sample:
    """Each figure's own median; errors are added up, disturbance is the worst one."""
    worst = max(samples, key=lambda sample: sample.others_cores)
    return Sample(
        rate=statistics.median(sample.rate for sample in samples),
        p50_ms=statistics.median(sample.p50_ms for sample in samples),
        p99_ms=statistics.median(sample.p99_ms for sample in samples),
        cpu_us=statistics.median(sample.cpu_us for sample in samples),
        errors=sum(sample.errors for sample in samples),
        others_cores=worst.others_cores,
        others_name=worst.others_name,
    )


def percentile(values: Iterable[float], percent: float) -> float:
    """The smallest value that `percent` of them do not exceed. ValueError for none."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("a percentile of nothing")
    rank = max(1, -(-len(ordered) * percent // 100))
    return ordered[int(rank) - 1]


def figure(value: float | None) -> str:
    """A number for people: three or more digits that matter."""
    if value is None:
        return "-"
    if abs(value) >= 1_000:
        return f"{value:,.0f}"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"


HEADINGS = ("what", "unit", "workerd", "boomtown", "ratio", "target", "")


def cells_of(row: Row) -> tuple[str, ...]:
    """A row as text, a cell per heading."""
    ratio = "-" if row.ratio is None else f"{row.ratio:.2f}"
    target = "" if row.target is None else str(row.target)
    verdict = " ".join(word for word in (row.verdict, row.note) if word)
    return (row.name, row.unit, figure(row.theirs), figure(row.ours), ratio, target, verdict)


def text_table(rows: Sequence[Row]) -> str:
    """For a terminal: columns of equal width."""
    lines = [HEADINGS, *(cells_of(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column in (0, 1, 6) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def markdown_table(rows: Sequence[Row]) -> str:
    """The same for a document."""
    rule = ("---", "---", "---:", "---:", "---:", "---:", "---")
    lines = [HEADINGS, rule, *(cells_of(row) for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
