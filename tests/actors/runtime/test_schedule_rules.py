"""When schedules are due, as functions of the clock; Cron against a search minute by minute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boomtown.actors.runtime.instants import INSTANT_MS_MAX
from boomtown.actors.runtime.schedule_rules import (
    Bury,
    Cron,
    Every,
    RetryAt,
    RetryPolicy,
    after_failure,
    first_due,
    next_cron_ms,
    next_due,
)

INSTANTS = st.integers(min_value=1, max_value=4_000_000_000_000)  # to the year 2096
MINUTE_MS = 60_000


def ms(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp()) * 1000  # type: ignore[misc,arg-type]


@given(st.integers(1_000, 10**10), INSTANTS, INSTANTS)
def test_an_interval_keeps_its_beat_and_makes_up_once(
    interval_ms: int, due_at_ms: int, now_ms: int
) -> None:
    due = next_due(Every(interval_ms), due_at_ms=due_at_ms, now_ms=now_ms)
    assert due is not None
    assert (due - due_at_ms) % interval_ms == 0
    assert due > max(now_ms, due_at_ms)
    assert due - interval_ms <= max(now_ms, due_at_ms)  # the first one after


@given(INSTANTS, st.integers(0, 59), st.integers(0, 23))
def test_a_daily_cron_is_the_first_match_after(after_ms: int, minute: int, hour: int) -> None:
    found = next_cron_ms(f"{minute} {hour} * * *", after_ms=after_ms)
    after = datetime.fromtimestamp(after_ms // 1000, UTC)
    expected = after.replace(hour=hour, minute=minute, second=0, microsecond=0)
    if expected <= after:
        expected += timedelta(days=1)
    assert found == int(expected.timestamp()) * 1000


@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        ("*/15 * * * *", ms(2026, 1, 1, 0, 15), ms(2026, 1, 1, 0, 30)),
        ("0 9 * * MON-FRI", ms(2026, 11, 20, 9), ms(2026, 11, 23, 9)),
        ("0 0 29 2 *", ms(2026, 1, 1), ms(2028, 2, 29)),
        ("30 2 * * *", ms(2026, 3, 28, 3), ms(2026, 3, 29, 2, 30)),  # Europe's summer time
        ("10 0 0 * * *", ms(2026, 1, 1), ms(2026, 1, 1, 0, 0, 10)),
    ],
    ids=["steps", "weekdays", "leap_day", "no_summer_time", "seconds"],
)
def test_cron_expressions_are_read_in_utc(expression: str, after: int, expected: int) -> None:
    assert next_cron_ms(expression, after_ms=after) == expected


@pytest.mark.parametrize("expression", ["", "* * * *", "61 * * * *", "0 0 30 2 *", "nonsense"])
def test_an_expression_that_never_matches_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match="cron expression"):
        Cron(expression)


@given(st.text(max_size=20))
def test_any_text_is_a_cron_expression_or_a_value_error(text: str) -> None:
    try:
        Cron(text)
    except ValueError:
        return
    assert next_cron_ms(text, after_ms=0) is not None


def test_what_comes_once_has_no_next() -> None:
    assert next_due(None, due_at_ms=5, now_ms=9) is None


def test_an_instant_in_the_past_is_now() -> None:
    assert first_due(5, now_ms=1_000) == (None, 1_000)
    assert first_due(datetime(2026, 1, 1, tzinfo=UTC), now_ms=1) == (None, ms(2026, 1, 1))
    assert first_due(Every(2_000), now_ms=1_000) == (Every(2_000), 3_000)


@pytest.mark.parametrize(
    "at",
    [0, -1, float("nan"), float("inf"), INSTANT_MS_MAX + 1, datetime(2026, 1, 1)],  # noqa: DTZ001
    ids=["epoch", "before", "nan", "inf", "far", "naive"],
)
def test_what_is_no_instant_is_refused(at: float | datetime) -> None:
    with pytest.raises(TypeError):
        first_due(at, now_ms=1)


def test_an_interval_of_less_than_a_second_is_refused() -> None:
    with pytest.raises(ValueError, match="interval"):
        Every(999)


@pytest.mark.parametrize(
    "values",
    [{"attempts": 0}, {"backoff_ms": 0}, {"backoff_ms": 10, "backoff_ms_max": 9}],
    ids=["no_attempt", "no_wait", "unordered"],
)
def test_a_policy_that_makes_no_sense_is_refused(values: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="retry policy"):
        RetryPolicy(**values)


@given(st.integers(1, 100), st.integers(1, 100), st.integers(1, 10**6), st.text())
def test_a_wait_doubles_within_its_bounds_or_ends(
    attempts: int, failures: int, backoff_ms: int, drawn_from: str
) -> None:
    policy = RetryPolicy(attempts=attempts, backoff_ms=backoff_ms, backoff_ms_max=10**6)
    drawn_from = drawn_from.encode(errors="replace").decode()
    plan = after_failure(policy, failures=failures, now_ms=7, drawn_from=drawn_from)
    if failures >= attempts:
        assert plan == Bury()
        return
    assert isinstance(plan, RetryAt)
    wait_ms = min(backoff_ms * 2 ** (failures - 1), 10**6)
    assert wait_ms <= plan.at_ms - 7 <= wait_ms * 1.25
    assert plan == after_failure(policy, failures=failures, now_ms=7, drawn_from=drawn_from)
