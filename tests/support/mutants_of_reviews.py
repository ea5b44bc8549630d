"""Defects about reviews: whose word counts, which queue moves, what a merge may change."""

from __future__ import annotations

from support.mutation import Edit, Mutant

_APPLY_EVENTS = "actors/town/apply_events.py"
_INBOX = "actors/town/inbox.py"
_PLAN_REVIEWS = "actors/town/plan_reviews.py"
_REVIEW_MOVES = "actors/town/review_moves.py"
_SESSION_MOVES = "actors/town/session_moves.py"
_OF_COURSES = "tests/actors/town/test_defects_as_provoked.py::test_"
_OF_REVIEWS = "tests/actors/town/test_defects_of_reviews.py::test_"
_OF_MESSAGES = "tests/actors/town/test_defects_of_messages.py::test_"
_OF_DISPATCH = "tests/actors/town/test_defects_of_dispatch.py::test_"
_OF_TOWN = "tests/actors/town/test_town_commands.py::test_"
_OF_CALLS = "tests/actors/town/test_agent_calls.py::test_"

# The town guesses by the agent who spoke, as it did before sessions had names.
_ENDED_MAY_SAY_DONE = Edit(
    _INBOX,
    "            return session is None or not can_speak(session, now_ms=tx.now_ms)",
    "            return session is None",
)
GUESSES_BY_AGENT = (
    _ENDED_MAY_SAY_DONE,
    Edit(
        _APPLY_EVENTS,
        "import find_session, get_session",
        "import find_live_session, find_session, get_session",
    ),
    Edit(
        _APPLY_EVENTS,
        "    session = note_life(tx, get_session(tx, event.session_id))\n"
        "    bead = find_bead(tx, session.bead_id)\n",
        "    speaker = get_session(tx, event.session_id)\n"
        "    present = find_live_session(tx, speaker.agent_id)\n"
        "    session = note_life(tx, present or speaker)\n"
        "    bead = find_bead(tx, session.bead_id)\n",
    ),
)
_NEEDS_A_CONVOY = Edit(
    "actors/town/plan_issues.py",
    "        and LABEL_HELD not in bead.labels\n",
    "        and LABEL_HELD not in bead.labels\n"
    "        and bool(\n"
    "            bead.assignee_agent_id\n"
    "            or bead.bead_id in snapshot.convoy_of\n"
    "            or not bead.dispatch_attempts\n"
    "        )\n",
)

REVIEW_MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="row-01",
        defect="a refinery's late done settles the review that it has in hand now",
        edits=GUESSES_BY_AGENT,
        tests=(f"{_OF_REVIEWS}defect_01_late_done_of_an_ended_review_session_is_stale",),
    ),
    Mutant(
        name="row-03",
        defect="an older review stays in the queue when its source is submitted again",
        edits=(
            Edit(
                _REVIEW_MOVES,
                "    _supersede_reviews(tx, source.bead_id, newest=None)\n",
                "",
            ),
        ),
        tests=(
            f"{_OF_REVIEWS}defect_03_only_the_newest_submission_is_reviewed",
            f"{_OF_TOWN}defect_03_a_newer_review_supersedes_the_older",
        ),
    ),
    Mutant(
        name="row-04",
        defect="a review that waits with a pull request keeps the refinery from the next one",
        edits=(
            Edit(
                _PLAN_REVIEWS,
                "    if is_taken or is_reviewing:\n",
                "    is_frozen = any(\n"
                "        bead.rig_id == rig.rig_id\n"
                "        and bead.kind in _REVIEW_KINDS\n"
                "        and bead.status == BeadStatus.IN_PROGRESS\n"
                "        for bead in snapshot.beads.values()\n"
                "    )\n"
                "    if is_taken or is_reviewing or is_frozen:\n",
            ),
        ),
        tests=(
            f"{_OF_REVIEWS}defect_04_pull_request_that_waits_does_not_freeze_the_queue",
            "tests/actors/town/test_plan_reviews.py"
            "::test_rows_4_and_28_pull_request_waits_and_blocks_nobody",
        ),
    ),
    Mutant(
        name="row-09",
        defect="a review that goes on at its forge fails for want of a refinery",
        edits=(
            Edit(
                _PLAN_REVIEWS,
                "    elif bead.status == BeadStatus.IN_PROGRESS:\n",
                "    elif has_pull_request:\n"
                '        yield _fail(bead, "orphaned", "No refinery has it")\n'
                "    elif bead.status == BeadStatus.IN_PROGRESS:\n",
            ),
        ),
        tests=(
            f"{_OF_REVIEWS}defect_28_review_with_a_pull_request_stays_as_it_is",
            "tests/actors/town/test_plan_reviews.py"
            "::test_rows_4_and_28_pull_request_waits_and_blocks_nobody",
        ),
    ),
    Mutant(
        name="row-10",
        defect="a source outside a convoy, freed by its review's end, has no way back to work",
        edits=(_NEEDS_A_CONVOY,),
        tests=(f"{_OF_DISPATCH}defect_10_source_of_a_failed_review_is_dispatched_again",),
    ),
    Mutant(
        name="row-12",
        defect="done is taken for the newest review of the refinery, whichever it was said of",
        edits=GUESSES_BY_AGENT,
        tests=(
            f"{_OF_MESSAGES}defect_12_done_for_the_first_review_leaves_the_second",
            f"{_OF_COURSES}defect_12_done_of_an_unhooked_refinery_finds_no_other_review",
        ),
    ),
    Mutant(
        name="row-18",
        defect="a merge closes all reviews of its source, those that had failed too",
        edits=(
            Edit(
                _REVIEW_MOVES,
                "        if sibling.bead_id == newest or sibling.status in FINAL_STATUSES:\n"
                "            continue\n",
                "        if sibling.bead_id == newest:\n"
                "            continue\n"
                "        if newest is not None:\n"
                "            merged = \"UPDATE beads SET status = 'closed' WHERE bead_id = ?\"\n"
                "            tx.run(merged, sibling.bead_id)\n"
                "            continue\n",
            ),
        ),
        tests=(
            f"{_OF_REVIEWS}defect_18_merge_leaves_failed_siblings_as_they_are",
            f"{_OF_TOWN}defect_18_a_merge_leaves_failed_siblings_failed",
        ),
    ),
    Mutant(
        name="row-20",
        defect="a failed review of a bead without a convoy strands it",
        edits=(_NEEDS_A_CONVOY,),
        tests=(f"{_OF_REVIEWS}defect_20_failed_review_of_a_lone_bead_is_worked_on_again",),
    ),
    Mutant(
        name="row-22",
        defect="a refinery whose review was taken away is free before its body is proven over",
        edits=(
            Edit(
                _SESSION_MOVES,
                "is_proven=True)\n    _begin_ending(tx, session, reason=reason)\n",
                "is_proven=True)\n"
                "    send_stop(tx, session)\n"
                "    end_session(\n"
                "        tx, session, reason=reason, counts_attempt=False, is_proven=True\n"
                "    )\n",
            ),
        ),
        tests=(f"{_OF_REVIEWS}defect_22_refinery_is_free_only_when_its_body_is_proven_over",),
    ),
    Mutant(
        name="row-23",
        defect="a refinery that completed is given up before its done can arrive",
        edits=(
            Edit(
                _SESSION_MOVES,
                "done_grace_until_ms=tx.now_ms + tx.limits.done_grace_ms",
                "done_grace_until_ms=tx.now_ms",
            ),
        ),
        tests=(f"{_OF_REVIEWS}defect_23_late_done_after_completion_counts",),
    ),
    Mutant(
        name="row-24",
        defect="a rig that keeps failing ends the round before the next rig's review is looked at",
        edits=(
            Edit(
                _PLAN_REVIEWS,
                "        actions.extend(_plan_claim(snapshot, rig, sorted(due, key=_order)))\n",
                "        actions.extend(_plan_claim(snapshot, rig, sorted(due, key=_order)))\n"
                "        mine = (b for b in snapshot.beads.values() if b.rig_id == rig.rig_id)\n"
                "        if any(bead.dispatch_attempts for bead in mine):\n"
                "            break\n",
            ),
        ),
        tests=(f"{_OF_DISPATCH}defect_24_failing_rig_does_not_starve_another",),
    ),
    Mutant(
        name="row-60",
        defect="a review is reopened under the refinery that still has it",
        edits=(
            Edit(
                _PLAN_REVIEWS,
                "        and bead.status not in FINAL_STATUSES\n"
                "        and bead.bead_id not in snapshot.session_of_bead\n",
                "        and bead.status not in FINAL_STATUSES\n",
            ),
        ),
        tests=(
            "tests/actors/town/test_reconciler.py"
            "::test_row_60_silent_refinery_is_probed_and_its_review_left_alone",
        ),
    ),
    Mutant(
        name="row-61",
        defect="done after a request for changes merges the review, its rework still open",
        edits=(
            Edit(
                _SESSION_MOVES,
                "        return True\n    return is_in_grace(session, now_ms=now_ms)\n",
                "        return True\n    return session.state == SessionState.ENDING\n",
            ),
            Edit(
                _APPLY_EVENTS,
                "    if review.status not in FINAL_STATUSES and has_open_blockers(tx,"
                " review.bead_id):\n",
                "    if has_open_blockers(tx, review.bead_id) and event.verdict is None:\n",
            ),
        ),
        tests=(
            f"{_OF_REVIEWS}defect_61_changes_requested_then_done_is_never_merged",
            f"{_OF_REVIEWS}defect_61_merged_in_one_breath_with_changes_is_not_merged",
        ),
    ),
    Mutant(
        name="row-63",
        defect="a merge reported of a failed review closes its source all the same",
        edits=(
            Edit(
                _REVIEW_MOVES,
                "    if not change.changed:\n        if change.after == BeadStatus.FAILED:\n"
                "            _escalate_late_merge(tx, review, message)\n        return change\n"
                "    update_review(",
                "    update_review(",
            ),
        ),
        tests=(
            f"{_OF_REVIEWS}defect_63_merge_of_a_failed_review_is_escalated_only",
            f"{_OF_CALLS}defect_63_the_first_final_result_of_a_review_wins",
        ),
    ),
    Mutant(
        name="row-64",
        defect="a pull request told of a failed review brings it back to life",
        edits=(
            Edit(
                _REVIEW_MOVES,
                '    if review.status in FINAL_STATUSES or not pr_url.startswith("https://"):\n',
                '    if not pr_url.startswith("https://"):\n',
            ),
            Edit(
                _REVIEW_MOVES,
                "    if review.status == BeadStatus.OPEN:\n"
                "        change_bead_status(tx, review_id, BeadStatus.IN_PROGRESS)\n",
                "    revive = \"UPDATE beads SET status = 'in_progress' WHERE bead_id = ?\"\n"
                "    tx.run(revive, review_id)\n",
            ),
        ),
        tests=(f"{_OF_REVIEWS}defect_64_pull_request_told_in_the_grace_revives_no_failed_review",),
    ),
    Mutant(
        name="row-86",
        defect="reviews that wait with pull requests are counted as reviews side by side",
        edits=(
            Edit(
                "actors/town/invariants.py",
                "        session.rig_id\n"
                "        for session in snapshot.sessions.values()\n"
                "        if session.kind == SessionKind.REVIEW"
                " and session.state in LIVE_SESSION_STATES\n",
                "        bead.rig_id or SessionKind.REVIEW\n"
                "        for bead in snapshot.beads.values()\n"
                "        if bead.kind == BeadKind.REVIEW"
                " and bead.status == BeadStatus.IN_PROGRESS\n",
            ),
        ),
        tests=(f"{_OF_REVIEWS}defect_86_two_pull_requests_of_a_rig_break_no_invariant",),
    ),
    Mutant(
        name="row-92",
        defect="code_review off is forgotten for what belongs to a convoy",
        edits=(
            Edit(
                _PLAN_REVIEWS,
                "bead.kind == BeadKind.LANDING or not config.refinery.code_review,",
                "bead.kind == BeadKind.LANDING\n"
                "        or (not config.refinery.code_review"
                " and bead.subject not in snapshot.convoy_of),",
            ),
        ),
        tests=(
            "tests/actors/town/test_plan_reviews.py"
            "::test_row_92_code_review_off_merges_only_in_convoys_too",
        ),
    ),
)
