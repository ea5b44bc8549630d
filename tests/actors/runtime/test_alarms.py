"""The retry schedule of durable-actors 5.4."""

from __future__ import annotations

from boomtown.actors.runtime.alarms import GiveUp, Retry, RetryState, plan_retry
from boomtown.entropy import SeededEntropy
from boomtown.limits import RuntimeLimits

LIMITS = RuntimeLimits()


class EdgeEntropy(SeededEntropy):
    """Always the least or the greatest choice."""

    def __init__(self, *, is_greatest: bool) -> None:
        super().__init__(0)
        self._is_greatest = is_greatest

    def below(self, bound: int, *, label: str) -> int:
        return bound - 1 if self._is_greatest else 0


def waits_ms(kinds: str, *, is_greatest: bool = False) -> list[int | None]:
    """The waits after failures, `c`ounted or `u`ncounted; None: given up."""
    state, waits = RetryState(), list[int | None]()
    for kind in kinds:
        plan = plan_retry(
            state,
            is_counted=kind == "c",
            entropy=EdgeEntropy(is_greatest=is_greatest),
            limits=LIMITS,
        )
        match plan:
            case Retry():
                state = plan.state
                waits.append(plan.wait_ms)
            case GiveUp():
                waits.append(None)
    return waits


def test_counted_failures_wait_twice_as_long_each_and_the_seventh_gives_up() -> None:
    assert waits_ms("ccccccc") == [2000, 4000, 8000, 16000, 32000, 64000, None]


def test_jitter_adds_at_most_a_quarter() -> None:
    assert waits_ms("ccc", is_greatest=True) == [2500, 5000, 10000]


def test_uncounted_failures_go_on_for_ever_up_to_1024_seconds() -> None:
    waits = waits_ms("u" * 40)
    assert waits[:3] == [2000, 4000, 8000]
    assert waits[9:] == [1_024_000] * 31


def test_a_counted_failure_after_an_uncounted_one_starts_again() -> None:
    assert waits_ms("uuuccuc") == [2000, 4000, 8000, 2000, 4000, 8000, 2000]


def test_uncounted_failures_do_not_use_up_the_retries() -> None:
    assert waits_ms("cuucuuccuuccc")[-2:] == [4000, None]
