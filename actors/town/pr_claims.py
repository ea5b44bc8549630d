"""Attaching an existing pull request to a session (roster.md 3.4).

The forge is asked before the transaction, where the rows do not refuse it already; in it
everything is looked at again, in the order of the specification, and the request as it was seen
becomes a row with its new owner, or nothing changes. A request whose owner's session is over is
free for anybody; one whose owner works is taken over only by word.
"""

from __future__ import annotations

import re

import msgspec

from boomtown.actors.town.commands import Caller
from boomtown.actors.town.commands_of_observer import ClaimPr
from boomtown.actors.town.model import Rig, Session, SessionPhase, SessionState
from boomtown.actors.town.observer_calls import problem_text
from boomtown.actors.town.observer_commands import pr_view
from boomtown.actors.town.observer_model import (
    ObserverState,
    Pr,
    RepositoryKey,
    key_of,
)
from boomtown.actors.town.observer_views import PrView
from boomtown.actors.town.patrol_facts import COORDINATORS
from boomtown.actors.town.patrol_moves import own_request
from boomtown.actors.town.ports import Forges
from boomtown.actors.town.store_agents import get_agent
from boomtown.actors.town.store_prs import (
    find_observer,
    get_pr,
    list_checks,
    list_threads,
    see_pr,
)
from boomtown.actors.town.store_sessions import find_session, get_session
from boomtown.actors.town.store_town import get_rig
from boomtown.actors.town.transaction import TownTransaction
from boomtown.container_sim.forge.addresses import find_pull_request, parse_repository
from boomtown.container_sim.forge.model import (
    Fetched,
    NotFound,
    NotLearnt,
    PullRequest,
    PullRequestState,
)
from boomtown.container_sim.model import SessionKind
from boomtown.error_codes import ErrorCode
from boomtown.errors import BoomtownError, Conflict, InvalidRequest, Unavailable, error_for

_SHORT = re.compile(r"(?:(?P<repo>[^#\s]+)#|#?)(?P<number>[1-9][0-9]{0,9})")


class ClaimTarget(msgspec.Struct, frozen=True, kw_only=True):
    """What a claim is about, as far as the rows can say."""

    session: Session
    repository: RepositoryKey
    number: int


async def look_at_request(
    tx: TownTransaction, forges: Forges, command: ClaimPr
) -> Fetched[PullRequest] | NotLearnt | None:
    """The request at its forge; None where the rows refuse the claim, or nobody may be asked."""
    observer = find_observer(tx)
    if observer is None or observer.state == ObserverState.DISABLED:
        return None
    try:
        target = claim_target(tx, command)
    except BoomtownError:
        return None  # judged again, and told, in the transaction
    return await forges.get_pull_request(
        target.repository.forge,
        target.repository.repo,
        target.number,
        timeout_ms=tx.limits.patrol_call_ms,
    )


def handle_claim_pr(tx: TownTransaction, caller: Caller, command: ClaimPr) -> PrView:
    """Idempotent for the same session."""
    target = claim_target(tx, command)
    pull = _seen(tx.seen.pull_request)
    if pull.state is not PullRequestState.OPEN or pull.is_draft:
        raise Conflict(
            ErrorCode.PR_NOT_OPEN,
            details={"state": pull.state.value, "is_draft": pull.is_draft, "url": pull.url},
        )
    see_pr(tx, target.repository, pull, head_since_ms=pull.created_at_ms)
    pr = get_pr(tx, target.repository, pull.number)
    if not command.takeover:
        _check_free(tx, pr, target.session)
    own_request(
        tx,
        pr,
        agent_id=target.session.agent_id,
        session_id=target.session.session_id,
        rig_id=target.session.rig_id,
    )
    owned = get_pr(tx, target.repository, pull.number)
    return pr_view(tx, owned, list_checks(tx), list_threads(tx))


def claim_target(tx: TownTransaction, command: ClaimPr) -> ClaimTarget:
    """Raises, in this order: SESSION_NOT_FOUND, SESSION_TERMINATED, SESSION_NOT_CLAIMABLE,
    SESSION_NO_WORKSPACE, PR_RIG_MISMATCH for a rig of no forge, INVALID_PR_REF, PR_RIG_MISMATCH."""
    session = get_session(tx, command.session_id)
    if session.state in (SessionState.ENDING, SessionState.ENDED):
        raise Conflict(ErrorCode.SESSION_TERMINATED, details={"state": session.state.value})
    role = get_agent(tx, session.agent_id).role
    if session.kind != SessionKind.WORK or role in COORDINATORS:
        raise error_for(
            ErrorCode.SESSION_NOT_CLAIMABLE,
            details={"kind": session.kind.value, "role": role.value},
        )
    if session.phase == SessionPhase.SEED and session.worktree is None:
        raise error_for(ErrorCode.SESSION_NO_WORKSPACE)
    rig = get_rig(tx, session.rig_id)
    own = _repository_of(tx, rig)
    repository, number = _parse(tx, command.pr, own)
    if repository != own:
        raise error_for(ErrorCode.PR_RIG_MISMATCH, details={"rig": own.text, "pr": repository.text})
    return ClaimTarget(session=session, repository=own, number=number)


def _repository_of(tx: TownTransaction, rig: Rig) -> RepositoryKey:
    address = tx.forges.find(rig.git_url)
    if address is None:
        raise error_for(
            ErrorCode.PR_RIG_MISMATCH,
            "The rig is a clone of no repository of a forge that this server knows",
            details={"rig": rig.rig_id},
        )
    return key_of(address.forge, address.repo.owner, address.repo.name)


def _parse(tx: TownTransaction, text: str, own: RepositoryKey) -> tuple[RepositoryKey, int]:
    sites = tx.forges.sites
    page = find_pull_request(text.strip(), sites)
    if page is not None:
        repo = page.repository.repo
        return key_of(page.repository.forge, repo.owner, repo.name), page.number
    short = _SHORT.fullmatch(text.strip())
    if short is None:
        raise error_for(ErrorCode.INVALID_PR_REF, details={"pr": text[:200]})
    number = int(short["number"])
    if not short["repo"]:
        return own, number
    try:
        default = next(site for site in sites if site.key == own.forge)
        address = parse_repository(short["repo"], sites, default=default)
    except InvalidRequest as error:
        raise error_for(ErrorCode.INVALID_PR_REF, error.message) from error
    return key_of(address.forge, address.repo.owner, address.repo.name), number


def _seen(seen: Fetched[PullRequest] | NotLearnt | None) -> PullRequest:
    if isinstance(seen, Fetched):
        return seen.value
    if isinstance(seen, NotFound):
        raise error_for(ErrorCode.PR_NOT_FOUND)
    words = "the observer is disabled" if seen is None else problem_text(seen)
    raise Unavailable(ErrorCode.SCM_UNAVAILABLE, f"The forge cannot be asked: {words}")


def _check_free(tx: TownTransaction, pr: Pr, claimant: Session) -> None:
    """Only an owner at work stands in the way."""
    holder = None if pr.session_id is None else find_session(tx, pr.session_id)
    if holder is None or holder.state == SessionState.ENDED:
        return
    if holder.agent_id == claimant.agent_id:
        return
    owner = get_agent(tx, holder.agent_id)
    raise Conflict(
        ErrorCode.PR_CLAIMED_BY_ACTIVE_AGENT,
        f"{owner.name} works on it",
        details={"agent": owner.agent_id, "name": owner.name, "session": holder.session_id},
    )
