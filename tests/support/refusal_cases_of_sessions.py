"""Refusals of spawns and of what is done with sessions by hand; see refusal_cases.py."""

from __future__ import annotations

from boomtown.error_codes import ErrorCode
from boomtown.limits import TownLimits
from support.refusal_scene import ABSENT, INSTANCE, Scene
from support.refusal_server import Sent
from support.shell_repository import git

# --- spawns: each finding of the preflight


def a_spawn_without_a_rig(scene: Scene) -> Sent:
    return scene.ask("POST", f"{scene.town_path}/sessions", {})


def a_spawn_in_a_rig_that_never_was(scene: Scene) -> Sent:
    return scene.ask_spawn(rig_id=ABSENT)


def a_prompt_too_long(scene: Scene) -> Sent:
    return scene.ask_spawn(prompt="x" * (TownLimits().prompt_characters_max + 1))


def a_harness_that_is_none(scene: Scene) -> Sent:
    return scene.ask_spawn(harness="nobody")


def a_harness_without_its_program(scene: Scene) -> Sent:
    return scene.ask_spawn(harness="missing")


def a_branch_that_git_refuses(scene: Scene) -> Sent:
    return scene.ask_spawn(branch="a..b")


def a_branch_of_a_living_session(scene: Scene) -> Sent:
    scene.spawn(branch="feature/one")
    return scene.ask_spawn(branch="feature/one")


def a_branch_in_a_worktree_of_somebody_else(scene: Scene) -> Sent:
    """The rig's clone is made as a start would make it; a person took a worktree of it."""
    repos = scene.server.data_dir / "repos"
    clone = repos / f"{scene.rig}.git"
    git(repos, "clone", "--quiet", "--bare", scene.origin, str(clone))
    place = scene.server.folder / f"worktree-{scene.rig}"
    git(clone, "worktree", "add", "--quiet", "-b", "mine", str(place))
    return scene.ask_spawn(branch="mine")


def a_branch_without_a_base(scene: Scene) -> Sent:
    rig = scene.add_rig("trunk", branch="trunk")
    return scene.ask_spawn(rig_id=rig, branch="feature/one")


def an_origin_that_is_not_there(scene: Scene) -> Sent:
    rig = scene.add_rig("gone", git_url=str(scene.server.folder / "gone.git"))
    return scene.ask_spawn(rig_id=rig, branch="feature/one")


def a_clone_that_is_broken(scene: Scene) -> Sent:
    (scene.server.data_dir / "repos" / f"{scene.rig}.git").mkdir(parents=True)
    return scene.ask_spawn(branch="feature/one")


def a_town_that_is_paused(scene: Scene) -> Sent:
    scene.make(f"{scene.town_path}/pause")
    return scene.ask_spawn()


def a_rig_that_is_paused(scene: Scene) -> Sent:
    scene.make(f"{scene.rig_path}/pause")
    return scene.ask_spawn()


def a_town_that_drains(scene: Scene) -> Sent:
    token = scene.server.container_token(town=scene.town, instance=INSTANCE)
    path = f"{scene.town_path}/container-eviction"
    assert scene.server.send(scene.ask_as(token, "POST", path, {})).status == 200
    return scene.ask_spawn()


def a_rig_without_room(scene: Scene) -> Sent:
    patch = {"max_polecats_per_rig": 1}
    scene.server.data("PATCH", f"{scene.town_path}/config", patch)
    scene.spawn()
    return scene.ask_spawn()


def an_agent_with_a_session(scene: Scene) -> Sent:
    agent, _ = scene.attached()
    return scene.ask_spawn(agent_id=agent)


def an_agent_who_left(scene: Scene) -> Sent:
    agent = scene.hire("polecat")
    scene.server.data("DELETE", scene.employee(agent))
    return scene.ask_spawn(agent_id=agent)


def a_spawn_for_a_boss_who_is_nobody(scene: Scene) -> Sent:
    return scene.ask_spawn(boss="nobody")


def a_bead_that_never_was(scene: Scene) -> Sent:
    return scene.ask_spawn(bead_id=ABSENT)


def a_bead_of_another_session(scene: Scene) -> Sent:
    bead = scene.bead()
    scene.attach(scene.hire("polecat"), bead)
    return scene.ask_spawn(bead_id=bead)


def a_bead_that_is_closed(scene: Scene) -> Sent:
    bead = scene.bead()
    scene.close(bead)
    return scene.ask_spawn(bead_id=bead)


# --- sessions


def a_session_that_never_was(scene: Scene) -> Sent:
    return scene.ask("POST", f"{scene.town_path}/sessions/{ABSENT}/kill", {})


def a_kill_of_a_session_without_a_body(scene: Scene) -> Sent:
    return scene.ask("POST", f"{scene.town_path}/sessions/{scene.spawn()}/kill", {})


def a_restore_of_a_session_without_a_worktree(scene: Scene) -> Sent:
    session = scene.spawn()
    scene.make(f"{scene.town_path}/sessions/{session}/kill", {"force": True})
    return scene.ask("POST", f"{scene.town_path}/sessions/{session}/restore", {})


def a_restore_of_a_living_session(scene: Scene) -> Sent:
    return scene.ask("POST", f"{scene.town_path}/sessions/{scene.spawn()}/restore", {})


def a_message_to_a_session_that_has_ended(scene: Scene) -> Sent:
    session = scene.spawn()
    scene.make(f"{scene.town_path}/sessions/{session}/kill", {"force": True})
    return scene.ask("POST", f"{scene.town_path}/sessions/{session}/send", {"message": "Go on"})


def an_empty_message(scene: Scene) -> Sent:
    return scene.ask("POST", f"{scene.town_path}/sessions/{scene.spawn()}/send", {"message": " "})


def a_message_too_long(scene: Scene) -> Sent:
    body = {"message": "x" * (TownLimits().message_characters_max + 1)}
    return scene.ask("POST", f"{scene.town_path}/sessions/{scene.spawn()}/send", body)


# --- an agent's own calls


def a_hook_of_an_agent_at_work(scene: Scene) -> Sent:
    agent, _ = scene.attached()
    return scene.ask("POST", f"{scene.agent_path(agent)}/hook", {"bead_id": scene.bead()})


def a_dismissal_of_an_agent_at_work(scene: Scene) -> Sent:
    agent, _ = scene.attached()
    return scene.ask("DELETE", scene.agent_path(agent))


def a_hook_of_a_bead_that_is_closed(scene: Scene) -> Sent:
    bead = scene.bead()
    scene.close(bead)
    return scene.ask("POST", f"{scene.agent_path(scene.hire('polecat'))}/hook", {"bead_id": bead})


def changes_asked_for_by_nobody(scene: Scene) -> Sent:
    path = f"{scene.agent_path(scene.hire('polecat'))}/request-changes"
    return scene.ask("POST", path, {"feedback": "No"})


def changes_asked_for_by_a_worker(scene: Scene) -> Sent:
    agent, token = scene.attached()
    path = f"{scene.agent_path(agent)}/request-changes"
    return scene.ask_as(token, "POST", path, {"feedback": "No"})


def a_bead_of_somebody_else(scene: Scene) -> Sent:
    _, token = scene.attached()
    path = f"{scene.rig_path}/beads/{scene.bead()}/close"
    return scene.ask_as(token, "POST", path, {})


SESSION_CASES = {
    a_spawn_without_a_rig: ErrorCode.RIG_ID_REQUIRED,
    a_spawn_in_a_rig_that_never_was: ErrorCode.RIG_NOT_FOUND,
    a_prompt_too_long: ErrorCode.PROMPT_TOO_LONG,
    a_harness_that_is_none: ErrorCode.UNKNOWN_HARNESS,
    a_harness_without_its_program: ErrorCode.AGENT_BINARY_NOT_FOUND,
    a_branch_that_git_refuses: ErrorCode.INVALID_BRANCH,
    a_branch_of_a_living_session: ErrorCode.BRANCH_CHECKED_OUT_ELSEWHERE,
    a_branch_in_a_worktree_of_somebody_else: ErrorCode.BRANCH_CHECKED_OUT_ELSEWHERE,
    a_branch_without_a_base: ErrorCode.BRANCH_NOT_FETCHED,
    an_origin_that_is_not_there: ErrorCode.GIT_UNREACHABLE,
    a_clone_that_is_broken: ErrorCode.CONTAINER_ERROR,
    a_town_that_is_paused: ErrorCode.TOWN_PAUSED,
    a_rig_that_is_paused: ErrorCode.RIG_PAUSED,
    a_town_that_drains: ErrorCode.TOWN_DRAINING,
    a_rig_without_room: ErrorCode.RUNTIME_UNAVAILABLE,
    an_agent_with_a_session: ErrorCode.AGENT_BUSY,
    an_agent_who_left: ErrorCode.AGENT_OFFBOARDED,
    a_spawn_for_a_boss_who_is_nobody: ErrorCode.NO_COORDINATOR,
    a_bead_that_never_was: ErrorCode.BEAD_NOT_FOUND,
    a_bead_of_another_session: ErrorCode.BEAD_ALREADY_HOOKED,
    a_bead_that_is_closed: ErrorCode.BEAD_NOT_HOOKABLE,
    a_session_that_never_was: ErrorCode.SESSION_NOT_FOUND,
    a_kill_of_a_session_without_a_body: ErrorCode.SESSION_INCOMPLETE_HANDLE,
    a_restore_of_a_session_without_a_worktree: ErrorCode.SESSION_INCOMPLETE_HANDLE,
    a_restore_of_a_living_session: ErrorCode.SESSION_NOT_RESTORABLE,
    a_message_to_a_session_that_has_ended: ErrorCode.SESSION_TERMINATED,
    an_empty_message: ErrorCode.MESSAGE_REQUIRED,
    a_message_too_long: ErrorCode.MESSAGE_TOO_LONG,
    a_hook_of_an_agent_at_work: ErrorCode.AGENT_BUSY,
    a_dismissal_of_an_agent_at_work: ErrorCode.AGENT_BUSY,
    a_hook_of_a_bead_that_is_closed: ErrorCode.BEAD_NOT_HOOKABLE,
    changes_asked_for_by_nobody: ErrorCode.AGENT_NOT_HOOKED,
    changes_asked_for_by_a_worker: ErrorCode.NOT_A_REVIEW,
    a_bead_of_somebody_else: ErrorCode.SESSION_ENDED,
}
