"""The harness's own arithmetic. No timing is asserted anywhere."""

from __future__ import annotations

import msgspec
import pytest

from side_by_side.figures import (
    TAKES_MAX,
    Row,
    Sample,
    Target,
    at_least,
    at_most,
    calmest,
    figure,
    is_disturbed,
    markdown_table,
    median_of,
    no_less_than,
    no_more_than,
    percentile,
    text_table,
)
from side_by_side.machine import Usage, others_between
from side_by_side.plots import plot, series_of
from side_by_side.requests_rows import SHORT, Cell, Measured, Patience, rows_of

CALM = Sample(rate=100, p50_ms=1, p99_ms=9, cpu_us=50, errors=0, others_cores=0.0)


def disturbed(cores: float) -> Sample:
    return msgspec.structs.replace(CALM, others_cores=cores, rate=1, others_name="pytest")


@pytest.mark.parametrize(
    ("target", "theirs", "ours", "verdict"),
    [
        (at_least(3), 100, 300, "ok"),
        (at_least(3), 100, 299, "under"),
        (at_least(3), None, 10**9, "under"),
        (at_least(3), 0, 10**9, "under"),
        (at_most(0.2), 100, 20, "ok"),
        (at_most(0.2), 100, 21, "under"),
        (no_less_than(10), None, 10, "ok"),
        (no_less_than(10), None, 9.9, "under"),
        (no_more_than(100), 1, 100, "ok"),
        (no_more_than(100), 1, 101, "under"),
        (None, 1, 1, ""),
    ],
)
def test_a_row_says_whether_its_target_is_met(
    target: Target | None, theirs: float | None, ours: float, verdict: str
) -> None:
    row = Row(name="noop", unit="requests/s", ours=ours, theirs=theirs, target=target)
    assert row.verdict == verdict


def test_medians_are_of_each_figure_and_errors_add_up() -> None:
    samples = [
        Sample(rate=rate, p50_ms=1, p99_ms=p99, cpu_us=rate, errors=2, others_cores=rate / 100)
        for rate, p99 in ((10, 7), (30, 9), (20, 8))
    ]
    median = median_of(samples)
    assert (median.rate, median.p99_ms, median.errors, median.others_cores) == (20, 8, 6, 0.3)


def test_a_calm_sample_is_taken_once() -> None:
    assert calmest(lambda: CALM, takes_max=TAKES_MAX) == (CALM, 1)


def test_a_disturbed_sample_is_taken_again_at_most_thrice_in_all_and_the_calmest_counts() -> None:
    coming = iter([disturbed(0.9), disturbed(0.5), disturbed(0.7), CALM])
    sample, takes = calmest(lambda: next(coming), takes_max=TAKES_MAX)
    assert (sample.others_cores, takes) == (0.5, 3)
    assert is_disturbed(sample)


def test_the_patience_of_a_run_has_an_end() -> None:
    patience = Patience(3, wait_s_max=1)
    assert patience.takes_max() == 3
    patience.spend(3)
    assert patience.takes_max() == 2
    patience.spend(2)
    assert patience.takes_max() == 1


def test_a_run_waits_for_other_processes_for_a_while_only() -> None:
    coming = iter([0.9, 0.9, 0.1, 0.9, 0.9, 0.9, 0.9])
    patience = Patience(3, wait_s_max=1)
    assert patience.wait_calm(lambda: next(coming)) == pytest.approx(0.6)
    assert patience.wait_calm(lambda: next(coming)) == pytest.approx(0.6)
    assert patience.wait_calm(lambda: next(coming)) == 0.0


def test_a_row_that_others_disturbed_has_no_verdict() -> None:
    row = Row(name="noop", unit="x", ours=9, theirs=1, target=at_least(3), others_cores=1.1)
    assert row.verdict == "disturbed"
    assert msgspec.structs.replace(row, others_cores=0.9).verdict == "ok"


@pytest.mark.parametrize(("percent", "value"), [(50, 50), (95, 95), (99, 99), (100, 100), (1, 1)])
def test_a_percentile_is_a_value_that_was_measured(percent: float, value: float) -> None:
    assert percentile([float(each) for each in range(100, 0, -1)], percent) == value


def test_a_percentile_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 50)


def test_what_others_use_leaves_out_the_server_and_the_load_generator() -> None:
    before = Usage(machine=10, children=1, by_process={1: ("server", 2.0), 2: ("idle", 5.0)})
    after = Usage(
        machine=14,
        children=2,
        by_process={1: ("server", 4.0), 2: ("idle", 5.0), 3: ("pytest", 0.75)},
    )
    cores, name = others_between(before, after, own=(1,), elapsed_s=2)
    assert (cores, name) == (0.5, "pytest")


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (12_345.6, "12,346"), (123.4, "123"), (1.234, "1.23")]
)
def test_figures_are_written_for_people(value: float | None, text: str) -> None:
    assert figure(value) == text


def test_the_tables_have_a_line_for_each_row() -> None:
    row = Row(
        name="noop", unit="requests/s", ours=300, theirs=100, target=at_least(4), note="disturbed"
    )
    heading, line = text_table([row]).splitlines()
    assert heading.split() == ["what", "unit", "workerd", "boomtown", "ratio", "target"]
    assert line.split()[2:8] == ["100", "300", "3.00", ">=", "4", "x"]
    assert line.endswith("under disturbed")
    assert markdown_table([row]).splitlines()[2] == (
        "| noop | requests/s | 100 | 300 | 3.00 | >= 4 x | under disturbed |"
    )


def measured(server: str, cell: Cell, rate: float) -> Measured:
    sample = msgspec.structs.replace(CALM, rate=rate, p99_ms=1_000 / rate)
    return Measured(cell=cell, server=server, median=sample, takes=3)


def test_a_cell_gives_a_row_for_each_loop_and_its_p99() -> None:
    cell = SHORT[0]
    rows = rows_of(
        [
            measured("workerd", cell, 100),
            measured("boomtown, asyncio", cell, 300),
            measured("boomtown, uvloop", cell, 390),
        ]
    )
    assert [(row.name.rpartition(", ")[2], row.ratio, row.verdict) for row in rows] == [
        ("asyncio", 3.0, "ok"),
        ("uvloop", 3.9, "under"),
        ("asyncio: p99", pytest.approx(1 / 3), "under"),
        ("uvloop: p99", pytest.approx(1 / 3.9), "under"),
    ]


def test_without_workerd_there_is_no_ratio() -> None:
    rows = rows_of([measured("boomtown, asyncio", SHORT[0], 300)])
    assert [(row.theirs, row.ratio, row.verdict) for row in rows] == [(None, None, "under")] * 2


def test_a_plot_has_a_line_for_each_server() -> None:
    cells = [Cell(endpoint="noop", connections=count) for count in (1, 16, 64)]
    found = [
        measured(server, cell, 100.0 * cell.connections)
        for server in ("workerd", "boomtown, asyncio")
        for cell in reversed(cells)
    ]
    series = series_of(found, objects=1_000)
    assert series["workerd"] == [(1, 100), (16, 1_600), (64, 6_400)]
    drawn = plot(series, title="noop")
    assert drawn.count("<polyline") == 2
    assert "boomtown, asyncio" in drawn
