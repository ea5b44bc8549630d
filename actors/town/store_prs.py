"""Rows of the observer: its state, its repositories, pull requests with their checks and threads.

Every write of an observation is an upsert that changes a row only where a column differs, so that
the feed tells each change once and an observation of the same is silent (roster.md I9, I10). Rows
are removed only by `prune_*`, whose callers have a complete listing in hand.
"""

from __future__ import annotations

import msgspec

from boomtown.actors.town.observer_model import (
    OBSERVER,
    ObservedRepo,
    Observer,
    Pr,
    PrCheck,
    PrReview,
    PrThread,
    RepositoryKey,
    ReviewedHead,
    head_of,
)
from boomtown.actors.town.tables import Table
from boomtown.actors.town.transaction import TownTransaction
from boomtown.container_sim.forge.model import PullRequest
from boomtown.ids import BeadId

OBSERVERS = Table("observer_state", Observer, key="name")
REPOS = Table("observed_repos", ObservedRepo, key="repo_name")
PRS = Table("prs", Pr, key="url", json=frozenset({"nudges"}))
CHECKS = Table("pr_checks", PrCheck, key="pr_url")
THREADS = Table("pr_threads", PrThread, key="pr_url")
PR_REVIEWS = Table("pr_reviews", PrReview, key="bead_id")

_OF_REPO = "forge = ? AND repo_owner = ? AND repo_name = ?"
_FIND_REPO = f"{REPOS.select} WHERE {_OF_REPO}"
_LIST_REPOS = f"{REPOS.select} ORDER BY forge, repo_owner, repo_name"
_UPSERT_REPO = (
    f"INSERT INTO observed_repos ({', '.join(REPOS.columns)}) VALUES"
    f" ({', '.join('?' for _ in REPOS.columns)})"
    " ON CONFLICT (forge, repo_owner, repo_name) DO UPDATE SET "
    + ", ".join(f"{column} = excluded.{column}" for column in REPOS.columns[3:])
)
_FORGET_REPO = f"DELETE FROM observed_repos WHERE {_OF_REPO}"
_FIND_PR = f"{PRS.select} WHERE {_OF_REPO} AND number = ?"
_LIST_PRS = f"{PRS.select} ORDER BY forge, repo_owner, repo_name, number"
# A listing knows nothing of mergeability, checks and reviews, and owns nothing.
_UPSERT_PR = (
    "INSERT INTO prs (url, forge, repo_owner, repo_name, number, title, author, branch,"
    " base_branch, head_sha, head_since_ms, state, is_draft, opened_at_ms, observed_at_ms)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (forge, repo_owner, repo_name, number) DO UPDATE SET title = excluded.title,"
    " branch = excluded.branch, base_branch = excluded.base_branch,"
    " head_since_ms = iif(head_sha = excluded.head_sha, head_since_ms, excluded.observed_at_ms),"
    " head_sha = excluded.head_sha, state = excluded.state, is_draft = excluded.is_draft,"
    " observed_at_ms = excluded.observed_at_ms"
    " WHERE (title, branch, base_branch, head_sha, state, is_draft) IS NOT (excluded.title,"
    " excluded.branch, excluded.base_branch, excluded.head_sha, excluded.state, excluded.is_draft)"
)
_UPSERT_CHECK = (
    "INSERT INTO pr_checks (pr_url, name, head_sha, status, log_tail) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (pr_url, name, head_sha) DO UPDATE SET status = excluded.status,"
    " log_tail = excluded.log_tail"
    " WHERE (status, log_tail) IS NOT (excluded.status, excluded.log_tail)"
)
_UPSERT_THREAD = (
    "INSERT INTO pr_threads (pr_url, thread_id, path, line, is_resolved, is_bot, body)"
    " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (pr_url, thread_id) DO UPDATE SET"
    " path = excluded.path, line = excluded.line, is_resolved = excluded.is_resolved,"
    " is_bot = excluded.is_bot, body = excluded.body"
    " WHERE (path, line, is_resolved, is_bot, body) IS NOT (excluded.path, excluded.line,"
    " excluded.is_resolved, excluded.is_bot, excluded.body)"
)
_LIST_CHECKS = f"{CHECKS.select} ORDER BY pr_url, name, head_sha"
_LIST_THREADS = f"{THREADS.select} ORDER BY pr_url, thread_id"
_OF_NO_LISTING = "NOT IN (SELECT value FROM json_each(?))"
_PRUNE_CHECKS = (
    f"DELETE FROM pr_checks WHERE pr_url = ? AND (head_sha != ? OR name {_OF_NO_LISTING})"
)
_PRUNE_THREADS = f"DELETE FROM pr_threads WHERE pr_url = ? AND thread_id {_OF_NO_LISTING}"
_PRUNE_PRS = f"DELETE FROM prs WHERE {_OF_REPO} AND agent_id IS NULL AND number {_OF_NO_LISTING}"
_LIST_OWNERS = "SELECT forge, repo_owner, reason FROM observed_owners ORDER BY forge, repo_owner"
_MISS_OWNER = (
    "INSERT INTO observed_owners (forge, repo_owner, reason, since_ms) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (forge, repo_owner) DO NOTHING RETURNING forge"
)
_FORGET_OWNERS = "DELETE FROM observed_owners"
# Of heads that may still be asked for: those of requests that are known.
_LIST_PR_REVIEWS = f"{PR_REVIEWS.select} ORDER BY bead_id"
_LIST_REVIEWED = "SELECT agent_id, forge, repo_owner, repo_name, number, head_sha FROM reviewed_prs"
_IS_REVIEWED = (
    "SELECT 1 FROM reviewed_prs WHERE agent_id = ? AND forge = ? AND repo_owner = ?"
    " AND repo_name = ? AND number = ? AND head_sha = ?"
)
_LIST_RAISED = "SELECT DISTINCT key FROM escalations WHERE substr(key, 1, 7) = 'patrol:'"


def find_observer(tx: TownTransaction) -> Observer | None:
    return OBSERVERS.find(tx, OBSERVER)


def put_observer(tx: TownTransaction, observer: Observer) -> None:
    """The one row, made or brought to this."""
    if find_observer(tx) is None:
        OBSERVERS.insert(tx, observer)
    else:
        changes = msgspec.structs.asdict(observer)
        OBSERVERS.update(tx, OBSERVER, {k: v for k, v in changes.items() if k != "name"})


def update_observer(tx: TownTransaction, **columns: object) -> None:
    OBSERVERS.update(tx, OBSERVER, columns)


def find_repo(tx: TownTransaction, key: RepositoryKey) -> ObservedRepo | None:
    return REPOS.find_where(tx, _FIND_REPO, key.forge, key.owner, key.name)


def list_repos(tx: TownTransaction) -> list[ObservedRepo]:
    return REPOS.list_where(tx, _LIST_REPOS)


def put_repo(tx: TownTransaction, repo: ObservedRepo) -> None:
    tx.run(_UPSERT_REPO, *msgspec.structs.astuple(repo))


def forget_repo(tx: TownTransaction, key: RepositoryKey) -> None:
    """Nobody's subject any more: a later interest begins without an etag."""
    tx.run(_FORGET_REPO, key.forge, key.owner, key.name)


def list_missing_owners(tx: TownTransaction) -> list[tuple[str, str, str]]:
    """(forge, owner, reason)."""
    return [(forge, owner, reason) for forge, owner, reason in tx.rows(_LIST_OWNERS)]


def miss_owner(tx: TownTransaction, forge: str, owner: str, *, reason: str) -> bool:
    """Note that an owner's repositories cannot be asked about; False when that is known."""
    return tx.find_row(_MISS_OWNER, forge, owner, reason, tx.now_ms) is not None


def forget_missing_owners(tx: TownTransaction) -> None:
    tx.run(_FORGET_OWNERS)


def find_pr(tx: TownTransaction, key: RepositoryKey, number: int) -> Pr | None:
    return PRS.find_where(tx, _FIND_PR, key.forge, key.owner, key.name, number)


def get_pr(tx: TownTransaction, key: RepositoryKey, number: int) -> Pr:
    found = find_pr(tx, key, number)
    assert found is not None, "the caller has stored it"
    return found


def list_prs(tx: TownTransaction) -> list[Pr]:
    """By repository, then by number."""
    return PRS.list_where(tx, _LIST_PRS)


def see_pr(
    tx: TownTransaction, key: RepositoryKey, pull: PullRequest, *, head_since_ms: int
) -> None:
    """Store what a forge says of a request. `head_since_ms` counts for one that is new; a head
    that has moved came now."""
    tx.run(
        _UPSERT_PR,
        pull.url,
        key.forge,
        key.owner,
        key.name,
        pull.number,
        pull.title,
        pull.author,
        pull.head_branch,
        pull.base_branch,
        pull.head_sha,
        head_since_ms,
        pull.state.value,
        pull.is_draft,
        pull.created_at_ms,
        tx.now_ms,
    )


def update_pr(tx: TownTransaction, url: str, **columns: object) -> None:
    PRS.update(tx, url, columns)


def see_check(tx: TownTransaction, check: PrCheck) -> None:
    tx.run(_UPSERT_CHECK, *_stored(check))


def see_thread(tx: TownTransaction, thread: PrThread) -> None:
    tx.run(_UPSERT_THREAD, *_stored(thread))


def prune_checks(tx: TownTransaction, url: str, *, head_sha: str, names: list[str]) -> None:
    """What a complete listing of the head's checks does not have."""
    tx.run(_PRUNE_CHECKS, url, head_sha, _json_list(names))


def prune_threads(tx: TownTransaction, url: str, *, thread_ids: list[str]) -> None:
    tx.run(_PRUNE_THREADS, url, _json_list(thread_ids))


def prune_prs(tx: TownTransaction, key: RepositoryKey, *, numbers: list[int]) -> None:
    """What a complete listing of the open ones does not have, but never what an agent owns: of
    that the forge is asked by number."""
    tx.run(_PRUNE_PRS, key.forge, key.owner, key.name, _json_list(numbers))


def list_checks(tx: TownTransaction) -> list[PrCheck]:
    return CHECKS.list_where(tx, _LIST_CHECKS)


def list_threads(tx: TownTransaction) -> list[PrThread]:
    return THREADS.list_where(tx, _LIST_THREADS)


def insert_pr_review(tx: TownTransaction, review: PrReview) -> None:
    PR_REVIEWS.insert(tx, review)


def find_pr_review(tx: TownTransaction, bead_id: BeadId) -> PrReview | None:
    return PR_REVIEWS.find(tx, bead_id)


def list_pr_reviews(tx: TownTransaction) -> list[PrReview]:
    return PR_REVIEWS.list_where(tx, _LIST_PR_REVIEWS)


def is_reviewed(tx: TownTransaction, review: PrReview) -> bool:
    """Whether the gateway has posted this reviewer's word about this head."""
    row = tx.find_row(
        _IS_REVIEWED,
        review.agent_id,
        review.forge,
        review.repo_owner,
        review.repo_name,
        review.number,
        review.head_sha,
    )
    return row is not None


def read_reviewed_heads(tx: TownTransaction) -> frozenset[ReviewedHead]:
    return frozenset((head_of(*row[:5]), row[5]) for row in tx.rows(_LIST_REVIEWED))


def read_raised_keys(tx: TownTransaction) -> frozenset[str]:
    """Of the patrol's escalations that were ever raised: none is raised twice."""
    return frozenset(key for (key,) in tx.rows(_LIST_RAISED))


def _stored(row: msgspec.Struct) -> tuple[object, ...]:
    return tuple(msgspec.to_builtins(value) for value in msgspec.structs.astuple(row))


def _json_list(values: list[str] | list[int]) -> str:
    return msgspec.json.encode(values).decode()
