"""What a patrol's decisions do to the rows, one savepoint each; and the tick's step that does it.

A reaction writes what it says and the fingerprint of what it is about in one transaction, so it
happens once whatever crashes (observer_answers.py). Nothing here asks a forge: a poll and a check
are intentions, rows of `effects` that the loop's workers carry out.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import assert_never

from boomtown.actors.town.bead_creation import create_bead, create_escalation, create_mail
from boomtown.actors.town.model import (
    FINAL_STATUSES,
    SPEAKING_SESSION_STATES,
    SYSTEM_ACTOR,
    BeadKind,
    BeadStatus,
    BeadType,
    EffectKind,
    EffectState,
    Priority,
    Review,
    effective,
)
from boomtown.actors.town.observer_model import OBSERVER, Observer, ObserverState, Pr, PrReview
from boomtown.actors.town.patrol import CHECK_KEY, plan_patrol, poll_key
from boomtown.actors.town.patrol_actions import (
    AdoptPr,
    AskReview,
    CheckForges,
    ClaimPatrol,
    DropPoll,
    EndPatrol,
    EscalateNoRig,
    ForgetRepo,
    PatrolAction,
    ReactToPr,
    SettleMerged,
    StartObserver,
    WantPoll,
)
from boomtown.actors.town.review_moves import complete_review
from boomtown.actors.town.roster_log import RosterVerb, record_ending
from boomtown.actors.town.session_moves import claim_session, request_stop, want_effect
from boomtown.actors.town.snapshot import Snapshot
from boomtown.actors.town.store_agents import find_agent, get_agent
from boomtown.actors.town.store_beads import find_bead
from boomtown.actors.town.store_patrol import read_patrol_facts
from boomtown.actors.town.store_prs import (
    PRS,
    find_observer,
    forget_missing_owners,
    forget_repo,
    insert_pr_review,
    prune_prs,
    put_observer,
    update_pr,
)
from boomtown.actors.town.store_satellites import insert_review
from boomtown.actors.town.store_sessions import (
    find_effect_by_key,
    find_live_session,
    find_live_session_of_bead,
    find_session,
    get_session,
    update_effect,
    update_session,
)
from boomtown.actors.town.store_town import find_rig, get_town
from boomtown.actors.town.templates import find_template_for
from boomtown.actors.town.transaction import TownTransaction
from boomtown.actors.town.transitions import change_bead_status
from boomtown.container_sim.model import SessionKind
from boomtown.ids import AgentId, SessionId

logger = logging.getLogger("boomtown.town")

NO_SESSION = SessionId("")  # of effects that belong to none
PR_MERGED = "pr_merged"
OBSERVER_ACTOR = "observer"
_DROP_EFFECT = "DELETE FROM effects WHERE key = ? AND state = 'pending'"
TITLE_CHARACTERS_MAX = 500


def run_patrol(tx: TownTransaction, snapshot: Snapshot) -> int:
    """Plan and apply; how many decisions were carried out. One that raises is undone alone."""
    facts = read_patrol_facts(tx, snapshot)
    applied = 0
    for action in plan_patrol(facts, now_ms=tx.now_ms, limits=tx.limits):
        tag = str(type(action).__struct_config__.tag)
        try:
            applied += tx.in_savepoint(partial(apply_patrol_action, tx.because(tag), action))
        except Exception:
            # One request that is wrong must not stop the patrol of the others.
            logger.exception("patrol_action_failed action=%s", tag)
    return applied


def apply_patrol_action(tx: TownTransaction, action: PatrolAction) -> bool:
    """False when what the action saw does not hold any more and nothing was done."""
    match action:
        case StartObserver():
            return start_observer(tx, booted_at_ms=action.booted_at_ms)
        case CheckForges():
            return _want(tx, EffectKind.CHECK_FORGES, CHECK_KEY, action.due_at_ms)
        case WantPoll():
            key = poll_key(action.repository)
            return _want(tx, EffectKind.POLL_REPOSITORY, key, action.due_at_ms)
        case DropPoll():
            tx.run(_DROP_EFFECT, action.key)
            return True
        case ForgetRepo():
            prune_prs(tx, action.repository, numbers=[])
            forget_repo(tx, action.repository)
            return True
        case AdoptPr():
            return _adopt(tx, action)
        case ReactToPr():
            return _react(tx, action)
        case SettleMerged():
            return _settle_merged(tx, action)
        case AskReview():
            return _ask_review(tx, action)
        case EscalateNoRig():
            return _escalate_no_rig(tx, action)
        case ClaimPatrol():
            return _claim(tx, action)
        case EndPatrol():
            return _end_patrol(tx, action)
        case _:
            assert_never(action)


def start_observer(tx: TownTransaction, *, booted_at_ms: int) -> bool:
    """Begin anew: a check is next, and what was concluded of owners is forgotten."""
    before = find_observer(tx)
    started = Observer(
        name=OBSERVER,
        state=ObserverState.STARTING,
        reason=None,
        checked_at_ms=None if before is None else before.checked_at_ms,
        last_ok_at_ms=None if before is None else before.last_ok_at_ms,
        next_poll_at_ms=None,
        booted_at_ms=booted_at_ms,
    )
    put_observer(tx, started)
    forget_missing_owners(tx)
    tx.run(_DROP_EFFECT, CHECK_KEY)  # one that waits for its next try: this is it
    return _want(tx, EffectKind.CHECK_FORGES, CHECK_KEY, tx.now_ms)


def _want(tx: TownTransaction, kind: EffectKind, key: str, due_at_ms: int) -> bool:
    """An intention per key; one that was answered is wanted again, a pending one at the earlier
    of the two instants."""
    known = find_effect_by_key(tx, key)
    if known is None:
        want_effect(tx, kind=kind, key=key, session_id=NO_SESSION, due_at_ms=due_at_ms)
        return True
    if known.state == EffectState.RUNNING:
        return False
    is_new = known.state == EffectState.ANSWERED
    if not is_new and known.due_at_ms <= due_at_ms:
        return False
    update_effect(tx, known.effect_id, state=EffectState.PENDING, due_at_ms=due_at_ms)
    return True


def _adopt(tx: TownTransaction, action: AdoptPr) -> bool:
    pr = PRS.find(tx, action.url)
    if pr is None or pr.agent_id != action.expected_agent_id:
        return False
    own_request(
        tx,
        pr,
        agent_id=action.agent_id,
        session_id=action.session_id,
        rig_id=action.rig_id,
    )
    return True


def own_request(
    tx: TownTransaction,
    pr: Pr,
    *,
    agent_id: AgentId,
    session_id: SessionId | None,
    rig_id: str | None,
) -> None:
    """The request's one owner (I17). A new one is told everything that holds now."""
    changes: dict[str, object] = {"session_id": session_id, "rig_id": rig_id}
    if pr.agent_id != agent_id:
        changes |= {
            "agent_id": agent_id,
            "metadata_hash": None,
            "checks_hash": None,
            "reviews_hash": None,
            "nudges": {},
        }
    update_pr(tx, pr.url, **changes)


def _react(tx: TownTransaction, action: ReactToPr) -> bool:
    pr = PRS.find(tx, action.url)
    if pr is None or pr.agent_id != action.agent_id:
        return False
    for nudge in action.nudges:
        create_mail(
            tx,
            rig_id=None if pr.rig_id is None else get_agent(tx, action.agent_id).rig_id,
            from_agent_id=None,
            to_agent_id=action.agent_id,
            subject=nudge.subject,
            body=nudge.body,
        )
    _acknowledge(tx, action, nudges=action.remembered)
    return True


def _acknowledge(tx: TownTransaction, action: ReactToPr | SettleMerged, **more: object) -> None:
    update_pr(
        tx,
        action.url,
        metadata_hash=action.hashes.metadata,
        checks_hash=action.hashes.checks,
        reviews_hash=action.hashes.reviews,
        **more,
    )


def _settle_merged(tx: TownTransaction, action: SettleMerged) -> bool:
    """The reviews that waited for it are merged, and close their sources; work that was still in
    hand is closed; then its session ends as by a kill, process and worktree too."""
    pr = PRS.find(tx, action.url)
    if pr is None:
        return False
    for review_id in action.review_ids:
        complete_review(tx, review_id=review_id, outcome="merged", message=pr.url, commit_sha=None)
    session = None if pr.session_id is None else find_session(tx, pr.session_id)
    if session is not None and session.state in SPEAKING_SESSION_STATES:
        bead = find_bead(tx, session.bead_id)
        if bead is not None and bead.status in (BeadStatus.OPEN, BeadStatus.IN_PROGRESS):
            change_bead_status(
                tx,
                bead.bead_id,
                BeadStatus.CLOSED,
                agent_id=session.agent_id,
                session_id=session.session_id,
            )
        update_session(tx, session.session_id, ended_by=OBSERVER_ACTOR)
        request_stop(tx, get_session(tx, session.session_id), reason=PR_MERGED)
        record_ending(
            tx,
            RosterVerb.ENDED,
            actor=OBSERVER_ACTOR,
            agent_id=session.agent_id,
            session_id=session.session_id,
            reason=PR_MERGED,
            details={"pr": pr.url},
        )
    _acknowledge(tx, action)
    return True


def _ask_review(tx: TownTransaction, action: AskReview) -> bool:
    pr = PRS.find(tx, action.url)
    rig = find_rig(tx, action.rig_id)
    if pr is None or rig is None or pr.head_sha != action.head_sha:
        return False
    repo = f"{pr.repo_owner}/{pr.repo_name}"
    bead = create_bead(
        tx,
        bead_type=BeadType.MERGE_REQUEST,
        kind=BeadKind.PATROL,
        title=f"Review {repo}#{pr.number}: {pr.title}"[:TITLE_CHARACTERS_MAX],
        body=f"{pr.url}\nHead: {pr.head_sha}",
        created_by=SYSTEM_ACTOR,
        rig_id=rig.rig_id,
        assignee_agent_id=action.agent_id,
        labels=("gt:patrol",),
    )
    insert_review(
        tx,
        Review(
            bead_id=bead.bead_id,
            branch=pr.branch,
            target_branch=pr.base_branch,
            source_agent_id=pr.agent_id,
            pr_url=pr.url,
            merge_commit=None,
            is_approved=False,
        ),
    )
    insert_pr_review(
        tx,
        PrReview(
            bead_id=bead.bead_id,
            agent_id=action.agent_id,
            forge=pr.forge,
            repo_owner=pr.repo_owner,
            repo_name=pr.repo_name,
            number=pr.number,
            head_sha=pr.head_sha,
        ),
    )
    return True


def _escalate_no_rig(tx: TownTransaction, action: EscalateNoRig) -> bool:
    repo = action.repository.repo.full_name
    raised = create_escalation(
        tx,
        rig_id=None,
        title=f"Pull requests of {repo} cannot be reviewed: no rig has this repository",
        body=f"Add a rig with the git address of {repo} at {action.repository.forge}.",
        severity=Priority.MEDIUM,
        category="patrol_no_rig",
        key=action.key,
        metadata={"forge": action.repository.forge, "repo": repo},
    )
    return raised is not None


def _claim(tx: TownTransaction, action: ClaimPatrol) -> bool:
    bead, agent = find_bead(tx, action.bead_id), find_agent(tx, action.agent_id)
    rig = None if bead is None or bead.rig_id is None else find_rig(tx, bead.rig_id)
    if bead is None or agent is None or rig is None or bead.status != BeadStatus.OPEN:
        return False
    if find_live_session(tx, agent.agent_id) or find_live_session_of_bead(tx, bead.bead_id):
        return False
    template = find_template_for(tx.templates, named=agent.template, role=agent.role)
    own = None if template is None else template.harness
    config = effective(get_town(tx).config, rig.config)
    claim_session(
        tx,
        agent=agent,
        bead=bead,
        kind=SessionKind.PATROL,
        harness=own or config.review_harness,
    )
    return True


def _end_patrol(tx: TownTransaction, action: EndPatrol) -> bool:
    bead = find_bead(tx, action.bead_id)
    if bead is None or bead.status in FINAL_STATUSES:
        return False
    if find_live_session_of_bead(tx, bead.bead_id) is not None:
        return False
    after = BeadStatus.CLOSED if action.code is None else BeadStatus.FAILED
    return change_bead_status(
        tx,
        bead.bead_id,
        after,
        failure_code=action.code,
        failure_message=None if action.code is None else action.message,
    ).changed
