"""Defects that the old system had and repaired later (rows 25 to 59)."""

from __future__ import annotations

from support.mutation import Edit, Mutant

_APPLY_EVENTS = "actors/town/apply_events.py"
_INBOX = "actors/town/inbox.py"
_PLAN_SESSIONS = "actors/town/plan_sessions.py"
_PLAN_REVIEWS = "actors/town/plan_reviews.py"
_SESSION_MOVES = "actors/town/session_moves.py"
_OF_COURSES = "tests/actors/town/test_defects_as_provoked.py::test_"
_OF_CALLS = "tests/actors/town/test_agent_calls.py::test_"
_OF_CONVOYS = "tests/actors/town/test_convoy_life.py::test_"
_OF_DISPATCH = "tests/actors/town/test_defects_of_dispatch.py::test_"
_OF_MESSAGES = "tests/actors/town/test_defects_of_messages.py::test_"
_OF_REVIEWS = "tests/actors/town/test_defects_of_reviews.py::test_"

REPAIR_MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="row-25",
        defect="a session is judged by its age, however often it is heard",
        edits=(
            Edit(
                _PLAN_SESSIONS,
                "    silent_at = silent_at_ms(session, limits=limits)\n    if session.stop_sent",
                "    silent_at = (session.started_at_ms or session.claimed_at_ms) + 150_000\n"
                "    if session.stop_sent",
            ),
        ),
        tests=(f"{_OF_REVIEWS}defect_25_long_review_with_heartbeats_is_left_alone",),
    ),
    Mutant(
        name="row-26",
        defect="a probe without an answer is taken for proof that the container is gone",
        edits=(
            Edit(
                "actors/town/body_reports.py",
                "        case Unknown():\n            pass\n",
                "        case Unknown():\n            _settle_container_end(tx, session)\n",
            ),
        ),
        tests=(f"{_OF_DISPATCH}defect_26_unknown_probes_move_nothing",),
    ),
    Mutant(
        name="row-27",
        defect="a refinery that completed is taken for free while its verdict may be on the way",
        edits=(
            Edit(
                _SESSION_MOVES,
                "    if not is_proven:\n        send_stop(tx, session)\n",
                '    end_session(\n        tx,\n        session,\n        reason="completed",\n'
                "        counts_attempt=False,\n        is_proven=True,\n    )\n",
            ),
        ),
        tests=(f"{_OF_REVIEWS}defect_27_completed_refinery_is_not_reused_within_the_grace",),
    ),
    Mutant(
        name="row-28",
        defect="a review that goes on at its forge is queued again for want of a session",
        edits=(
            Edit(
                _PLAN_REVIEWS,
                "        if not has_pull_request:\n            yield ReleaseBead(",
                "        if bead.bead_id:\n            yield ReleaseBead(",
            ),
        ),
        tests=(
            f"{_OF_REVIEWS}defect_28_review_with_a_pull_request_stays_as_it_is",
            "tests/actors/town/test_plan_reviews.py"
            "::test_rows_4_and_28_pull_request_waits_and_blocks_nobody",
        ),
    ),
    Mutant(
        name="row-29",
        defect="all beads of a convoy get their agents at once, whatever they wait for",
        edits=(
            Edit(
                "actors/town/plan_issues.py",
                "        and not open_blockers(snapshot, bead.bead_id)\n    )\n",
                "    )\n",
            ),
        ),
        tests=(
            f"{_OF_CONVOYS}defect_29_serial_convoy_binds_one_agent",
            "tests/actors/town/test_plan_issues.py::test_row_29_serial_tasks_get_one_agent",
        ),
    ),
    Mutant(
        name="row-30",
        defect="the count of fruitless reviews begins anew with each of them",
        edits=(
            Edit(
                _SESSION_MOVES,
                "    attempts = bead.dispatch_attempts + (1 if counts_attempt else 0)\n",
                "    attempts = 1 if counts_attempt else 0\n",
            ),
        ),
        tests=(f"{_OF_REVIEWS}defect_30_fruitless_reviews_are_capped",),
    ),
    Mutant(
        name="row-31",
        defect="a heartbeat does not prove that a start without an answer succeeded",
        edits=(
            Edit(
                _SESSION_MOVES,
                "    if not is_starting and session.state != SessionState.RUNNING:\n",
                "    if not is_starting and session.state == SessionState.CLAIMED:\n",
            ),
        ),
        tests=(f"{_OF_DISPATCH}defect_31_late_success_goes_on_in_the_same_session",),
    ),
    Mutant(
        name="row-32",
        defect="a cold container has no more time to start than a running one to speak",
        edits=(
            Edit(
                _PLAN_SESSIONS,
                "        return max(lease_ms, begun_ms + limits.start_deadline_ms)\n",
                "        return max(begun_ms, lease_ms)\n",
            ),
        ),
        tests=(f"{_OF_DISPATCH}defect_32_cold_start_is_unknown_for_two_minutes_and_lives",),
    ),
    Mutant(
        name="row-34",
        defect="every heartbeat leaves a row behind",
        edits=(
            Edit(
                _SESSION_MOVES,
                "    update_session(tx, session.session_id, **changes)\n    return get_session(",
                "    update_session(tx, session.session_id, **changes)\n"
                "    record_audit(\n"
                "        tx,\n"
                "        EventType.AGENT_STATUS,\n"
                "        bead=find_bead(tx, session.bead_id),\n"
                "        agent_id=session.agent_id,\n"
                "        session_id=session.session_id,\n"
                "    )\n"
                "    return get_session(",
            ),
        ),
        tests=(
            f"{_OF_DISPATCH}defect_34_steady_work_stores_nothing",
            f"{_OF_COURSES}defect_34_a_thousand_ticks_store_nothing_and_an_exit_one_event",
        ),
    ),
    Mutant(
        name="row-35",
        defect="an event whose application raises once is given up",
        edits=(
            Edit(
                _INBOX,
                "    if attempts < tx.limits.inbox_attempts_max:\n",
                "    if attempts < 1:\n",
            ),
        ),
        tests=(f"{_OF_MESSAGES}defect_35_event_that_raises_twice_is_applied_once",),
    ),
    Mutant(
        name="row-36",
        defect="the word of a session that does not exist is tried at every tick",
        edits=(
            Edit(
                _INBOX,
                "            return session is None or not can_speak(session, now_ms=tx.now_ms)",
                "            return session is not None"
                " and not can_speak(session, now_ms=tx.now_ms)",
            ),
        ),
        tests=(f"{_OF_MESSAGES}defect_36_events_of_nobody_are_consumed_in_one_tick",),
    ),
    Mutant(
        name="row-37",
        defect="a deleted bead leaves its pending events behind",
        edits=(
            Edit(
                "actors/town/bead_deletion.py",
                "        tx.run(_FORGET_EVENTS, bead.bead_id)\n",
                "",
            ),
        ),
        tests=(
            "tests/actors/town/test_bead_commands.py"
            "::test_defect_37_a_deleted_bead_takes_its_pending_events_along",
        ),
    ),
    Mutant(
        name="row-38",
        defect="a landing that failed is tried again at once",
        edits=(
            Edit(
                "actors/town/plan_convoys.py",
                "    return convoy.last_landing_at_ms + wait_ms\n",
                "    return convoy.last_landing_at_ms + 0 * wait_ms\n",
            ),
        ),
        tests=(
            f"{_OF_CONVOYS}defect_38_landing_fails_five_times_with_growing_pauses",
            "tests/actors/town/test_plan_convoys.py::test_row_38_landings_are_spaced",
        ),
    ),
    Mutant(
        name="row-40",
        defect="an agent is hooked to a bead, and the one that had it works on",
        edits=(
            Edit(
                "actors/town/agent_calls.py",
                '        release_session_of(tx, bead.bead_id, reason="taken_over")\n',
                "",
            ),
        ),
        tests=(
            f"{_OF_MESSAGES}defect_40_hook_of_a_second_agent_releases_and_stops_the_first",
            f"{_OF_CALLS}defect_40_a_second_hook_releases_the_first",
        ),
    ),
    Mutant(
        name="row-41",
        defect="a process that ends well closes its bead, though nobody said done",
        edits=(
            Edit(
                _SESSION_MOVES,
                '    end is not proven is to be ended meanwhile."""\n',
                '    end is not proven is to be ended meanwhile."""\n'
                "    change_bead_status(tx, session.bead_id, BeadStatus.CLOSED)\n",
            ),
        ),
        tests=(f"{_OF_MESSAGES}defect_41_process_that_ends_without_done_closes_nothing",),
    ),
    Mutant(
        name="row-49",
        defect="a refinery that says done, and not what came of it, has merged",
        edits=(
            Edit(
                _APPLY_EVENTS,
                "        case Verdict.MERGED:\n",
                "        case Verdict.MERGED | None:\n",
            ),
        ),
        tests=(f"{_OF_REVIEWS}defect_49_unproven_merge_waits_and_is_escalated_once",),
    ),
    Mutant(
        name="row-54",
        defect="a word about waiting from an earlier turn makes a busy mayor wait",
        edits=(
            Edit(
                _APPLY_EVENTS,
                "        return True  # of an older turn (row 54)\n",
                "        begun_ms = event.fired_at_ms\n",
            ),
        ),
        tests=(
            "tests/actors/town/test_loop_answers.py"
            "::test_defect_54_word_of_an_older_turn_is_no_waiting",
        ),
    ),
)
