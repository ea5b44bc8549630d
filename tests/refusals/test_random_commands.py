"""I7 under random commands: a refusal leaves every table as it was, and all invariants hold."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from boomtown.error_codes import ErrorCode
from support.refusal_machine import TownMachine

EXAMPLES, STEPS = 30, 30
CODES_MIN = 15  # of different refusals that the commands met, so that they are known to be there


def test_stmt_I07_refusals_of_random_commands_change_nothing() -> None:
    TownMachine.told.clear()
    run_state_machine_as_test(
        TownMachine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            derandomize=True,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
    met = [name for name in TownMachine.told if name in ErrorCode.__members__]
    assert len(met) >= CODES_MIN, TownMachine.told
