"""Convoys by command."""

from __future__ import annotations

import pytest

from boomtown.actors.town.commands import (
    AddConvoyBead,
    CloseConvoyByForce,
    ConvoyTask,
    RemoveConvoyBead,
    RetryBead,
    SetBeadStatus,
    SlingConvoy,
    StartConvoy,
    SubmitReview,
    UpdateConvoy,
)
from boomtown.actors.town.model import BeadStatus, MergeMode, SessionState, TownConfig
from boomtown.actors.town.questions import GetConvoy, ListConvoys
from boomtown.actors.town.store_beads import get_bead
from boomtown.actors.town.transitions import count_tracked
from boomtown.actors.town.views import (
    BeadView,
    ConvoyDetailView,
    ConvoyView,
    ListView,
    SlingBatchView,
)
from boomtown.actors.town.views_of import bead_view
from boomtown.container_sim.model import SessionKind
from boomtown.error_codes import ErrorCode
from boomtown.errors import BoomtownError
from boomtown.ids import BeadId, short_id
from support.town_desk import RIG, Desk


def _sling(desk: Desk, *depends_on: tuple[int, ...], **fields: object) -> SlingBatchView:
    tasks = tuple(
        ConvoyTask(title=f"Task {number}", depends_on=edges)
        for number, edges in enumerate(depends_on)
    )
    wanted = {"parallel": True, **fields}
    command = SlingConvoy(rig_id=RIG, convoy_title="Make, it: GO!", tasks=tasks, **wanted)  # type: ignore[arg-type]
    return desk.get(command, SlingBatchView)


def _ids(batch: SlingBatchView) -> tuple[BeadId, list[BeadId]]:
    return BeadId(batch.convoy.id), [BeadId(bound.bead.bead_id) for bound in batch.beads]


def _convoy(desk: Desk, convoy_id: BeadId) -> ConvoyView:
    return desk.query(GetConvoy(convoy_id=convoy_id), ConvoyDetailView).convoy


def _close(desk: Desk, bead_id: BeadId, status: BeadStatus = BeadStatus.CLOSED) -> None:
    desk.do(SetBeadStatus(rig_id=RIG, bead_id=bead_id, status=status))


def test_scenario_G_a_convoy_has_a_branch_and_its_tasks_carry_it() -> None:
    desk = Desk()
    batch = _sling(desk, ())
    branch = f"convoy/make-it-go/{short_id(batch.convoy.id)}/head"
    assert batch.convoy.feature_branch == branch
    assert (batch.convoy.total_beads, batch.convoy.closed_beads) == (1, 0)
    assert batch.beads[0].bead.metadata == {
        "convoy_id": batch.convoy.id,
        "feature_branch": branch,
    }
    assert batch.beads[0].agent is None


def test_a_tasks_own_keys_give_way_to_the_towns() -> None:
    desk = Desk()
    convoy_id, (task,) = _ids(_sling(desk, ()))
    desk.tx.run("UPDATE beads SET metadata = ? WHERE bead_id = ?", '{"convoy_id": "x"}', task)
    assert bead_view(desk.tx, get_bead(desk.tx, task)).metadata["convoy_id"] == convoy_id


def test_scenario_G_edges_and_mode_are_in_the_detail_in_the_order_of_the_tasks() -> None:
    desk = Desk()
    convoy_id, tasks = _ids(_sling(desk, (), (0,), (0, 1)))
    detail = desk.query(GetConvoy(convoy_id=convoy_id), ConvoyDetailView)
    edges = [(edge.bead_id, edge.depends_on_bead_id) for edge in detail.dependency_edges]
    assert edges == [(tasks[1], tasks[0]), (tasks[2], tasks[0]), (tasks[2], tasks[1])]
    assert [bead.title for bead in detail.beads] == ["Task 0", "Task 1", "Task 2"]
    assert detail.convoy.merge_mode == "review-then-land"


def test_scenario_G_no_dependencies_no_edges() -> None:
    desk = Desk()
    convoy_id, _ = _ids(_sling(desk, (), ()))
    assert desk.query(GetConvoy(convoy_id=convoy_id), ConvoyDetailView).dependency_edges == ()


@pytest.mark.parametrize("mode", list(MergeMode))
def test_scenario_G_both_modes_are_accepted(mode: MergeMode) -> None:
    batch = _sling(Desk(), (), merge_mode=mode)
    assert batch.convoy.merge_mode == mode
    assert (batch.convoy.feature_branch is None) == (mode == MergeMode.REVIEW_AND_MERGE)


def test_defect_75_a_refused_convoy_leaves_no_row() -> None:
    desk = Desk()
    with pytest.raises(BoomtownError) as caught:
        _sling(desk, (1,), (0,))
    assert caught.value.code == ErrorCode.DEPENDENCY_CYCLE
    assert desk.tx.rows("SELECT * FROM beads UNION ALL SELECT * FROM beads") == []


def test_scenario_G_self_and_out_of_range_indexes_are_ignored() -> None:
    desk = Desk()
    convoy_id, tasks = _ids(_sling(desk, (0, 7, -1), (0,)))
    detail = desk.query(GetConvoy(convoy_id=convoy_id), ConvoyDetailView)
    assert [edge.bead_id for edge in detail.dependency_edges] == [tasks[1]]


@pytest.mark.parametrize("edges", [(), (1,)])
def test_several_tasks_need_an_order_or_the_word_parallel(edges: tuple[int, ...]) -> None:
    with pytest.raises(BoomtownError) as caught:
        _sling(Desk(), (), edges, parallel=False)
    assert caught.value.code == ErrorCode.INVALID_BODY
    assert caught.value.issues[0].path == "tasks"


@pytest.mark.parametrize("is_staged", [True, False])
def test_the_town_says_whether_convoys_begin_staged(is_staged: bool) -> None:
    desk = Desk(config=TownConfig(staged_convoys_default=is_staged))
    assert _sling(desk, ()).convoy.staged is is_staged
    assert _sling(desk, (), staged=not is_staged).convoy.staged is not is_staged


def test_a_staged_convoy_starts_once() -> None:
    desk = Desk()
    convoy_id, _ = _ids(_sling(desk, (), staged=True))
    assert desk.get(StartConvoy(convoy_id=convoy_id), SlingBatchView).convoy.staged is False
    with pytest.raises(BoomtownError) as caught:
        desk.do(StartConvoy(convoy_id=convoy_id))
    assert caught.value.code == ErrorCode.CONVOY_NOT_STAGED


def test_scenario_G_progress_counts_closed_and_failed() -> None:
    desk = Desk()
    convoy_id, tasks = _ids(_sling(desk, (), (), ()))
    _close(desk, tasks[0])
    assert _convoy(desk, convoy_id).closed_beads == 1
    _close(desk, tasks[1], BeadStatus.FAILED)
    convoy = _convoy(desk, convoy_id)
    assert (convoy.total_beads, convoy.closed_beads, convoy.status) == (3, 2, "active")
    assert [blocked["id"] for blocked in convoy.blocked_by] == [tasks[1]]


def test_defect_77_stored_counts_equal_the_recount_after_mixed_outcomes() -> None:
    desk = Desk()
    convoy_id, tasks = _ids(_sling(desk, (), (), ()))
    _close(desk, tasks[0])
    _close(desk, tasks[1], BeadStatus.FAILED)
    desk.do(RetryBead(rig_id=RIG, bead_id=tasks[1]))
    convoy = _convoy(desk, convoy_id)
    assert (convoy.total_beads, convoy.closed_beads) == (3, 1)
    assert count_tracked(desk.tx, convoy_id) == (3, 1)
    assert convoy.blocked_by == ()


def test_scenario_G_force_closes_the_convoy_and_all_of_it() -> None:
    desk = Desk()
    convoy_id, tasks = _ids(_sling(desk, (), ()))
    session = desk.start(desk.add_agent(), tasks[0], kind=SessionKind.WORK)
    submit = SubmitReview(rig_id=RIG, bead_id=tasks[1], agent_id=None, branch="b")
    review_id = BeadId(desk.get(submit, BeadView).bead_id)
    view = desk.get(CloseConvoyByForce(convoy_id=convoy_id), ConvoyView)
    assert (view.status, view.closed_beads, view.landed_at) == ("landed", 2, desk.tx.now_ms)
    statuses = [get_bead(desk.tx, bead_id).status for bead_id in (*tasks, review_id)]
    assert statuses == ["closed", "closed", "failed"]
    assert desk.session(session.session_id).state == SessionState.ENDING
    assert desk.get(CloseConvoyByForce(convoy_id=convoy_id), ConvoyView) == view


def test_a_review_of_a_task_carries_the_convoy() -> None:
    desk = Desk()
    batch = _sling(desk, ())
    convoy_id, (task,) = _ids(batch)
    submit = SubmitReview(rig_id=RIG, bead_id=task, agent_id=None, branch="b")
    metadata = desk.get(submit, BeadView).metadata
    assert (metadata["source_bead_id"], metadata["convoy_id"]) == (task, convoy_id)
    assert metadata["convoy_feature_branch"] == batch.convoy.feature_branch
    assert metadata["target_branch"] == batch.convoy.feature_branch


def test_scenario_G_beads_join_a_staged_convoy_only() -> None:
    desk = Desk()
    convoy_id, _ = _ids(_sling(desk, (), staged=True))
    joined = desk.add_bead("joins")
    command = AddConvoyBead(convoy_id=convoy_id, bead_id=joined)
    assert desk.facts(command) == {"total_beads": 2}
    assert desk.facts(command) == {"total_beads": 2}
    desk.do(StartConvoy(convoy_id=convoy_id))
    with pytest.raises(BoomtownError) as caught:
        desk.do(AddConvoyBead(convoy_id=convoy_id, bead_id=desk.add_bead()))
    assert caught.value.code == ErrorCode.CONVOY_NOT_STAGED
    desk.do(CloseConvoyByForce(convoy_id=convoy_id))
    with pytest.raises(BoomtownError) as caught:
        desk.do(command)
    assert caught.value.code == ErrorCode.CONVOY_ENDED
    with pytest.raises(BoomtownError) as caught:
        desk.do(AddConvoyBead(convoy_id=BeadId("none"), bead_id=joined))
    assert caught.value.code == ErrorCode.CONVOY_NOT_FOUND


def test_a_removed_bead_stays_by_itself() -> None:
    desk = Desk()
    convoy_id, tasks = _ids(_sling(desk, (), ()))
    command = RemoveConvoyBead(convoy_id=convoy_id, bead_id=tasks[0])
    assert desk.facts(command) == {"total_beads": 1}
    view = bead_view(desk.tx, get_bead(desk.tx, tasks[0]))
    assert (view.status, "convoy_id" in view.metadata) == ("open", False)
    with pytest.raises(BoomtownError):
        desk.do(command)


def test_a_convoy_that_lands_by_itself_after_all_gets_its_branch() -> None:
    desk = Desk()
    convoy_id, _ = _ids(_sling(desk, (), merge_mode=MergeMode.REVIEW_AND_MERGE))
    command = UpdateConvoy(convoy_id=convoy_id, merge_mode=MergeMode.REVIEW_THEN_LAND)
    branch = f"convoy/make-it-go/{short_id(convoy_id)}/head"
    assert desk.get(command, ConvoyView).feature_branch == branch


def test_convoys_are_listed_by_age() -> None:
    desk = Desk()
    made = [_sling(desk, ()).convoy.id for _ in range(3)]
    listed = [getattr(item, "id", "") for item in desk.query(ListConvoys(), ListView).items]
    assert listed == made
