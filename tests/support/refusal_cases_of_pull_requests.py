"""Refusals of what is asked about pull requests; see refusal_cases.py. The rig is a clone of the
forge's repository, and the observer was told to look about, which it does at its next tick."""

from __future__ import annotations

from collections.abc import Mapping

from boomtown.error_codes import ErrorCode
from support.refusal_forge import DRAFT, OPEN, REPO
from support.refusal_scene import Scene
from support.refusal_server import SILENT_FORGE, Sent

HEAD_OF_NOTHING = "0" * 40


def claim(scene: Scene, session: str, pr: object) -> Sent:
    return scene.ask("POST", f"{scene.town_path}/sessions/{session}/claim-pr", {"pr": str(pr)})


def a_claim_of_a_session_that_has_ended(scene: Scene) -> Sent:
    scene.work_on_forge()
    session = scene.spawn()
    scene.make(f"{scene.town_path}/sessions/{session}/kill", {"force": True})
    return claim(scene, session, OPEN)


def a_claim_of_a_coordinator(scene: Scene) -> Sent:
    scene.work_on_forge()
    return claim(scene, scene.spawn(agent_id=scene.hire("architect")), OPEN)


def a_claim_without_a_worktree(scene: Scene) -> Sent:
    scene.work_on_forge()
    return claim(scene, scene.spawn(), OPEN)


def a_claim_of_a_sentence(scene: Scene) -> Sent:
    scene.work_on_forge()
    return claim(scene, scene.spawn_with_worktree(), "the one of yesterday")


def a_claim_in_a_rig_of_no_forge(scene: Scene) -> Sent:
    return claim(scene, scene.spawn_with_worktree(), OPEN)


def a_claim_in_another_repository(scene: Scene) -> Sent:
    scene.work_on_forge()
    return claim(scene, scene.spawn_with_worktree(), f"acme/other#{OPEN}")


def a_claim_of_nothing(scene: Scene) -> Sent:
    scene.work_on_forge()
    return claim(scene, scene.spawn_with_worktree(), 999)


def a_claim_of_a_draft(scene: Scene) -> Sent:
    scene.work_on_forge()
    return claim(scene, scene.spawn_with_worktree(), DRAFT)


def a_claim_of_another_agents(scene: Scene) -> Sent:
    scene.work_on_forge()
    first = scene.spawn_with_worktree()
    assert scene.server.send(claim(scene, first, OPEN)).status == 200
    return claim(scene, scene.spawn_with_worktree(), OPEN)


def a_claim_while_nobody_may_ask(scene: Scene) -> Sent:
    """The observer has not looked about: whether there is a token is not known."""
    scene.work_on_forge(is_checked=False)
    return claim(scene, scene.spawn_with_worktree(), OPEN)


def a_poll_while_nobody_may_ask(scene: Scene) -> Sent:
    return scene.ask("POST", f"{scene.town_path}/observers/scm/poll", {})


def a_forge_that_does_not_answer(scene: Scene) -> Sent:
    scene.rig = scene.add_rig("silent", git_url=f"{SILENT_FORGE}/{REPO}.git")
    return ask_gateway(scene, "pr.list", {"repo": f"{SILENT_FORGE}/{REPO}"})


def a_repository_that_nobody_watches(scene: Scene) -> Sent:
    return ask_gateway(scene, "pr.list", {"repo": f"{scene.forge_url}/acme/other"})


def a_review_of_a_head_that_is_none(scene: Scene) -> Sent:
    scene.work_on_forge()
    args = {"repo": f"{scene.forge_url}/{REPO}", "number": OPEN, "body": "Fine"}
    args |= {"head_sha": HEAD_OF_NOTHING, "verdict": "approved"}
    return ask_gateway(scene, "pr.review", args)


def a_comment_on_nothing(scene: Scene) -> Sent:
    scene.work_on_forge()
    args = {"repo": f"{scene.forge_url}/{REPO}", "number": 999, "body": "Fine"}
    return ask_gateway(scene, "pr.comment", args)


def ask_gateway(scene: Scene, action: str, args: Mapping[str, object]) -> Sent:
    """By a reviewer, who may."""
    agent = scene.hire("reviewer", rig_id=scene.rig)
    token = scene.token(agent, scene.attach(agent, scene.bead()))
    return scene.ask_as(token, "POST", f"{scene.town_path}/gateway/{action}", {"args": args})


CLAIM_CASES = {
    a_claim_of_a_session_that_has_ended: ErrorCode.SESSION_TERMINATED,
    a_claim_of_a_coordinator: ErrorCode.SESSION_NOT_CLAIMABLE,
    a_claim_without_a_worktree: ErrorCode.SESSION_NO_WORKSPACE,
    a_claim_of_a_sentence: ErrorCode.INVALID_PR_REF,
    a_claim_in_a_rig_of_no_forge: ErrorCode.PR_RIG_MISMATCH,
    a_claim_in_another_repository: ErrorCode.PR_RIG_MISMATCH,
    a_claim_of_nothing: ErrorCode.PR_NOT_FOUND,
    a_claim_of_a_draft: ErrorCode.PR_NOT_OPEN,
    a_claim_of_another_agents: ErrorCode.PR_CLAIMED_BY_ACTIVE_AGENT,
    a_claim_while_nobody_may_ask: ErrorCode.SCM_UNAVAILABLE,
    a_poll_while_nobody_may_ask: ErrorCode.SCM_UNAVAILABLE,
}

# Their decisions are recorded.
DEED_CASES = {
    a_forge_that_does_not_answer: ErrorCode.SCM_UNAVAILABLE,
    a_repository_that_nobody_watches: ErrorCode.ACTION_DENIED,
    a_review_of_a_head_that_is_none: ErrorCode.FORGE_REFUSED,
    a_comment_on_nothing: ErrorCode.PR_NOT_FOUND,
}
