"""Defects about beads, convoys, the inbox, and what belongs to the town as a whole."""

from __future__ import annotations

from support.mutation import Edit, Mutant

_BEAD_COMMANDS = "actors/town/bead_commands.py"
_INBOX = "actors/town/inbox.py"
_PLAN_ISSUES = "actors/town/plan_issues.py"
_SCHEMA = "actors/town/schema.sql"
_TRANSITIONS = "actors/town/transitions.py"
_OF_BEADS = "tests/actors/town/test_bead_commands.py::test_"
_OF_CONVOYS = "tests/actors/town/test_convoy_commands.py::test_"
_OF_MESSAGES = "tests/actors/town/test_defects_of_messages.py::test_"
_OF_PLANS = "tests/actors/town/test_plan_issues.py::test_"
_OF_REVIEWS = "tests/actors/town/test_defects_of_reviews.py::test_"

BEAD_MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="row-06",
        defect="the line of credentials loses the port, and git does not find it",
        edits=(
            Edit(
                "container_sim/git_urls.py",
                '    authority = parts.netloc.rpartition("@")[2]\n',
                "    authority = parts.hostname\n",
            ),
        ),
        tests=(
            "tests/container_sim/test_git_urls.py"
            "::test_defect_06_credential_line_keeps_scheme_and_port",
        ),
    ),
    Mutant(
        name="row-07",
        defect="a triage request, which no agent may be hooked to, is tried at every tick",
        edits=(
            Edit(
                _PLAN_ISSUES,
                "        and LABEL_TRIAGE_REQUEST not in bead.labels\n",
                "        and bool(LABEL_TRIAGE_REQUEST)\n",
            ),
        ),
        tests=(
            f"{_OF_PLANS}bead_is_not_dispatched_when",
            "tests/actors/town/test_defects_of_containers.py"
            "::test_defect_07_triage_request_is_never_dispatched",
        ),
    ),
    Mutant(
        name="row-15",
        defect="a final bead that is asked to move emits the events of a move",
        edits=(
            Edit(
                _TRANSITIONS,
                "    if not is_bead_change(bead.type, bead.status, after):\n",
                "    if not is_bead_change(bead.type, bead.status, after):\n"
                "        record_audit(\n"
                "            tx,\n"
                "            EventType.STATUS_CHANGED,\n"
                "            bead=bead,\n"
                "            agent_id=agent_id,\n"
                "            session_id=session_id,\n"
                "            old_value=bead.status,\n"
                "            new_value=after,\n"
                "        )\n",
            ),
        ),
        tests=(
            f"{_OF_MESSAGES}defect_15_final_bead_asked_to_close_moves_nothing",
            f"{_OF_BEADS}defect_15_a_final_bead_stays_and_nothing_follows",
        ),
    ),
    Mutant(
        name="row-65",
        defect="dismissing an agent reopens its bead although that is in review",
        edits=(
            Edit(
                "actors/town/agent_commands.py",
                '    "UPDATE beads SET assignee_agent_id = NULL WHERE assignee_agent_id = ?'
                " AND status = 'open'\"\n",
                "    \"UPDATE beads SET assignee_agent_id = NULL, status = 'open'"
                " WHERE assignee_agent_id = ? AND status IN ('open', 'in_review')\"\n",
            ),
        ),
        tests=(
            "tests/actors/town/test_agent_commands.py"
            "::test_defect_65_a_dismissal_touches_no_bead_in_review",
        ),
    ),
    Mutant(
        name="row-72-corrupt",
        defect="one row that cannot be read keeps the whole inbox from being applied",
        edits=(
            Edit(
                _INBOX,
                "    except Exception as error:  # whatever is wrong with one event"
                " must not stop the others\n",
                "    except MemoryError as error:\n",
            ),
        ),
        tests=(f"{_OF_MESSAGES}defect_72_one_corrupt_row_among_ten",),
    ),
    Mutant(
        name="row-72-half",
        defect="what an event had done before it failed stays, and is done again",
        edits=(
            Edit(
                _INBOX,
                "        return tx.in_savepoint(work)\n",
                "        return work()\n",
            ),
        ),
        tests=(f"{_OF_MESSAGES}defect_72_event_that_fails_half_way_makes_one_review",),
    ),
    Mutant(
        name="row-75",
        defect="a convoy that fails half way leaves its own row, with no tasks",
        edits=(
            Edit(
                "actors/town/convoy_commands.py",
                "    _check_tasks(command, edges)\n    is_staged =",
                "    is_staged =",
            ),
            Edit(
                "actors/town/convoy_commands.py",
                "    _set_branch(tx, convoy)\n    tasks = [",
                "    _set_branch(tx, convoy)\n    _check_tasks(command, edges)\n    tasks = [",
            ),
            Edit(
                "actors/town/execution.py",
                "        return tx.in_savepoint(work)\n",
                "        return work()\n",
            ),
        ),
        tests=(
            f"{_OF_CONVOYS}defect_75_a_refused_convoy_leaves_no_row",
            f"{_OF_REVIEWS}defect_75_refused_convoy_leaves_nothing",
        ),
    ),
    Mutant(
        name="row-77",
        defect="the stored count of a convoy follows a formula of its own",
        edits=(
            Edit(
                _TRANSITIONS,
                "sum(b.status IN ('closed', 'failed'))",
                "sum(b.status = 'closed')",
            ),
        ),
        tests=(
            f"{_OF_REVIEWS}defect_77_stored_progress_equals_the_recount_after_each_tick",
            f"{_OF_CONVOYS}scenario_G_progress_counts_closed_and_failed",
        ),
    ),
    Mutant(
        name="row-77-retry",
        defect="the retry of a bead leaves the count of its convoy as it was",
        edits=(
            Edit(
                _BEAD_COMMANDS,
                "    insert_dependency(tx, _edge(new, convoy_id, DependencyType.TRACKS))\n"
                "    recount_convoy(tx, convoy_id)\n",
                "    insert_dependency(tx, _edge(new, convoy_id, DependencyType.TRACKS))\n",
            ),
        ),
        tests=(f"{_OF_CONVOYS}defect_77_stored_counts_equal_the_recount_after_mixed_outcomes",),
    ),
    Mutant(
        name="row-78",
        defect="a name is made of a count, and repeats after a dismissal",
        edits=(
            Edit(
                "actors/town/naming.py",
                "    for name in POLECAT_NAMES:\n        if name not in taken:\n"
                "            return name\n    number = len(POLECAT_NAMES) + 1\n"
                '    while f"Polecat-{number}" in taken:\n        number += 1\n',
                "    number = len(taken) + 1\n    if number <= len(POLECAT_NAMES):\n"
                "        return POLECAT_NAMES[number - 1]\n",
            ),
        ),
        tests=(
            "tests/actors/town/test_naming.py::test_row_78_names_do_not_repeat_after_a_deletion",
        ),
    ),
    Mutant(
        name="row-81",
        defect="an escalation can be made as a plain bead, which no list of escalations shows",
        edits=(
            Edit(
                _BEAD_COMMANDS,
                "{BeadType.MERGE_REQUEST, BeadType.ESCALATION, BeadType.CONVOY, BeadType.AGENT}",
                "{BeadType.MERGE_REQUEST, BeadType.CONVOY, BeadType.AGENT}",
            ),
        ),
        tests=(f"{_OF_BEADS}defect_81_a_bead_with_a_satellite_is_not_created_plain",),
    ),
    Mutant(
        name="row-85",
        defect="a second relation of the same two beads is dropped without a word",
        edits=(
            Edit(
                _SCHEMA,
                "    PRIMARY KEY (bead_id, depends_on_bead_id, type)\n",
                "    PRIMARY KEY (bead_id, depends_on_bead_id)\n",
            ),
        ),
        tests=(
            f"{_OF_BEADS}defect_85_two_relations_of_one_pair_are_both_kept",
            f"{_OF_REVIEWS}defect_85_two_relations_of_one_pair_are_both_kept",
        ),
    ),
    Mutant(
        name="row-89",
        defect="the text of a key is kept in its row",
        edits=(
            Edit(
                "actors/town/owner_keys.py",
                "    return hashlib.sha256(text.encode()).hexdigest()\n",
                "    return text\n",
            ),
        ),
        tests=(
            "tests/actors/town/test_owner_keys.py::test_defect_89_the_text_of_a_key_is_in_no_row",
        ),
    ),
    Mutant(
        name="row-90",
        defect="work goes on behind a bead that failed",
        edits=(
            Edit(
                "actors/town/blockers.py",
                "        return snapshot.town.config.on_failed_bead == OnFailedBead.CONTINUE\n",
                "        return True\n",
            ),
        ),
        tests=(
            f"{_OF_PLANS}row_90_dependent_of_a_failed_bead_is_held_and_escalated_once",
            "tests/actors/town/test_plan_reviews.py"
            "::test_row_90_review_behind_a_failed_rework_is_held_and_escalated",
        ),
    ),
    Mutant(
        name="row-91",
        defect="beads that wait for a person keep the town at its fastest pace",
        edits=(
            Edit(
                "actors/town/alarm_time.py",
                "    latest = now_ms + limits.alarm_idle_ms\n    if any(",
                "    latest = now_ms + limits.alarm_idle_ms\n    if snapshot.beads or any(",
            ),
        ),
        tests=(
            "tests/actors/town/test_alarm_time.py"
            "::test_row_91_what_waits_for_others_is_no_reason_to_wake",
        ),
    ),
    Mutant(
        name="row-93",
        defect="a town that was destroyed is given an alarm again",
        edits=(
            Edit(
                "actors/town/town.py",
                "            self._create_schema()\n            return\n",
                "            self._create_schema()\n",
            ),
        ),
        tests=(
            "tests/actors/town/test_loop_answers.py::test_defect_93_destroyed_town_has_no_alarm",
            "tests/actors/town/test_owner.py"
            "::test_defect_93_a_deleted_town_is_gone_and_has_no_alarm",
        ),
    ),
    Mutant(
        name="row-94",
        defect="an escalation that was answered is raised again",
        edits=(
            Edit(
                "actors/town/blockers.py",
                "    return key in snapshot.live_escalations"
                " or key in snapshot.closed_escalation_keys\n",
                "    return key in snapshot.live_escalations\n",
            ),
        ),
        tests=(f"{_OF_PLANS}row_94_answered_escalation_is_not_raised_again",),
    ),
    Mutant(
        name="row-95-sling",
        defect="slings bind agents beyond the limit of the rig",
        edits=(
            Edit(
                _BEAD_COMMANDS,
                "    has_capacity = len(working) < config.max_polecats_per_rig\n",
                "    has_capacity = True\n",
            ),
        ),
        tests=(f"{_OF_BEADS}defect_95_slings_beyond_the_limit_wait",),
    ),
    Mutant(
        name="row-95-loop",
        defect="the loop binds agents beyond the limit of the rig",
        edits=(
            Edit(
                _PLAN_ISSUES,
                "    places -= _count_busy(snapshot, rig.rig_id)\n",
                "",
            ),
        ),
        tests=(f"{_OF_PLANS}row_95_stopping_sessions_take_a_place",),
    ),
    Mutant(
        name="row-95-rig",
        defect="the rig's own cap of attempts is not asked",
        edits=(
            Edit(
                _PLAN_ISSUES,
                "    of_rig = snapshot.rigs[bead.rig_id].config.max_dispatch_attempts\n",
                "    of_rig = None\n",
            ),
        ),
        tests=(f"{_OF_PLANS}row_95_attempts_cap_of_the_rig_holds",),
    ),
    Mutant(
        name="row-97",
        defect="events of one instant are applied in any order",
        edits=(
            Edit(
                _INBOX,
                "WHERE applied_at_ms IS NULL ORDER BY seq LIMIT ?",
                "WHERE applied_at_ms IS NULL ORDER BY created_at_ms, seq DESC LIMIT ?",
            ),
        ),
        tests=(f"{_OF_MESSAGES}defect_97_events_of_one_instant_are_applied_in_their_order",),
    ),
    Mutant(
        name="row-98",
        defect="an edit of metadata replaces what others had written there",
        edits=(
            Edit(
                _BEAD_COMMANDS,
                'changes["metadata"] = merge_patch(bead.metadata, command.metadata)',
                'changes["metadata"] = command.metadata',
            ),
        ),
        tests=(f"{_OF_BEADS}defect_98_a_metadata_edit_is_a_merge_patch",),
    ),
)
