"""Refusals about towns, rigs, beads, convoys, the feed and objects; see refusal_cases.py."""

from __future__ import annotations

from boomtown.error_codes import ErrorCode
from support.refusal_scene import ABSENT, Scene
from support.refusal_server import Sent

# --- what is not there


def a_user_who_is_nobody(scene: Scene) -> Sent:
    return scene.ask("POST", "/api/users/nobody/towns", {"name": "boom"})


def a_key_that_was_never_made(scene: Scene) -> Sent:
    return scene.ask("DELETE", f"/api/owners/local/keys/{ABSENT}")


def an_object_that_never_was(scene: Scene) -> Sent:
    body = {"query": "DELETE FROM beads", "write": True}
    return scene.ask("POST", f"/api/objects/Town/{ABSENT}/sql", body)


def a_town_that_never_was(scene: Scene) -> Sent:
    return scene.ask("POST", f"/api/towns/{ABSENT}/pause", {})


def a_town_by_a_word(scene: Scene) -> Sent:
    return scene.ask("DELETE", "/api/users/local/towns/nonsense")


def a_rig_in_a_town_that_never_was(scene: Scene) -> Sent:
    body = {"town_id": ABSENT, "name": "r", "git_url": "https://example.invalid/a.git"}
    return scene.ask("POST", "/api/users/local/rigs", body)


def a_rig_that_never_was(scene: Scene) -> Sent:
    return scene.ask("POST", f"{scene.town_path}/rigs/{ABSENT}/beads", {"title": "t"})


def a_bead_that_never_was(scene: Scene) -> Sent:
    return scene.ask("DELETE", f"{scene.rig_path}/beads/{ABSENT}")


def a_blocker_that_never_was(scene: Scene) -> Sent:
    body = {"title": "t", "depends_on": [ABSENT]}
    return scene.ask("POST", f"{scene.rig_path}/beads", body)


def a_bead_of_another_rig(scene: Scene) -> Sent:
    other = scene.add_rig("other")
    return scene.ask("DELETE", f"{scene.town_path}/rigs/{other}/beads/{scene.bead()}")


def a_convoy_that_never_was(scene: Scene) -> Sent:
    return scene.ask("POST", f"{scene.tools}/convoys/{ABSENT}/start", {})


def a_convoy_that_is_a_bead(scene: Scene) -> Sent:
    return scene.ask("POST", f"{scene.tools}/convoys/{scene.bead()}/close", {})


def a_review_that_never_was(scene: Scene) -> Sent:
    path = f"{scene.rig_path}/review-queue/{ABSENT}/complete"
    return scene.ask("POST", path, {"status": "merged"})


def an_approval_of_a_bead(scene: Scene) -> Sent:
    path = f"{scene.town_path}/approvals/{scene.bead()}"
    return scene.ask("POST", path, {"approve": True})


def an_escalation_that_never_was(scene: Scene) -> Sent:
    return scene.ask("POST", f"{scene.town_path}/escalations/{ABSENT}/acknowledge", {})


def a_feed_cursor_that_never_was(scene: Scene) -> Sent:
    return scene.ask("DELETE", f"{scene.town_path}/feed/cursors/nobody")


def a_feed_cursor_before_the_oldest_row(scene: Scene) -> Sent:
    scene.bead()
    scene.plant("DELETE FROM feed_log WHERE seq <= 2")
    scene.plant("UPDATE feed_state SET pruned_seq = 2")
    return scene.ask("PUT", f"{scene.town_path}/feed/cursors/me", {"seq": 1})


# --- what stands in the way


def a_rig_name_in_use(scene: Scene) -> Sent:
    body = {"town_id": scene.town, "name": "app", "git_url": "https://example.invalid/a.git"}
    return scene.ask("POST", "/api/users/local/rigs", body)


def a_rig_name_in_use_under_a_key(scene: Scene) -> Sent:
    sent = a_rig_name_in_use(scene)
    sent.headers["Idempotency-Key"] = "once"
    return sent


def a_rig_with_live_work(scene: Scene) -> Sent:
    scene.bead()
    return scene.ask("DELETE", f"/api/users/local/rigs/{scene.rig}")


def a_town_with_live_work(scene: Scene) -> Sent:
    scene.spawn()
    return scene.ask("DELETE", f"/api/users/local/towns/{scene.town}")


def tasks_in_a_ring(scene: Scene) -> Sent:
    tasks = [{"title": "a", "depends_on": [1]}, {"title": "b", "depends_on": [0]}]
    body = {"rig_id": scene.rig, "convoy_title": "c", "tasks": tasks}
    return scene.ask("POST", f"{scene.tools}/sling-batch", body)


def beads_in_a_ring_and_another_title(scene: Scene) -> Sent:
    """The title is written before the ring is seen."""
    first = scene.bead()
    second = scene.bead(depends_on=[first])
    body = {"title": "Another", "depends_on": [second]}
    return scene.ask("PATCH", f"{scene.tools}/rigs/{scene.rig}/beads/{first}", body)


def a_retry_of_an_open_bead(scene: Scene) -> Sent:
    return scene.ask("POST", f"{scene.rig_path}/beads/{scene.bead()}/retry", {})


def a_deletion_of_a_bead_at_work(scene: Scene) -> Sent:
    """One of two is busy: the other one stays too."""
    idle, busy = scene.bead(), scene.bead()
    scene.attach(scene.hire("polecat"), busy)
    path = f"{scene.tools}/rigs/{scene.rig}/beads/bulk-delete"
    return scene.ask("POST", path, {"bead_ids": [idle, busy]})


def a_review_of_a_closed_bead(scene: Scene) -> Sent:
    bead = scene.bead()
    scene.close(bead)
    body = {"bead_id": bead, "branch": "feature/one"}
    return scene.ask("POST", f"{scene.rig_path}/review-queue", body)


def a_closed_bead_to_work_again(scene: Scene) -> Sent:
    bead, agent = scene.bead(), scene.hire("polecat")
    scene.close(bead)
    path = f"{scene.tools}/rigs/{scene.rig}/beads/{bead}/reassign"
    return scene.ask("POST", path, {"agent_id": agent})


def a_start_of_a_convoy_under_way(scene: Scene) -> Sent:
    return scene.ask("POST", f"{scene.tools}/convoys/{scene.convoy(staged=False)}/start", {})


def a_bead_for_a_convoy_that_has_ended(scene: Scene) -> Sent:
    convoy = scene.convoy(staged=True)
    scene.make(f"{scene.tools}/convoys/{convoy}/close")
    body = {"bead_id": scene.bead()}
    return scene.ask("POST", f"{scene.tools}/convoys/{convoy}/add-bead", body)


def a_bead_that_waits_for_nothing_known(scene: Scene) -> Sent:
    """The bead is tracked before its blockers are looked for."""
    convoy = scene.convoy(staged=True)
    body = {"bead_id": scene.bead(), "depends_on": [ABSENT]}
    return scene.ask("POST", f"{scene.tools}/convoys/{convoy}/add-bead", body)


# --- what is wrong with us


def a_bug_of_an_object(scene: Scene) -> Sent:
    scene.make("/actors/Trouble/t/rpc/greet", {"name": "you"})  # it is there already
    return scene.ask("POST", "/actors/Trouble/t/rpc/fail", {})


def an_object_that_is_reset(scene: Scene) -> Sent:
    scene.make("/actors/Trouble/t/rpc/greet", {"name": "you"})
    return scene.ask("POST", "/actors/Trouble/t/rpc/reset", {})


def a_cursor_too_many(scene: Scene) -> Sent:
    path = f"{scene.town_path}/feed/cursors"
    for name in ("one", "two", "three"):
        scene.server.data("PUT", f"{path}/{name}", {"seq": 0})
    return scene.ask("PUT", f"{path}/four", {"seq": 0})


WORK_CASES = {
    a_user_who_is_nobody: ErrorCode.USER_NOT_FOUND,
    a_key_that_was_never_made: ErrorCode.KEY_NOT_FOUND,
    an_object_that_never_was: ErrorCode.OBJECT_NOT_FOUND,
    a_town_that_never_was: ErrorCode.TOWN_NOT_FOUND,
    a_town_by_a_word: ErrorCode.TOWN_NOT_FOUND,
    a_rig_in_a_town_that_never_was: ErrorCode.TOWN_NOT_FOUND,
    a_rig_that_never_was: ErrorCode.RIG_NOT_FOUND,
    a_bead_that_never_was: ErrorCode.BEAD_NOT_FOUND,
    a_blocker_that_never_was: ErrorCode.BEAD_NOT_FOUND,
    a_bead_of_another_rig: ErrorCode.BEAD_NOT_FOUND,
    a_convoy_that_never_was: ErrorCode.CONVOY_NOT_FOUND,
    a_convoy_that_is_a_bead: ErrorCode.CONVOY_NOT_FOUND,
    a_review_that_never_was: ErrorCode.REVIEW_NOT_FOUND,
    an_approval_of_a_bead: ErrorCode.REVIEW_NOT_FOUND,
    an_escalation_that_never_was: ErrorCode.ESCALATION_NOT_FOUND,
    a_feed_cursor_that_never_was: ErrorCode.CURSOR_NOT_FOUND,
    a_feed_cursor_before_the_oldest_row: ErrorCode.CURSOR_EXPIRED,
    a_rig_name_in_use: ErrorCode.RIG_ALREADY_REGISTERED,
    a_rig_name_in_use_under_a_key: ErrorCode.RIG_ALREADY_REGISTERED,
    a_rig_with_live_work: ErrorCode.RIG_BUSY,
    a_town_with_live_work: ErrorCode.TOWN_BUSY,
    tasks_in_a_ring: ErrorCode.DEPENDENCY_CYCLE,
    beads_in_a_ring_and_another_title: ErrorCode.DEPENDENCY_CYCLE,
    a_retry_of_an_open_bead: ErrorCode.BEAD_NOT_FAILED,
    a_deletion_of_a_bead_at_work: ErrorCode.BEAD_BUSY,
    a_review_of_a_closed_bead: ErrorCode.ILLEGAL_TRANSITION,
    a_closed_bead_to_work_again: ErrorCode.ILLEGAL_TRANSITION,
    a_start_of_a_convoy_under_way: ErrorCode.CONVOY_NOT_STAGED,
    a_bead_for_a_convoy_that_has_ended: ErrorCode.CONVOY_ENDED,
    a_bead_that_waits_for_nothing_known: ErrorCode.BEAD_NOT_FOUND,
    a_bug_of_an_object: ErrorCode.INTERNAL_ERROR,
    an_object_that_is_reset: ErrorCode.OBJECT_RESET,
    a_cursor_too_many: ErrorCode.OVERLOADED,
}
