"""Defects about who works in a town: what the statements A and B of the roster forbid."""

from __future__ import annotations

from support.mutation import Edit, Mutant

_BOSSES = "actors/town/bosses.py"
_GATEWAY = "actors/town/gateway.py"
_MAIL = "actors/town/mail_addresses.py"
_OFFBOARDING = "actors/town/offboarding.py"
_OF_OFFBOARDING = "tests/actors/town/test_offboarding.py::test_"
_OF_WATCHES = "tests/actors/town/test_watches.py::test_"
_OF_GATEWAY = "tests/actors/town/test_gateway.py::test_"

ROSTER_MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="stmt-a01",
        defect="a dismissal leaves its watches, and nobody may subscribe after it",
        edits=(Edit(_OFFBOARDING, "    delete_watch(tx, watch.watch_id)\n", ""),),
        tests=(
            f"{_OF_WATCHES}stmt_A01_a_dismissal_removes_every_watch_of_the_agent_and_no_other",
            f"{_OF_WATCHES}stmt_A02_after_the_dismissal_another_agent_may_subscribe",
            f"{_OF_WATCHES}stmt_A07_hire_subscribe_offboard_hire_subscribe",
        ),
    ),
    Mutant(
        name="stmt-b01",
        defect="an architect is removed from under its workers without a word",
        edits=(
            Edit(
                _OFFBOARDING,
                "    if workers and dismissal.heir is None and not dismissal.force:\n",
                "    if len(workers) > 99 and dismissal.heir is None and not dismissal.force:\n",
            ),
        ),
        tests=(
            f"{_OF_OFFBOARDING}stmt_B01_an_architect_with_workers_is_not_dismissed_and_nothing_changes",
        ),
    ),
    Mutant(
        name="stmt-b04",
        defect="workers are reassigned to the one who leaves",
        edits=(
            Edit(
                _BOSSES,
                "    if named in (agent.agent_id, agent.name):\n",
                '    if named == "":\n',
            ),
        ),
        tests=(f"{_OF_OFFBOARDING}stmt_B04_a_bad_target_changes_nothing[itself]",),
    ),
    Mutant(
        name="stmt-b09",
        defect="a forced dismissal warns although there was nobody to orphan",
        edits=(Edit(_OFFBOARDING, "    elif workers:\n", "    elif dismissal.force:\n"),),
        tests=(f"{_OF_OFFBOARDING}stmt_B09_without_workers_nobody_asks_and_nothing_is_logged",),
    ),
    Mutant(
        name="stmt-b11",
        defect="a mayor is dismissed",
        edits=(
            Edit(
                _OFFBOARDING,
                "    if agent.role == AgentRole.MAYOR:\n",
                "    if agent.role == AgentRole.TRIAGE:\n",
            ),
        ),
        tests=(f"{_OF_OFFBOARDING}stmt_B11_the_mayor_stays_whatever_is_said",),
    ),
    Mutant(
        name="roster-cycle",
        defect="a target is put below itself",
        edits=(
            Edit(
                _BOSSES,
                "    above = [target.agent_id, *bosses_of(tx, target.agent_id)]\n",
                "    above = bosses_of(tx, target.agent_id)[:0]\n",
            ),
        ),
        tests=("tests/actors/town/test_roster_hiring.py::test_no_reassignment_makes_a_cycle",),
    ),
    Mutant(
        name="roster-grace",
        defect="who was dismissed hands in its verdict all the same",
        edits=(
            Edit(
                _OFFBOARDING,
                "        update_session(tx, session.session_id, done_grace_until_ms=None)\n",
                "",
            ),
        ),
        tests=(f"{_OF_OFFBOARDING}a_body_that_completed_may_not_hand_in_its_verdict_any_more",),
    ),
    Mutant(
        name="roster-denial",
        defect="a denied action leaves no trace",
        edits=(
            Edit(
                _GATEWAY,
                "    record_action(tx, decision)\n",
                "    if is_allowed:\n        record_action(tx, decision)\n",
            ),
        ),
        tests=(f"{_OF_GATEWAY}what_the_template_does_not_name_is_denied_and_recorded",),
    ),
    Mutant(
        name="roster-boss",
        defect="mail to the boss goes to one who has left",
        edits=(
            Edit(
                _MAIL,
                "boss if boss is not None and boss.employment == Employment.HIRED else None",
                "boss if boss is not None else None",
            ),
        ),
        tests=(f"{_OF_GATEWAY}mail_to_the_boss_reaches_the_live_boss_else_the_mayor",),
    ),
)
