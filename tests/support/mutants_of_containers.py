"""Defects about starts that fail in numbers, drains, and what a new container may go on with."""

from __future__ import annotations

from support.mutation import Edit, Mutant

_DRAIN = "actors/town/drain.py"
_PLAN_TOWN = "actors/town/plan_town.py"
_OF_CONTAINERS = "tests/actors/town/test_defects_of_containers.py::test_"

CONTAINER_MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="row-55-silence",
        defect="agents of a container that drains are judged by their silence",
        edits=(
            Edit(
                "actors/town/plan_sessions.py",
                "            if snapshot.town.is_draining:\n                return None\n",
                "",
            ),
        ),
        tests=(f"{_OF_CONTAINERS}defect_55_a_drain_of_six_minutes_moves_nothing",),
    ),
    Mutant(
        name="row-55-early",
        defect="a heartbeat of the very container that drains ends its drain",
        edits=(
            Edit(
                _DRAIN,
                "instance_id in (None, town.drain_instance_id):",
                "instance_id is None:",
            ),
        ),
        tests=(
            f"{_OF_CONTAINERS}defect_55_own_heartbeat_does_not_end_the_drain_and_anothers_does",
        ),
    ),
    Mutant(
        name="row-55-nonce",
        defect="any word about the drain ends it, the right one or not",
        edits=(
            Edit(
                _DRAIN,
                "    if not town.is_draining or town.drain_nonce != nonce or is_drained_one:\n",
                "    if not town.is_draining or is_drained_one:\n",
            ),
        ),
        tests=(f"{_OF_CONTAINERS}defect_55_nonce_ends_the_drain_when_another_instance_says_it",),
    ),
    Mutant(
        name="row-55-endless",
        defect="a drain that nobody ends holds the town for ever",
        edits=(
            Edit(
                _PLAN_TOWN,
                "    if drain_ends_at is not None and now_ms >= drain_ends_at:\n",
                "    if drain_ends_at is not None and now_ms < 0:\n",
            ),
        ),
        tests=(
            f"{_OF_CONTAINERS}defect_55_a_drain_of_six_minutes_moves_nothing",
            "tests/actors/town/test_plan_town.py"
            "::test_defect_55_drain_is_over_after_its_hard_limit",
        ),
    ),
    Mutant(
        name="row-71-running",
        defect="the breaker counts every start of its window, those that work too",
        edits=(
            Edit(
                "actors/town/store_breaker.py",
                "SELECT failed_at_ms FROM failed_starts WHERE failed_at_ms > ?",
                "SELECT claimed_at_ms AS failed_at_ms FROM sessions WHERE claimed_at_ms > ?",
            ),
        ),
        tests=(
            f"{_OF_CONTAINERS}defect_71_twenty_five_running_beads_leave_the_breaker_closed",
            f"{_OF_CONTAINERS}defect_71_failures_of_running_agents_and_of_containers_do_not_count",
        ),
    ),
    Mutant(
        name="row-71-notice",
        defect="nobody is told that the breaker has opened",
        edits=(
            Edit(
                "actors/town/town_moves.py",
                "    bump_counter(tx, COUNTER_OPENINGS)\n",
                "    bump_counter(tx, COUNTER_OPENINGS)\n"
                "    if breaker.failed_starts:\n        return True\n",
            ),
        ),
        tests=(
            f"{_OF_CONTAINERS}defect_71_twenty_rejections_open_it_with_one_notice_and_it_recovers",
        ),
    ),
    Mutant(
        name="row-71-stuck",
        defect="an open breaker never lets a start through to see",
        edits=(
            Edit(
                _PLAN_TOWN,
                "            return 0 if _is_probing(snapshot) else 1\n",
                "            return 0\n",
            ),
        ),
        tests=(
            f"{_OF_CONTAINERS}defect_71_twenty_rejections_open_it_with_one_notice_and_it_recovers",
        ),
    ),
    Mutant(
        name="row-73",
        defect="a container goes on with whatever session it finds in its own list",
        edits=(
            Edit(
                "actors/town/drain_commands.py",
                "[asked for asked in question.session_ids if asked in kept]",
                "list(question.session_ids)",
            ),
            Edit(
                "actors/town/drain_commands.py",
                "[asked for asked in question.session_ids if asked not in kept]",
                "[]",
            ),
        ),
        tests=(
            f"{_OF_CONTAINERS}defect_73_new_instance_may_resume_nothing_and_the_old_one_its_own",
            f"{_OF_CONTAINERS}"
            "defect_73_bead_taken_while_its_container_restarts_has_one_live_session",
        ),
    ),
)
