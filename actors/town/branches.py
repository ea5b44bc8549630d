"""Which branch a session works on, and which it starts from or merges into."""

from __future__ import annotations

from boomtown.actors.town.model import Agent, Bead, BeadKind, Convoy, MergeMode
from boomtown.actors.town.naming import work_branch
from boomtown.actors.town.store_beads import find_convoy_of
from boomtown.actors.town.store_satellites import find_convoy, get_review
from boomtown.actors.town.store_town import get_rig
from boomtown.actors.town.transaction import TownTransaction
from boomtown.ids import BeadId, RigId


def branches_of(tx: TownTransaction, *, agent: Agent, bead: Bead) -> tuple[str, str]:
    """(branch, target branch) of a session for this bead. A rework goes on with the branch of
    its review; a review and a landing merge theirs."""
    if bead.kind == BeadKind.WORK:
        feature_branch = feature_branch_of(tx, bead.bead_id)
        branch = work_branch(
            agent_name=agent.name, bead_id=bead.bead_id, feature_branch=feature_branch
        )
        return branch, target_branch_of(tx, bead)
    review_id = bead.subject if bead.kind == BeadKind.REWORK else bead.bead_id
    assert review_id is not None, "a rework names its review"
    review = get_review(tx, review_id)
    return review.branch, review.target_branch


def target_branch_of(tx: TownTransaction, bead: Bead) -> str:
    """The convoy's branch in review-then-land, else the rig's default branch."""
    assert bead.rig_id is not None, "a bead without a rig has no branch"
    return feature_branch_of(tx, bead.bead_id) or default_branch_of(tx, bead.rig_id)


def default_branch_of(tx: TownTransaction, rig_id: RigId) -> str:
    return get_rig(tx, rig_id).default_branch


def feature_branch_of(tx: TownTransaction, bead_id: BeadId) -> str | None:
    """The branch of the bead's convoy, when that lands by itself."""
    convoy = convoy_row_of(tx, bead_id)
    if convoy is None or convoy.merge_mode != MergeMode.REVIEW_THEN_LAND:
        return None
    return convoy.feature_branch


def convoy_row_of(tx: TownTransaction, bead_id: BeadId) -> Convoy | None:
    """The convoy that counts the bead."""
    convoy_bead = find_convoy_of(tx, bead_id)
    return None if convoy_bead is None else find_convoy(tx, convoy_bead.bead_id)
