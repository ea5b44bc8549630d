"""Defects about sessions: started twice, taken for dead or alive, heard when they should not be."""

from __future__ import annotations

from support.mutants_of_reviews import GUESSES_BY_AGENT
from support.mutation import Edit, Mutant

_AGENT_CALLS = "actors/town/agent_calls.py"
_BEAD_COMMANDS = "actors/town/bead_commands.py"
_BODIES = "container_sim/bodies.py"
_BODY_REPORTS = "actors/town/body_reports.py"
_PLAN_SESSIONS = "actors/town/plan_sessions.py"
_SESSION_MOVES = "actors/town/session_moves.py"
_OF_COURSES = "tests/actors/town/test_defects_as_provoked.py::test_"
_OF_DISPATCH = "tests/actors/town/test_defects_of_dispatch.py::test_"
_OF_MESSAGES = "tests/actors/town/test_defects_of_messages.py::test_"
_OF_MANAGER = "tests/container_sim/test_manager.py::test_"


def _gives_up_unknown_start(of_kind: str) -> tuple[Edit, ...]:
    return (
        Edit(
            _BODY_REPORTS,
            "            return False  # plan_sessions probes it,"
            " at once and until there is proof\n",
            f"            if {of_kind} and session.state != SessionState.ENDED:\n"
            "                end_session(\n"
            "                    tx,\n"
            "                    session,\n"
            '                    reason="uncertain",\n'
            "                    counts_attempt=False,\n"
            "                    is_proven=True,\n"
            "                )\n"
            "            return False\n",
        ),
    )


SESSION_MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="row-02",
        defect="a review's start without an answer frees its refinery, and the next tick starts it",
        edits=_gives_up_unknown_start("session.subject is not None"),
        tests=(f"{_OF_DISPATCH}defect_02_review_start_that_times_out_is_sent_once",),
    ),
    Mutant(
        name="row-08",
        defect="a start is sent without its token, which would have to follow by itself",
        edits=(
            Edit(
                "actors/town/start_request.py",
                "        session_token=tokens.mint_session_token(\n",
                '        session_token=""\n        and tokens.mint_session_token(\n',
            ),
        ),
        tests=(f"{_OF_DISPATCH}defect_08_token_travels_in_the_start_and_needs_no_call_of_its_own",),
    ),
    Mutant(
        name="row-11",
        defect="a start that fails reopens its bead, whatever became of it meanwhile",
        edits=(
            Edit(
                _SESSION_MOVES,
                "    if bead is None or bead.status not in (BeadStatus.OPEN,"
                " BeadStatus.IN_PROGRESS):\n        return\n",
                "    if bead is None:\n        return\n"
                "    reopen = \"UPDATE beads SET status = 'open' WHERE bead_id = ?\"\n"
                "    tx.run(reopen, bead.bead_id)\n",
            ),
        ),
        tests=(f"{_OF_DISPATCH}defect_11_rejected_start_does_not_reopen_a_closed_bead",),
    ),
    Mutant(
        name="row-13-heartbeat",
        defect="a body that nobody knows is a miss, though it was heard since the question",
        edits=(
            Edit(
                _BODY_REPORTS,
                "    if heard_at_ms is not None and heard_at_ms >= asked_at_ms:\n",
                "    if heard_at_ms is not None and heard_at_ms > tx.now_ms:\n",
            ),
        ),
        tests=(f"{_OF_DISPATCH}defect_13_not_found_counts_twice_and_in_silence_only",),
    ),
    Mutant(
        name="row-13-once",
        defect="one probe that finds nothing is enough to call an agent dead",
        edits=(
            Edit(
                _BODY_REPORTS,
                "MISSES_NEEDED = 2  #",
                "MISSES_NEEDED = 1  #",
            ),
        ),
        tests=(f"{_OF_DISPATCH}defect_13_not_found_counts_twice_and_in_silence_only",),
    ),
    Mutant(
        name="row-14",
        defect="a bead waits for its whole cooldown although its agent is proven dead",
        edits=(
            Edit(
                _SESSION_MOVES,
                "    if is_proven:  # row 14: proof of death clears the cooldown, not the count\n"
                "        return None\n",
                "",
            ),
        ),
        tests=(
            f"{_OF_DISPATCH}defect_14_proof_of_death_is_followed_by_a_dispatch_at_once",
            f"{_OF_COURSES}defect_14_proof_of_death_clears_a_cooldown_and_keeps_the_count",
        ),
    ),
    Mutant(
        name="row-17",
        defect="the reason of a refused start is kept in a variable that all starts share",
        edits=(
            Edit(
                "container_sim/control_client.py",
                "def _rejected(answer: Answer) -> Rejected:\n"
                "    said = decode_json_as(answer.body, ErrorAnswer)\n",
                "_SAID: dict[str, ErrorAnswer] = {}\n\n\n"
                "def _rejected(answer: Answer) -> Rejected:\n"
                '    said = _SAID.setdefault("last", decode_json_as(answer.body, ErrorAnswer))\n',
            ),
        ),
        tests=(f"{_OF_MANAGER}defect_17_two_failing_starts_keep_their_own_reasons",),
    ),
    Mutant(
        name="row-19",
        defect="work whose start had no answer is dispatched again while it runs",
        edits=_gives_up_unknown_start("session.subject is None"),
        tests=(f"{_OF_DISPATCH}defect_19_work_start_that_times_out_is_sent_once",),
    ),
    Mutant(
        name="row-21",
        defect="a body that failed is taken for one that runs",
        edits=(
            Edit(
                _BODY_REPORTS,
                "    if report.state in (BodyState.EXITED, BodyState.FAILED):\n"
                "        _settle_report(tx, session, report)\n"
                "        return\n",
                "    if report.state == BodyState.EXITED:\n"
                "        _settle_report(tx, session, report)\n"
                "        return\n",
            ),
        ),
        tests=(
            f"{_OF_DISPATCH}defect_21_start_that_fails_after_a_timeout_is_noticed",
            f"{_OF_COURSES}defect_21_start_that_runs_already_and_then_fails_is_noticed",
        ),
    ),
    Mutant(
        name="row-50",
        defect="the session of a start without an answer may not speak, though it lives",
        edits=_gives_up_unknown_start("session.subject is not None"),
        tests=(f"{_OF_MESSAGES}defect_50_lost_answer_of_a_start_does_not_silence_its_session",),
    ),
    Mutant(
        name="row-62-done",
        defect="an old done sends the bead that the agent has now to review",
        edits=GUESSES_BY_AGENT,
        tests=(f"{_OF_MESSAGES}defect_62_old_word_of_a_polecat_leaves_its_new_bead[done]",),
    ),
    Mutant(
        name="row-62-completed",
        defect="an old completion ends what the agent does now",
        edits=(
            Edit(
                "actors/town/inbox.py",
                "            return session is None or session.state == SessionState.ENDED\n",
                "            return session is None\n",
            ),
            Edit(
                _BODY_REPORTS,
                "    find_effect_by_key,\n",
                "    find_effect_by_key,\n    find_live_session,\n",
            ),
            Edit(
                _BODY_REPORTS,
                "    session = get_session(tx, event.session_id)\n"
                "    if event.kept_worktree is not None:\n",
                "    speaker = get_session(tx, event.session_id)\n"
                "    session = find_live_session(tx, speaker.agent_id) or speaker\n"
                "    if event.kept_worktree is not None:\n",
            ),
        ),
        tests=(
            f"{_OF_MESSAGES}defect_62_old_word_of_a_polecat_leaves_its_new_bead[completed]",
            f"{_OF_MESSAGES}defect_42_completion_of_an_old_session_leaves_the_new_one",
            f"{_OF_MESSAGES}defect_59_eviction_of_an_earlier_session_leaves_the_later",
        ),
    ),
    Mutant(
        name="row-66",
        defect="mail counts as delivered because somebody looked at it",
        edits=(
            Edit(
                _AGENT_CALLS,
                "        if not fence.is_stale:\n            update_mail(",
                "        if shown:\n            update_mail(",
            ),
        ),
        tests=(
            "tests/actors/town/test_agent_calls.py"
            "::test_defect_66_mail_that_the_agent_itself_was_not_given_waits_for_it",
        ),
    ),
    Mutant(
        name="row-67",
        defect="the end of an earlier container ends the sessions of the present one",
        edits=(
            Edit(
                _BODY_REPORTS,
                "        if session.instance_id == event.gone.instance_id\n",
                "        if event.gone.instance_id\n",
            ),
        ),
        tests=(
            f"{_OF_MESSAGES}defect_67_word_about_the_session_before_is_no_word_about_this_one",
            f"{_OF_COURSES}defect_67_old_words_during_a_start_are_no_words_about_it",
        ),
    ),
    Mutant(
        name="row-68",
        defect="a start that takes longer than a lease is given up, and sent again",
        edits=(
            Edit(
                _PLAN_SESSIONS,
                "    silent_at = silent_at_ms(session, limits=limits)\n    if session.stop_sent",
                "    silent_at = silent_at_ms(session, limits=limits)\n"
                "    sent_ms = session.start_sent_at_ms or 0\n"
                "    if session.state == SessionState.STARTING"
                " and now_ms >= sent_ms + limits.lease_ms:\n"
                "        return _end(session, REASON_LOST, counts_attempt=False)\n"
                "    if session.stop_sent",
            ),
        ),
        tests=(
            f"{_OF_DISPATCH}defect_68_slow_clone_is_one_start",
            "tests/actors/town/test_plan_sessions.py"
            "::test_row_68_starting_session_that_beats_outlives_its_deadline",
        ),
    ),
    Mutant(
        name="row-68-silent-clone",
        defect="heartbeats begin when the agent runs, not when its preparation does",
        edits=(
            Edit(
                _BODIES,
                '        """At once, at each change of state and every `heartbeat_ms`."""\n',
                "        await body.changed.wait()\n",
            ),
        ),
        tests=(f"{_OF_MANAGER}defect_68_heartbeats_flow_before_the_agent_runs",),
    ),
    Mutant(
        name="row-69",
        defect="a sling fires a start of its own beside the loop's",
        edits=(
            Edit(
                _BEAD_COMMANDS,
                "        claim_session(tx, agent=agent, bead=bead, kind=SessionKind.WORK,"
                " harness=config.harness)\n",
                "        session = claim_session(\n"
                "            tx, agent=agent, bead=bead, kind=SessionKind.WORK,"
                " harness=config.harness\n"
                "        )\n"
                "        want_effect(\n"
                "            tx,\n"
                "            kind=EffectKind.START,\n"
                '            key=f"sling:{session.session_id}",\n'
                "            session_id=session.session_id,\n"
                "        )\n",
            ),
            Edit(
                _BEAD_COMMANDS,
                "session_moves import claim_session\n",
                "session_moves import claim_session, want_effect\n",
            ),
            Edit(
                _BEAD_COMMANDS,
                "    DependencyType,\n    EventType,\n",
                "    DependencyType,\n    EffectKind,\n    EventType,\n",
            ),
        ),
        tests=(
            f"{_OF_DISPATCH}defect_69_slings_and_ticks_at_once_start_each_bead_once",
            f"{_OF_COURSES}defect_69_a_tick_at_any_await_of_a_sling_starts_it_once",
        ),
    ),
    Mutant(
        name="row-70",
        defect="a refinery is used again while the stop of its last session is on the way",
        edits=(
            Edit(
                _SESSION_MOVES,
                "    _begin_ending(tx, get_session(tx, session.session_id),"
                " reason=reason or verdict.value)\n",
                "    send_stop(tx, session)\n"
                "    end_session(\n"
                "        tx,\n"
                "        get_session(tx, session.session_id),\n"
                "        reason=reason or verdict.value,\n"
                "        counts_attempt=False,\n"
                "        is_proven=True,\n"
                "    )\n",
            ),
        ),
        tests=(f"{_OF_DISPATCH}defect_70_slow_stop_does_not_hit_the_next_session",),
    ),
    Mutant(
        name="row-74",
        defect="a start that comes twice ends the healthy session and makes another",
        edits=(
            Edit(
                _BODIES,
                "        started = self.find_started(order)\n"
                "        if started is not None:\n"
                "            return started\n"
                "        holder = self.find_live_of_agent(order.agent_id)\n"
                "        if holder is not None:\n",
                "        known = self._bodies.get(order.session_id)\n"
                "        if known is not None:\n"
                '            known.want_stop("restarted", grace_ms=0)\n'
                "        holder = self.find_live_of_agent(order.agent_id)\n"
                "        if holder is not None and holder.session_id != order.session_id:\n",
            ),
            Edit(
                "container_sim/control_desk.py",
                "        if started is not None:\n"
                "            return _value_answer(200, started.report)\n"
                "        if self.is_draining:\n",
                "        if started is None and self.is_draining:\n",
            ),
        ),
        tests=(f"{_OF_MANAGER}defect_74_same_session_started_twice_has_one_process",),
    ),
    Mutant(
        name="row-76",
        defect="the tick waits for its own calls, so one that hangs stops the town",
        edits=(
            Edit(
                "actors/town/town_loop.py",
                "                self._wait_until(self._workers.perform(effect))\n",
                "                await self._workers.perform(effect)\n",
            ),
        ),
        tests=(f"{_OF_DISPATCH}defect_76_hung_stop_does_not_stop_the_ticks",),
    ),
    Mutant(
        name="row-80",
        defect="a heartbeat makes an agent whose session is over work again",
        edits=(
            Edit(
                _AGENT_CALLS,
                "    if fence.is_stale:\n"
                '        return FactsView(facts={"heartbeat": True, "stale": True})\n',
                "    if fence.is_stale:\n"
                "        update_session(\n"
                "            tx, session.session_id, state=SessionState.RUNNING,"
                " ended_at_ms=None\n"
                "        )\n",
            ),
        ),
        tests=(f"{_OF_MESSAGES}defect_80_beats_of_an_idle_agent_change_nothing",),
    ),
    Mutant(
        name="row-88",
        defect="whoever holds a session's token may speak for any agent of the town",
        edits=(
            Edit(
                "actors/town/fences.py",
                "        if caller.agent_id not in (None, agent_id):\n"
                "            raise AccessDenied(ErrorCode.FORBIDDEN_AGENT)\n"
                "        session = _session_of(tx, caller)\n"
                "        is_own = session is not None and session.agent_id == agent_id\n",
                "        session = _session_of(tx, caller)\n        is_own = session is not None\n",
            ),
        ),
        tests=(
            "tests/actors/town/test_agent_calls.py::test_defect_88_a_session_is_no_other_agent",
        ),
    ),
    Mutant(
        name="row-96",
        defect="a start that was refused looks like work until its deadline",
        edits=(
            Edit(
                _BODY_REPORTS,
                "            if session.state == SessionState.ENDED:\n"
                "                return True\n"
                "            is_draining =",
                "            if session.state in (SessionState.STARTING, SessionState.ENDED):\n"
                "                return True\n"
                "            is_draining =",
            ),
        ),
        tests=(f"{_OF_DISPATCH}defect_96_rejection_is_retried_by_backoff",),
    ),
)
