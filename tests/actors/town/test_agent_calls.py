"""An agent's own calls: hooks, prime, mail, checkpoint, status, heartbeat, rework; the fence."""

from __future__ import annotations

import pytest

from boomtown.actors.town.commands import (
    CompleteReview,
    CreateBead,
    SendMail,
    SetBeadStatus,
    SubmitReview,
)
from boomtown.actors.town.commands_of_agents import (
    CheckMail,
    Heartbeat,
    HookBead,
    PrimeAgent,
    RefreshSession,
    ReportCompleted,
    ReportDone,
    RequestChanges,
    SetAgentStatus,
    UnhookBead,
    WriteCheckpoint,
)
from boomtown.actors.town.model import BeadStatus, BeadType, Session, SessionState
from boomtown.actors.town.questions import FindLiveSession, GetAgent, ListEvents
from boomtown.actors.town.session_moves import end_session, request_stop
from boomtown.actors.town.store_beads import get_bead, list_blockers
from boomtown.actors.town.store_town import list_counters
from boomtown.actors.town.views import (
    AgentView,
    BeadView,
    ListView,
    PostedView,
    PrimeView,
    SessionView,
)
from boomtown.container_sim.model import AgentRole, SessionKind, Verdict
from boomtown.error_codes import ErrorCode
from boomtown.errors import BoomtownError
from boomtown.ids import AgentId, BeadId, InstanceId
from support.town_desk import OTHER_RIG, RIG, Desk, container_caller, session_caller

ACCEPTED = PostedView(accepted=True, stale=False)
STALE = PostedView(accepted=True, stale=True)


def _agent(desk: Desk, agent_id: AgentId) -> AgentView:
    return desk.query(GetAgent(rig_id=RIG, agent_id=agent_id), AgentView)


def _prime(desk: Desk, agent_id: AgentId) -> PrimeView:
    return desk.get(PrimeAgent(rig_id=RIG, agent_id=agent_id), PrimeView)


def _beat(desk: Desk, session: Session) -> bool:
    facts = desk.facts(
        Heartbeat(rig_id=RIG, agent_id=session.agent_id), caller=session_caller(session)
    )
    assert facts["heartbeat"] is True
    return bool(facts["stale"])


def _over(desk: Desk, session: Session) -> Session:
    end_session(desk.tx, session, reason="test", counts_attempt=False, is_proven=True)
    return desk.session(session.session_id)


def _review(desk: Desk, source: BeadId) -> BeadId:
    command = SubmitReview(rig_id=RIG, bead_id=source, agent_id=None, branch="gt/ada/1")
    return BeadId(desk.get(command, BeadView).bead_id)


def test_scenario_B_a_hook_leaves_the_bead_open_with_its_assignee() -> None:
    desk = Desk()
    agent_id, bead_id = desk.add_agent(), desk.add_bead()
    assert desk.facts(HookBead(rig_id=RIG, agent_id=agent_id, bead_id=bead_id)) == {"hooked": True}
    agent, bead = _agent(desk, agent_id), get_bead(desk.tx, bead_id)
    assert (agent.status, agent.current_hook_bead_id) == ("idle", bead_id)
    assert (bead.status, bead.assignee_agent_id) == (BeadStatus.OPEN, agent_id)


def test_scenario_B_the_same_hook_again_changes_nothing() -> None:
    desk = Desk()
    agent_id, bead_id = desk.add_agent(), desk.add_bead()
    session = desk.attach(agent_id, bead_id)
    assert desk.attach(agent_id, bead_id) == session


def test_scenario_B_an_unhook_clears_the_hook_and_reopens_the_bead() -> None:
    desk = Desk()
    agent_id, bead_id = desk.add_agent(), desk.add_bead()
    session = desk.attach(agent_id, bead_id)
    _beat_as_operator(desk, agent_id)
    assert get_bead(desk.tx, bead_id).status == BeadStatus.IN_PROGRESS
    desk.do(UnhookBead(rig_id=RIG, agent_id=agent_id))
    bead = get_bead(desk.tx, bead_id)
    assert _agent(desk, agent_id).current_hook_bead_id is None
    assert (bead.status, bead.assignee_agent_id, bead.dispatch_attempts) == ("open", None, 0)
    assert desk.session(session.session_id).state == SessionState.ENDED


def _beat_as_operator(desk: Desk, agent_id: AgentId) -> None:
    assert desk.facts(Heartbeat(rig_id=RIG, agent_id=agent_id)) == {
        "heartbeat": True,
        "stale": False,
    }


@pytest.mark.parametrize(
    ("bead_type", "status"),
    [
        (BeadType.MESSAGE, BeadStatus.OPEN),
        (BeadType.MOLECULE, BeadStatus.OPEN),
        (BeadType.ISSUE, BeadStatus.CLOSED),
        (BeadType.ISSUE, BeadStatus.FAILED),
        (BeadType.ISSUE, BeadStatus.IN_REVIEW),
    ],
)
def test_beads_that_are_no_work_cannot_be_hooked(bead_type: BeadType, status: BeadStatus) -> None:
    desk = Desk()
    bead_id = desk.add_bead(type=bead_type)
    if status != BeadStatus.OPEN:
        desk.do(SetBeadStatus(rig_id=RIG, bead_id=bead_id, status=status))
    with pytest.raises(BoomtownError) as caught:
        desk.attach(desk.add_agent(), bead_id)
    assert caught.value.code == ErrorCode.BEAD_NOT_HOOKABLE


def test_held_beads_may_be_hooked() -> None:
    desk = Desk()
    bead_id = desk.add_bead(labels=("gt:held",))
    assert desk.attach(desk.add_agent(), bead_id).harness == "external"


def test_an_agent_has_one_hook() -> None:
    desk = Desk()
    agent_id = desk.add_agent()
    desk.attach(agent_id, desk.add_bead("1"))
    with pytest.raises(BoomtownError) as caught:
        desk.attach(agent_id, desk.add_bead("2"))
    assert caught.value.code == ErrorCode.AGENT_BUSY


def test_defect_40_a_second_hook_releases_the_first() -> None:
    desk = Desk()
    bead_id, first, second = desk.add_bead(), desk.add_agent("Ada"), desk.add_agent("Bob")
    session = desk.attach(first, bead_id)
    desk.attach(second, bead_id)
    assert desk.session(session.session_id).state == SessionState.ENDED
    assert _agent(desk, first).current_hook_bead_id is None
    assert get_bead(desk.tx, bead_id).assignee_agent_id == second


def test_defect_40_a_running_session_is_stopped_before_the_bead_is_another_agents() -> None:
    desk = Desk()
    bead_id, first, second = desk.add_bead(), desk.add_agent("Ada"), desk.add_agent("Bob")
    session = desk.start(first, bead_id, kind=SessionKind.WORK)
    facts = desk.facts(HookBead(rig_id=RIG, agent_id=second, bead_id=bead_id))
    assert facts == {"hooked": False, "waiting_for_stop": True}
    assert desk.session(session.session_id).state == SessionState.ENDING
    bead = get_bead(desk.tx, bead_id)
    assert (bead.status, bead.assignee_agent_id) == (BeadStatus.OPEN, second)


@pytest.mark.parametrize("call", ["heartbeat", "status", "checkpoint"])
def test_the_first_call_of_an_attached_agent_makes_its_session_run(call: str) -> None:
    desk = Desk()
    agent_id, bead_id = desk.add_agent(), desk.add_bead()
    session = desk.attach(agent_id, bead_id)
    match call:
        case "heartbeat":
            desk.do(Heartbeat(rig_id=RIG, agent_id=agent_id))
        case "status":
            desk.do(SetAgentStatus(rig_id=RIG, agent_id=agent_id, message="reading"))
        case _:
            desk.do(WriteCheckpoint(rig_id=RIG, agent_id=agent_id, data={"step": 1}))
    assert desk.session(session.session_id).state == SessionState.RUNNING
    assert get_bead(desk.tx, bead_id).status == BeadStatus.IN_PROGRESS
    assert _agent(desk, agent_id).status == "working"


def test_an_operator_does_not_speak_for_an_agent_that_the_town_started() -> None:
    desk = Desk()
    session = desk.start(desk.add_agent(), desk.add_bead(), kind=SessionKind.WORK)
    agent_id = session.agent_id
    assert desk.do(SetAgentStatus(rig_id=RIG, agent_id=agent_id, message="mine")) == STALE
    assert desk.do(ReportDone(rig_id=RIG, agent_id=agent_id, branch="b")) == STALE
    assert desk.facts(UnhookBead(rig_id=RIG, agent_id=agent_id))["stale"] is True
    assert desk.session(session.session_id) == session
    assert _agent(desk, agent_id).status_message is None
    assert list_counters(desk.tx)["stale_posts"] == 1


def test_scenario_B_a_checkpoint_reads_back_and_absent_is_none() -> None:
    desk = Desk()
    agent_id = desk.add_agent()
    assert _agent(desk, agent_id).checkpoint is None
    data = {"step": 2, "files": ["a"]}
    assert desk.do(WriteCheckpoint(rig_id=RIG, agent_id=agent_id, data=data)) == ACCEPTED
    assert _agent(desk, agent_id).checkpoint == data


def test_scenario_C_a_prime_shows_all_and_delivers_the_mail() -> None:
    desk = Desk()
    agent_id, bead_id = desk.add_agent(), desk.add_bead()
    desk.attach(agent_id, bead_id)
    _mail(desk, agent_id, "hello")
    prime = _prime(desk, agent_id)
    assert prime.agent.id == agent_id
    assert prime.hooked_bead is not None
    assert prime.hooked_bead.bead_id == bead_id
    assert [mail.subject for mail in prime.undelivered_mail] == ["hello"]
    assert [bead.bead_id for bead in prime.open_beads if bead.type == "issue"] == [bead_id]
    assert desk.get(CheckMail(rig_id=RIG, agent_id=agent_id), ListView).items == ()


def test_scenario_C_a_prime_of_nothing_is_empty() -> None:
    desk = Desk()
    prime = _prime(desk, desk.add_agent())
    assert (prime.hooked_bead, prime.undelivered_mail, prime.open_beads) == (None, (), ())


def test_scenario_C_mail_is_delivered_once_in_its_order() -> None:
    desk = Desk()
    agent_id = desk.add_agent()
    for subject in ("first", "second", "third"):
        _mail(desk, agent_id, subject)
    items = desk.get(CheckMail(rig_id=RIG, agent_id=agent_id), ListView).items
    shown = [(getattr(mail, "subject", ""), getattr(mail, "delivered", True)) for mail in items]
    assert shown == [("first", False), ("second", False), ("third", False)]
    assert desk.get(CheckMail(rig_id=RIG, agent_id=agent_id), ListView).items == ()


def test_defect_66_mail_that_the_agent_itself_was_not_given_waits_for_it() -> None:
    """An operator looks at the mail of an agent that works, and more arrives."""
    desk = Desk()
    session = desk.start(desk.add_agent(), desk.add_bead(), kind=SessionKind.WORK)
    look = CheckMail(rig_id=RIG, agent_id=session.agent_id)
    _mail(desk, session.agent_id, "first")
    assert len(desk.get(look, ListView).items) == 1
    _mail(desk, session.agent_id, "second")
    own = desk.get(look, ListView, caller=session_caller(session)).items
    assert [getattr(mail, "subject", "") for mail in own] == ["first", "second"]
    assert desk.get(look, ListView, caller=session_caller(session)).items == ()


def _mail(desk: Desk, to_agent_id: AgentId, subject: str) -> None:
    desk.do(
        SendMail(rig_id=RIG, from_agent_id=None, to_agent_id=to_agent_id, subject=subject, body="B")
    )


def test_a_heartbeat_of_an_unknown_agent_is_no_error() -> None:
    facts = Desk().facts(Heartbeat(rig_id=RIG, agent_id=AgentId("nobody")))
    assert facts == {"heartbeat": True, "stale": True}


def test_a_heartbeat_renews_the_lease_and_notes_the_body() -> None:
    desk = Desk()
    session = desk.start(desk.add_agent(), desk.add_bead(), kind=SessionKind.WORK)
    desk.advance_ms(30_000)
    beat = Heartbeat(rig_id=RIG, agent_id=session.agent_id, instance_id=InstanceId("i1"), pid=42)
    desk.do(beat, caller=session_caller(session))
    after = desk.session(session.session_id)
    assert after.lease_until_ms == desk.tx.now_ms + desk.tx.limits.lease_ms
    assert (after.instance_id, after.pid) == ("i1", 42)


def test_a_heartbeat_of_an_ending_session_is_stale_and_noted() -> None:
    desk = Desk()
    session = desk.start(desk.add_agent(), desk.add_bead(), kind=SessionKind.WORK)
    request_stop(desk.tx, session, reason="test")
    desk.advance_ms(10_000)
    assert _beat(desk, session) is True
    after = desk.session(session.session_id)
    assert (after.state, after.last_heartbeat_at_ms) == (SessionState.ENDING, desk.tx.now_ms)


def test_a_session_that_is_over_is_stale_where_the_route_says_so() -> None:
    desk = Desk()
    bead_id = desk.add_bead()
    session = _over(desk, desk.start(desk.add_agent(), bead_id, kind=SessionKind.WORK))
    caller, agent_id = session_caller(session), session.agent_id
    before = get_bead(desk.tx, bead_id)
    assert _beat(desk, session) is True
    for command in (
        SetAgentStatus(rig_id=RIG, agent_id=agent_id, message="late"),
        WriteCheckpoint(rig_id=RIG, agent_id=agent_id, data=1),
        ReportDone(rig_id=RIG, agent_id=agent_id, branch="b", verdict=Verdict.SUBMITTED),
        ReportCompleted(rig_id=RIG, agent_id=agent_id, status="completed"),
    ):
        assert desk.do(command, caller=caller) == STALE
    assert get_bead(desk.tx, bead_id) == before
    assert _agent(desk, agent_id).status_message is None


def test_a_session_that_is_over_is_refused_everywhere_else() -> None:
    desk = Desk()
    session = _over(desk, desk.start(desk.add_agent(), desk.add_bead(), kind=SessionKind.WORK))
    for command in (
        PrimeAgent(rig_id=RIG, agent_id=session.agent_id),
        CreateBead(rig_id=RIG, title="late"),
        RefreshSession(),
    ):
        with pytest.raises(BoomtownError) as caught:
            desk.do(command, caller=session_caller(session))
        assert caught.value.code == ErrorCode.SESSION_ENDED
    with pytest.raises(BoomtownError):
        desk.query(
            GetAgent(rig_id=RIG, agent_id=session.agent_id),
            AgentView,
            caller=session_caller(session),
        )


def test_defect_88_a_session_is_no_other_agent() -> None:
    desk = Desk()
    other = desk.add_agent("Bob")
    session = desk.start(desk.add_agent(), desk.add_bead(), kind=SessionKind.WORK)
    with pytest.raises(BoomtownError) as caught:
        desk.do(
            SetAgentStatus(rig_id=RIG, agent_id=other, message="x"),
            caller=session_caller(session),
        )
    assert caught.value.code == ErrorCode.FORBIDDEN_AGENT


def test_an_agent_of_another_rig_is_not_found() -> None:
    desk = Desk()
    desk.add_rig(OTHER_RIG, "gadgets")
    with pytest.raises(BoomtownError) as caught:
        desk.do(PrimeAgent(rig_id=OTHER_RIG, agent_id=desk.add_agent()))
    assert caught.value.code == ErrorCode.AGENT_NOT_FOUND


def test_only_a_control_server_proves_an_end() -> None:
    desk = Desk()
    session = desk.start(desk.add_agent(), desk.add_bead(), kind=SessionKind.WORK)
    command = ReportCompleted(rig_id=RIG, agent_id=session.agent_id, status="completed")
    desk.do(command, caller=session_caller(session))
    desk.do(command, caller=container_caller(session))
    payloads = [row[0] for row in desk.tx.rows("SELECT payload FROM inbox ORDER BY seq")]
    assert ['"is_proof":true' in text for text in payloads] == [False, True]


def test_posts_only_record() -> None:
    desk = Desk()
    bead_id = desk.add_bead()
    session = desk.start(desk.add_agent(), bead_id, kind=SessionKind.WORK)
    before = get_bead(desk.tx, bead_id)
    done = ReportDone(rig_id=RIG, agent_id=session.agent_id, branch="b")
    assert desk.do(done, caller=session_caller(session)) == ACCEPTED
    assert get_bead(desk.tx, bead_id) == before
    assert desk.session(session.session_id) == session


def test_a_requested_change_makes_one_rework_before_the_review() -> None:
    desk = Desk()
    source = desk.add_bead()
    review_id = _review(desk, source)
    refinery = desk.add_agent("Refinery", role=AgentRole.REFINERY)
    session = desk.start(refinery, review_id, kind=SessionKind.REVIEW)
    command = RequestChanges(rig_id=RIG, agent_id=refinery, feedback="Add a test", files=("a.py",))
    rework_id = BeadId(desk.facts(command, caller=session_caller(session))["rework_bead_id"])
    rework, review = get_bead(desk.tx, rework_id), get_bead(desk.tx, review_id)
    assert (rework.labels, rework.parent_bead_id) == (("gt:rework",), review_id)
    assert review.status == BeadStatus.OPEN
    assert [bead.bead_id for bead in list_blockers(desk.tx, review_id)] == [rework_id]
    assert desk.session(session.session_id).state == SessionState.ENDING


def test_only_a_review_requests_changes() -> None:
    desk = Desk()
    session = desk.start(desk.add_agent(), desk.add_bead(), kind=SessionKind.WORK)
    command = RequestChanges(rig_id=RIG, agent_id=session.agent_id, feedback="No")
    with pytest.raises(BoomtownError) as caught:
        desk.do(command, caller=session_caller(session))
    assert caught.value.code == ErrorCode.NOT_A_REVIEW
    with pytest.raises(BoomtownError) as caught:
        desk.do(command)
    assert caught.value.code == ErrorCode.AGENT_NOT_HOOKED


def test_a_primed_rework_shows_what_the_review_asked_for() -> None:
    desk = Desk()
    source = desk.add_bead()
    review_id = _review(desk, source)
    refinery = desk.add_agent("Refinery", role=AgentRole.REFINERY)
    session = desk.start(refinery, review_id, kind=SessionKind.REVIEW)
    command = RequestChanges(rig_id=RIG, agent_id=refinery, feedback="Add a test")
    rework_id = BeadId(desk.facts(command, caller=session_caller(session))["rework_bead_id"])
    worker = desk.add_agent("Ada")
    desk.attach(worker, rework_id)
    context = _prime(desk, worker).rework_context
    assert context is not None
    assert (context["rework_for"], context["mr_bead_id"]) == (source, review_id)
    assert (context["branch"], context["feedback"]) == ("gt/ada/1", "Add a test")


def test_defect_63_the_first_final_result_of_a_review_wins() -> None:
    desk = Desk()
    source = desk.add_bead()
    review_id = _review(desk, source)
    for status in ("failed", "merged"):
        desk.do(CompleteReview(rig_id=RIG, review_id=review_id, status=status))
    assert get_bead(desk.tx, review_id).status == BeadStatus.FAILED
    assert get_bead(desk.tx, source).status == BeadStatus.OPEN


def test_a_reviews_own_session_only_records_its_result() -> None:
    desk = Desk()
    review_id = _review(desk, desk.add_bead())
    refinery = desk.add_agent("Refinery", role=AgentRole.REFINERY)
    session = desk.start(refinery, review_id, kind=SessionKind.REVIEW)
    command = CompleteReview(rig_id=RIG, review_id=review_id, status="merged")
    assert desk.do(command, caller=session_caller(session)) == ACCEPTED
    assert get_bead(desk.tx, review_id).status == BeadStatus.IN_PROGRESS


def test_the_live_session_of_an_agent_is_found() -> None:
    desk = Desk()
    session = desk.start(desk.add_agent(), desk.add_bead(), kind=SessionKind.WORK)
    found = desk.query(FindLiveSession(agent_id=session.agent_id), SessionView)
    assert (found.id, found.state) == (session.session_id, "running")
    _over(desk, session)
    with pytest.raises(BoomtownError) as caught:
        desk.query(FindLiveSession(agent_id=session.agent_id), SessionView)
    assert caught.value.code == ErrorCode.SESSION_NOT_FOUND


def test_scenario_D_the_audit_tells_each_step() -> None:
    desk = Desk()
    agent_id, bead_id = desk.add_agent(), desk.add_bead()
    desk.attach(agent_id, bead_id)
    assert _event_types(desk) == ["created", "hooked"]
    desk.do(UnhookBead(rig_id=RIG, agent_id=agent_id))
    assert "unhooked" in _event_types(desk)
    desk.do(SetBeadStatus(rig_id=RIG, bead_id=bead_id, status=BeadStatus.CLOSED))
    newest = desk.query(ListEvents(), ListView).items[-1]
    changed = [getattr(newest, name) for name in ("event_type", "old_value", "new_value")]
    assert changed == ["status_changed", "open", "closed"]
    assert desk.query(ListEvents(since_ms=desk.tx.now_ms + 1), ListView).items == ()


def test_scenario_D_a_submitted_review_names_its_branch() -> None:
    desk = Desk()
    _review(desk, desk.add_bead())
    events = desk.query(ListEvents(), ListView).items
    submitted = [e for e in events if getattr(e, "event_type", "") == "review_submitted"]
    assert [getattr(event, "new_value", "") for event in submitted] == ["gt/ada/1"]


def _event_types(desk: Desk) -> list[str]:
    return [getattr(e, "event_type", "") for e in desk.query(ListEvents(), ListView).items]


def test_a_rigs_second_review_waits_for_a_refinery_at_work() -> None:
    desk = Desk()
    first, second = _review(desk, desk.add_bead("1")), _review(desk, desk.add_bead("2"))
    refinery = desk.add_agent("Refinery", role=AgentRole.REFINERY)
    session = desk.start(refinery, first, kind=SessionKind.REVIEW)
    with pytest.raises(BoomtownError) as caught:
        desk.attach(desk.add_agent("Ada"), second)
    assert caught.value.code == ErrorCode.BEAD_ALREADY_HOOKED
    assert desk.session(session.session_id) == session


def test_a_review_that_an_attached_agent_holds_gives_way() -> None:
    desk = Desk()
    first, second = _review(desk, desk.add_bead("1")), _review(desk, desk.add_bead("2"))
    session = desk.attach(desk.add_agent("Ada"), first)
    assert desk.attach(desk.add_agent("Bob"), second).bead_id == second
    assert desk.session(session.session_id).state == SessionState.ENDED
    assert get_bead(desk.tx, first).status == BeadStatus.OPEN
