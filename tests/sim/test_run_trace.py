"""The trace's digest says whether two runs were the same."""

from __future__ import annotations

from boomtown.sim.faults import FaultKind
from boomtown.sim.run_trace import LINES_KEPT_MAX, Trace


def trace_of(*events: str) -> Trace:
    trace = Trace(lambda: 42)
    for event in events:
        trace.record(event)
    return trace


def test_a_line_has_its_instant_and_its_facts_sorted() -> None:
    trace = Trace(lambda: 42)
    trace.record("sent", to="é\n", at=3, body=b"\xff", last=True, kind=FaultKind.KILL)
    assert trace.tail(1) == ("42 sent at=3 body=b'\\xff' kind='kill' last=True to='\\xe9\\n'",)


def test_the_digest_is_pinned_across_versions() -> None:
    assert trace_of("a", "b").digest == (
        "92c1fb9608f703365db88014961669dffc0d525e40e28d87f15c2d5611aaad2b"
    )


def test_order_and_borders_of_events_show_in_the_digest() -> None:
    assert trace_of("a", "b").digest != trace_of("b", "a").digest
    assert trace_of("a", "b").digest != trace_of("a").digest


def test_the_digest_covers_lines_that_are_no_longer_kept() -> None:
    many = trace_of("first", *["x"] * LINES_KEPT_MAX)
    other = trace_of("other", *["x"] * LINES_KEPT_MAX)
    assert many.tail(LINES_KEPT_MAX + 5) == other.tail(LINES_KEPT_MAX + 5)
    assert len(many.tail(LINES_KEPT_MAX + 5)) == LINES_KEPT_MAX
    assert many.count == LINES_KEPT_MAX + 1
    assert many.digest != other.digest


def test_a_tail_of_nothing_is_empty() -> None:
    assert trace_of("a").tail(0) == ()
