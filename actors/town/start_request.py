"""Assembles the order to start a session from the rows, at the moment when it is sent.

The session's token is minted here and goes nowhere but into the order: no row and no log ever
holds one. Everything else is a function of the rows, so a start that is sent again after a crash
says the same.
"""

from __future__ import annotations

from boomtown.actors.town.model import Bead, BeadKind, Session, TownConfig, effective
from boomtown.actors.town.ports import SessionTokens
from boomtown.actors.town.prompts import (
    landing_prompt,
    patrol_prompt,
    review_prompt,
    rework_prompt,
    work_prompt,
)
from boomtown.actors.town.store_agents import get_agent
from boomtown.actors.town.store_beads import find_bead, get_bead
from boomtown.actors.town.store_prs import find_pr_review
from boomtown.actors.town.store_sessions import find_session
from boomtown.actors.town.store_town import get_rig, get_town
from boomtown.actors.town.templates import find_template_for
from boomtown.actors.town.transaction import TownTransaction
from boomtown.container_sim.model import PullRequestOrder, Repository, SessionKind, StartSession

_COUNT_REVIEW_SESSIONS = (
    "SELECT count(*) FROM sessions WHERE subject = ? AND kind = 'review' AND verdict IS NOT NULL"
)


def start_request(tx: TownTransaction, session: Session, *, tokens: SessionTokens) -> StartSession:
    """The order. Raises errors.NotFound where a row that it needs is gone."""
    town = get_town(tx)
    rig = get_rig(tx, session.rig_id)
    agent = get_agent(tx, session.agent_id)
    bead = get_bead(tx, session.bead_id)
    config = effective(town.config, rig.config)
    task = task_of(tx, bead)
    feedback = (bead.body or "") if bead.kind == BeadKind.REWORK else ""
    review_number = _review_number(tx, session)
    asked = _pull_request(tx, bead)
    return StartSession(
        session_id=session.session_id,
        generation=session.generation,
        town_id=town.town_id,
        agent_id=agent.agent_id,
        agent_name=agent.name,
        role=agent.role,
        kind=session.kind,
        bead_id=bead.bead_id,
        title=task.title,
        body=task.body or "",
        feedback=feedback,
        prompt=_patrol_prompt(tx, session, task, asked)
        or _prompt(session, task, feedback, config, review_number),
        harness=session.harness,
        repository=Repository(
            rig_id=rig.rig_id, git_url=rig.git_url, default_branch=rig.default_branch
        ),
        branch=session.branch,
        target_branch=session.target_branch,
        merge_only=session.merge_only,
        review_number=review_number,
        gates=config.refinery.gates,
        heartbeat_ms=tx.limits.heartbeat_ms,
        run_ms_max=tx.limits.session_run_ms_max,
        stop_grace_ms=tx.limits.stop_grace_ms,
        session_token=tokens.mint_session_token(
            town_id=town.town_id,
            rig_id=rig.rig_id,
            agent_id=agent.agent_id,
            session_id=session.session_id,
            user_id=town.owner_user_id,
            now_ms=tx.now_ms,
        ),
        env=config.env_vars,
        kept_worktree=_kept_worktree(tx, session),
        pull_request=asked,
    )


def task_of(tx: TownTransaction, bead: Bead) -> Bead:
    """The work that a bead is about in the end: of a rework its review's source, of a review its
    source; a bead about nothing that is left is about itself."""
    current = bead
    while current.kind != BeadKind.WORK and current.subject is not None:
        about = find_bead(tx, current.subject)
        if about is None:
            break
        current = about
    return current


def _patrol_prompt(
    tx: TownTransaction, session: Session, task: Bead, asked: PullRequestOrder | None
) -> str | None:
    if asked is None or session.prompt is not None:
        return None
    agent = get_agent(tx, session.agent_id)
    template = find_template_for(tx.templates, named=agent.template, role=agent.role)
    return patrol_prompt(
        title=task.title,
        body=task.body or "",
        instructions="" if template is None else template.prompt,
        branch=session.branch,
        target_branch=session.target_branch,
        asked=asked,
    )


def _pull_request(tx: TownTransaction, bead: Bead) -> PullRequestOrder | None:
    review = find_pr_review(tx, bead.bead_id)
    if review is None:
        return None
    return PullRequestOrder(
        repo=f"{review.forge}/{review.repo_owner}/{review.repo_name}",
        number=review.number,
        head_sha=review.head_sha,
    )


def _kept_worktree(tx: TownTransaction, session: Session) -> str | None:
    """What the session that this one restores left uncommitted."""
    before = None if session.restored_from is None else find_session(tx, session.restored_from)
    return None if before is None else before.kept_worktree


def _review_number(tx: TownTransaction, session: Session) -> int:
    """1 for the first review of a source; one more for each that was judged before."""
    if session.kind in (SessionKind.WORK, SessionKind.PATROL):
        return 0
    row = tx.find_row(_COUNT_REVIEW_SESSIONS, session.subject)
    assert row is not None
    return int(row[0]) + 1


def _prompt(
    session: Session, task: Bead, feedback: str, config: TownConfig, review_number: int
) -> str:
    if session.prompt is not None:
        return session.prompt
    title, body, gates = task.title, task.body or "", config.refinery.gates
    branch, target = session.branch, session.target_branch
    if session.kind == SessionKind.LANDING:
        return landing_prompt(title=title, branch=branch, target_branch=target, gates=gates)
    if session.kind == SessionKind.REVIEW:
        return review_prompt(
            title=title,
            body=body,
            branch=branch,
            target_branch=target,
            gates=gates,
            review_number=review_number,
        )
    if feedback:
        return rework_prompt(
            title=title,
            body=body,
            feedback=feedback,
            branch=branch,
            target_branch=target,
            gates=gates,
        )
    return work_prompt(title=title, body=body, branch=branch, target_branch=target, gates=gates)
