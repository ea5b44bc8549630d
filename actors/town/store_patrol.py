"""Reads what a patrol decides on: the rows of the observer, beside a snapshot."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from boomtown.actors.town.patrol_facts import PatrolFacts
from boomtown.actors.town.snapshot import Snapshot
from boomtown.actors.town.store_prs import (
    find_observer,
    list_checks,
    list_missing_owners,
    list_pr_reviews,
    list_prs,
    list_repos,
    list_threads,
    read_raised_keys,
    read_reviewed_heads,
)
from boomtown.actors.town.transaction import TownTransaction

Part = TypeVar("Part")


def read_patrol_facts(tx: TownTransaction, snapshot: Snapshot) -> PatrolFacts:
    """`snapshot` is of this same transaction. A server that knows no forge reads nothing more."""
    if not tx.forges.sites:
        return PatrolFacts(access=tx.forges, snapshot=snapshot, observer=None)
    return PatrolFacts(
        access=tx.forges,
        snapshot=snapshot,
        observer=find_observer(tx),
        repos={repo.key: repo for repo in list_repos(tx)},
        missing_owners=frozenset(
            (forge, owner.lower()) for forge, owner, _ in list_missing_owners(tx)
        ),
        prs=tuple(list_prs(tx)),
        checks=_by_url(list_checks(tx), lambda check: check.pr_url),
        threads=_by_url(list_threads(tx), lambda thread: thread.pr_url),
        pr_reviews=tuple(list_pr_reviews(tx)),
        reviewed=read_reviewed_heads(tx),
        raised=read_raised_keys(tx),
    )


def _by_url(rows: Iterable[Part], url_of: Callable[[Part], str]) -> dict[str, tuple[Part, ...]]:
    found: dict[str, list[Part]] = {}
    for row in rows:
        found.setdefault(url_of(row), []).append(row)
    return {url: tuple(parts) for url, parts in found.items()}
