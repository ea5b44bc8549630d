"""Recheck, poll, and what there is to see: the observer's own commands and questions.

None waits for a forge: a recheck and a poll are rows that the next tick acts upon.
"""

from __future__ import annotations

from typing import assert_never

from boomtown.actors.town.commands import Caller
from boomtown.actors.town.commands_of_observer import PollForges, RecheckObserver
from boomtown.actors.town.observer_model import OBSERVER, ObserverState, Pr, PrCheck, PrThread
from boomtown.actors.town.observer_views import (
    ObservedRepoView,
    ObserverView,
    PrView,
    SkippedOwnerView,
)
from boomtown.actors.town.patrol_moves import start_observer
from boomtown.actors.town.questions_of_observer import GetObservers, ListPrs, ObserverQuestion
from boomtown.actors.town.store_agents import find_agent
from boomtown.actors.town.store_prs import (
    find_observer,
    list_checks,
    list_missing_owners,
    list_prs,
    list_repos,
    list_threads,
    update_observer,
)
from boomtown.actors.town.transaction import TownTransaction
from boomtown.actors.town.views import FactsView, ListView, View
from boomtown.container_sim.forge.model import CheckStatus
from boomtown.error_codes import ErrorCode
from boomtown.errors import Unavailable

NO_FORGE = "no forge is configured"


def handle_recheck(tx: TownTransaction, caller: Caller, command: RecheckObserver) -> ObserverView:
    if tx.forges.sites:
        start_observer(tx, booted_at_ms=tx.forges.booted_at_ms)
    return observer_view(tx)


def handle_poll(tx: TownTransaction, caller: Caller, command: PollForges) -> FactsView:
    observer = find_observer(tx)
    if observer is None or observer.state == ObserverState.DISABLED:
        reason = NO_FORGE if observer is None else observer.reason
        raise Unavailable(ErrorCode.SCM_UNAVAILABLE, f"The observer is disabled: {reason}")
    update_observer(tx, next_poll_at_ms=tx.now_ms)
    return FactsView(facts={"accepted": True, "state": observer.state.value})


def answer_of_observer(tx: TownTransaction, question: ObserverQuestion) -> View:
    match question:
        case GetObservers():
            return ListView(items=(observer_view(tx),))
        case ListPrs():
            return ListView(items=_list_prs(tx, question))
        case _:
            assert_never(question)


def observer_view(tx: TownTransaction) -> ObserverView:
    """One that has not looked about yet is starting; without a forge there is none."""
    observer = find_observer(tx)
    state, reason = ObserverState.STARTING, None
    if not tx.forges.sites:
        state, reason = ObserverState.DISABLED, NO_FORGE
    elif observer is not None:
        state, reason = observer.state, observer.reason
    return ObserverView(
        name=OBSERVER,
        state=state.value,
        reason=reason,
        forges=tuple(site.key for site in tx.forges.sites),
        checked_at=None if observer is None else observer.checked_at_ms,
        last_ok_at=None if observer is None else observer.last_ok_at_ms,
        next_poll_at=None if observer is None else observer.next_poll_at_ms,
        repos=tuple(
            ObservedRepoView(
                forge=repo.forge,
                owner=repo.repo_owner,
                repo=repo.repo_name,
                polled_at=repo.polled_at_ms,
                last_ok_at=repo.last_ok_at_ms,
                failures=repo.failures,
                last_error=repo.last_error,
                not_before_at=repo.not_before_ms,
            )
            for repo in list_repos(tx)
        ),
        skipped_owners=tuple(
            SkippedOwnerView(forge=forge, owner=owner, reason=words)
            for forge, owner, words in list_missing_owners(tx)
        ),
    )


def pr_view(tx: TownTransaction, pr: Pr, checks: list[PrCheck], threads: list[PrThread]) -> PrView:
    """`checks` and `threads` may be those of other requests, too."""
    agent = None if pr.agent_id is None else find_agent(tx, pr.agent_id)
    failing = tuple(
        check.name
        for check in checks
        if check.pr_url == pr.url
        and check.head_sha == pr.head_sha
        and check.status is CheckStatus.FAILED
    )
    open_threads = sum(t.pr_url == pr.url and not t.is_resolved for t in threads)
    return PrView(
        url=pr.url,
        forge=pr.forge,
        owner=pr.repo_owner,
        repo=pr.repo_name,
        number=pr.number,
        title=pr.title,
        author=pr.author,
        branch=pr.branch,
        base_branch=pr.base_branch,
        head_sha=pr.head_sha,
        state=pr.state.value,
        is_draft=pr.is_draft,
        agent_id=pr.agent_id,
        agent_name=None if agent is None else agent.name,
        session_id=pr.session_id,
        rig_id=pr.rig_id,
        review_decision=None if pr.review_decision is None else pr.review_decision.value,
        ci_status=None if pr.ci_status is None else pr.ci_status.value,
        mergeability=None if pr.mergeability is None else pr.mergeability.value,
        failing_checks=failing,
        open_threads=open_threads,
        opened_at=pr.opened_at_ms,
        observed_at=pr.observed_at_ms,
    )


def _list_prs(tx: TownTransaction, question: ListPrs) -> tuple[PrView, ...]:
    checks, threads = list_checks(tx), list_threads(tx)
    limit = max(0, min(question.limit, tx.limits.list_limit_max))
    wanted = [
        pr
        for pr in list_prs(tx)
        if question.agent_id in (None, pr.agent_id) and question.state in (None, pr.state)
    ]
    return tuple(pr_view(tx, pr, checks, threads) for pr in wanted[:limit])
