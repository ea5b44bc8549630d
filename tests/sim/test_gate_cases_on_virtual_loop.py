"""The gates' cases on the virtual loop: whatever the order of ready tasks, they mean the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from boomtown.actors.runtime.loop_hook import Microtask
from boomtown.actors.runtime.object_gates import ObjectGates
from boomtown.sim.choices import Choices
from boomtown.sim.virtual_loop import Hang, VirtualLoop, run_virtually
from support.gate_cases_constructs import CASES as CONSTRUCT_CASES
from support.gate_cases_ends import CASES as END_CASES
from support.gate_cases_hosts import CASES as HOST_CASES
from support.gate_cases_hosts import HostCase, run_host_case
from support.gate_cases_order import CASES as ORDER_CASES
from support.gate_cases_order import (
    gate_02_gathered_reads_stay_in_the_turn,
    gate_03_groups_after_real_io_stay_in_the_turn,
    gate_14_an_outside_handler_answers_a_section,
    gate_15_nothing_runs_between_a_set_and_its_waiter,
)
from support.gate_world import Case, GateWorld

SEEDS = 20
CASES = (*ORDER_CASES, *CONSTRUCT_CASES, *END_CASES)

# These say in which order events are served that several tasks hand in. Which of the tasks comes
# first is the loop's choice here, so they run in the plain order only.
NEED_ORDER_OF_ARRIVAL = frozenset(
    {
        "gate_09_a_caller_that_gave_up_is_skipped",
        "gate_16_a_bare_yield_lets_others_in",
        "gate_21_an_abort_ends_a_section_and_its_queue",
        "gate_25_replies_wait_for_the_commit",
        "gate_29_resumptions_after_a_section_keep_their_order",
        "gate_30_a_long_ping_pong_is_one_turn",
        "gate_35_a_long_drain_keeps_the_gate_and_lets_others_run",
    }
)


def run_case(case: Case, choices: Choices) -> None:
    async def main(loop: VirtualLoop) -> None:
        await case(GateWorld())

    run_virtually(main, choices)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_case_holds_in_the_plain_order(case: Case) -> None:
    run_case(case, Choices(seed=0, plan={}))


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.__name__ not in NEED_ORDER_OF_ARRIVAL],
    ids=lambda case: case.__name__,
)
def test_case_holds_under_every_order(case: Case) -> None:
    for seed in range(SEEDS):
        run_case(case, Choices(seed=seed))


@pytest.mark.parametrize("case", HOST_CASES, ids=lambda case: case.__name__)
def test_host_case_holds_under_every_order(case: HostCase, tmp_path: Path) -> None:
    async def main(loop: VirtualLoop) -> None:
        await run_host_case(case, tmp_path)

    run_virtually(main, Choices(seed=0, plan={}))
    for seed in range(SEEDS):
        run_virtually(main, Choices(seed=seed))


class NoMicrotasks(list[Microtask]):
    """Instead of keeping what is to run in the present turn, sends it through the gate."""

    def __init__(self, gates: ObjectGates) -> None:
        super().__init__()
        self._gates = gates

    def append(self, microtask: Microtask, /) -> None:
        task, callback, args, context = microtask
        call_soon = self._gates.hook.call_soon
        if task is None:
            call_soon(callback, *args, context=context)
        else:
            call_soon(self._gates.enter, task, callback, args, context)


@pytest.mark.parametrize(
    "case",
    [
        gate_02_gathered_reads_stay_in_the_turn,
        gate_03_groups_after_real_io_stay_in_the_turn,
        gate_14_an_outside_handler_answers_a_section,
        gate_15_nothing_runs_between_a_set_and_its_waiter,
    ],
    ids=lambda case: case.__name__,
)
def test_gate_41_without_microtasks_it_fails(case: Case) -> None:
    async def main(loop: VirtualLoop) -> None:
        world = GateWorld()
        world.object.gates.microtasks = NoMicrotasks(world.object.gates)
        await case(world)

    with pytest.raises((AssertionError, Hang)):
        run_virtually(main, Choices(seed=0, plan={}))


def test_every_exempt_case_is_still_a_case() -> None:
    assert {case.__name__ for case in CASES} >= NEED_ORDER_OF_ARRIVAL
