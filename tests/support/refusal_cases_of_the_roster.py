"""Refusals about who works in a town, and what they watch and remember; see refusal_cases.py."""

from __future__ import annotations

from boomtown.error_codes import ErrorCode
from support.refusal_scene import ABSENT, Scene
from support.refusal_server import Sent


def a_name_in_capitals(scene: Scene) -> Sent:
    return scene.ask("POST", f"{scene.town_path}/agents", {"role": "architect", "name": "Ann!"})


def a_template_that_is_none(scene: Scene) -> Sent:
    return scene.ask("POST", f"{scene.town_path}/agents", {"template": "wizard"})


def a_polecat_without_a_rig(scene: Scene) -> Sent:
    return scene.ask("POST", f"{scene.town_path}/agents", {"role": "polecat"})


def a_boss_who_is_nobody(scene: Scene) -> Sent:
    body = {"role": "polecat", "rig_id": scene.rig, "boss": "nobody"}
    return scene.ask("POST", f"{scene.town_path}/agents", body)


def a_name_in_use(scene: Scene) -> Sent:
    scene.hire("architect", "ann")
    return scene.ask("POST", f"{scene.town_path}/agents", {"role": "architect", "name": "ann"})


def a_second_mayor(scene: Scene) -> Sent:
    scene.hire("mayor")
    return scene.ask("POST", f"{scene.town_path}/agents", {"role": "mayor"})


def an_identity_of_before(scene: Scene) -> Sent:
    body = {"role": "polecat", "name": "one", "identity": "same"}
    scene.make(f"{scene.rig_path}/agents", body)
    return scene.ask("POST", f"{scene.rig_path}/agents", body | {"name": "two"})


def the_mayor(scene: Scene) -> Sent:
    return scene.ask("DELETE", scene.employee(scene.hire("mayor")))


def both_options(scene: Scene) -> Sent:
    ann, bob = scene.hire("architect", "ann"), scene.hire("architect", "bob")
    return scene.ask("DELETE", f"{scene.employee(ann)}?reassignTo={bob}&force=true")


def workers_to_the_one_who_leaves(scene: Scene) -> Sent:
    ann = scene.hire("architect", "ann")
    scene.hire("polecat", boss=ann)
    return scene.ask("DELETE", f"{scene.employee(ann)}?reassignTo=ann")


def workers_to_a_worker(scene: Scene) -> Sent:
    ann = scene.hire("architect", "ann")
    worker = scene.hire("polecat", boss=ann)
    return scene.ask("POST", f"{scene.employee(ann)}/reassign-workers", {"to": worker})


def workers_to_nobody(scene: Scene) -> Sent:
    ann = scene.hire("architect", "ann")
    scene.hire("polecat", boss=ann)
    return scene.ask("DELETE", f"{scene.employee(ann)}?reassignTo=nobody")


def a_boss_with_workers(scene: Scene) -> Sent:
    """What would go with it is there: a watch, a letter and a memory."""
    ann = scene.hire("architect", "ann")
    for _ in range(2):
        scene.hire("polecat", boss=ann)
    scene.make(f"{scene.employee(ann)}/watched-repos", {"repo": "acme/app"})
    letter = {"rig_id": scene.rig, "to_agent_id": ann, "subject": "s", "body": "b"}
    scene.make(f"{scene.tools}/mail", letter)
    return scene.ask("DELETE", scene.employee(ann))


def a_watch_of_one_who_left(scene: Scene) -> Sent:
    agent = scene.hire("reviewer")
    scene.server.data("DELETE", scene.employee(agent))
    return scene.ask("POST", f"{scene.employee(agent)}/watched-repos", {"repo": "acme/app"})


def a_repository_of_another_agent(scene: Scene) -> Sent:
    one, other = scene.hire("reviewer"), scene.hire("reviewer")
    scene.make(f"{scene.employee(one)}/watched-repos", {"repo": "acme/app"})
    return scene.ask("POST", f"{scene.employee(other)}/watched-repos", {"repo": "ACME/App"})


def a_watch_of_another_agent(scene: Scene) -> Sent:
    one, other = scene.hire("reviewer"), scene.hire("reviewer")
    watch = scene.make(f"{scene.employee(one)}/watched-repos", {"repo": "acme/app"})["id"]
    return scene.ask("DELETE", f"{scene.employee(other)}/watched-repos/{watch}")


def an_agent_that_never_was(scene: Scene) -> Sent:
    return scene.ask("DELETE", scene.employee(ABSENT))


def an_agent_by_a_word(scene: Scene) -> Sent:
    return scene.ask("DELETE", scene.employee("nobody"))


def a_memory_that_was_never_put(scene: Scene) -> Sent:
    _, token = scene.attached()
    path = f"{scene.town_path}/gateway/memory.get"
    return scene.ask_as(token, "POST", path, {"args": {"key": "unknown"}})


def a_letter_to_a_boss_who_is_not_there(scene: Scene) -> Sent:
    _, token = scene.attached()
    letter = {"to": "boss", "subject": "s", "body": "b"}
    return scene.ask_as(token, "POST", f"{scene.rig_path}/mail", letter)


ROSTER_CASES = {
    a_name_in_capitals: ErrorCode.INVALID_AGENT_NAME,
    a_template_that_is_none: ErrorCode.UNKNOWN_TEMPLATE,
    a_polecat_without_a_rig: ErrorCode.RIG_ID_REQUIRED,
    a_boss_who_is_nobody: ErrorCode.NO_COORDINATOR,
    a_letter_to_a_boss_who_is_not_there: ErrorCode.NO_COORDINATOR,
    a_name_in_use: ErrorCode.AGENT_NAME_TAKEN,
    a_second_mayor: ErrorCode.AGENT_NAME_TAKEN,
    an_identity_of_before: ErrorCode.AGENT_NAME_TAKEN,
    the_mayor: ErrorCode.MAYOR_NOT_REMOVABLE,
    both_options: ErrorCode.CONFLICTING_OPTIONS,
    workers_to_the_one_who_leaves: ErrorCode.REASSIGN_TARGET_INVALID,
    workers_to_a_worker: ErrorCode.REASSIGN_TARGET_INVALID,
    workers_to_nobody: ErrorCode.REASSIGN_TARGET_NOT_FOUND,
    a_boss_with_workers: ErrorCode.AGENT_HAS_WORKERS,
    a_watch_of_one_who_left: ErrorCode.AGENT_OFFBOARDED,
    a_repository_of_another_agent: ErrorCode.REPO_ALREADY_WATCHED,
    a_watch_of_another_agent: ErrorCode.WATCH_NOT_FOUND,
    an_agent_that_never_was: ErrorCode.AGENT_NOT_FOUND,
    an_agent_by_a_word: ErrorCode.AGENT_NOT_FOUND,
    a_memory_that_was_never_put: ErrorCode.MEMORY_NOT_FOUND,
}
