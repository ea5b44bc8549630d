"""What a bead of some type has besides: a review, a convoy, an escalation, a mail."""

from __future__ import annotations

import msgspec

from boomtown.actors.town.model import Convoy, Escalation, Review
from boomtown.actors.town.tables import Table
from boomtown.actors.town.transaction import TownTransaction
from boomtown.error_codes import ErrorCode
from boomtown.errors import NotFound
from boomtown.ids import AgentId, BeadId


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """Satellite of a message bead; subject and body are the bead's."""

    bead_id: BeadId
    from_agent_id: AgentId | None
    to_agent_id: AgentId
    delivered_at_ms: int | None


REVIEWS = Table("reviews", Review, key="bead_id")
CONVOYS = Table("convoys", Convoy, key="bead_id")
ESCALATIONS = Table("escalations", Escalation, key="bead_id")
MAIL = Table("mail", Mail, key="bead_id")

_FIND_LIVE_ESCALATION = f"{ESCALATIONS.select} WHERE key = ? AND is_live = 1"
_END_ESCALATION = "UPDATE escalations SET is_live = 0 WHERE bead_id = ?"
_LIST_UNDELIVERED = (
    f"{MAIL.select} WHERE to_agent_id = ? AND delivered_at_ms IS NULL ORDER BY bead_id"
)


def find_review(tx: TownTransaction, bead_id: BeadId) -> Review | None:
    return REVIEWS.find(tx, bead_id)


def get_review(tx: TownTransaction, bead_id: BeadId) -> Review:
    review = find_review(tx, bead_id)
    if review is None:
        raise NotFound(ErrorCode.REVIEW_NOT_FOUND)
    return review


def insert_review(tx: TownTransaction, review: Review) -> None:
    REVIEWS.insert(tx, review)


def update_review(tx: TownTransaction, bead_id: BeadId, **columns: object) -> None:
    REVIEWS.update(tx, bead_id, columns)


def find_convoy(tx: TownTransaction, bead_id: BeadId) -> Convoy | None:
    return CONVOYS.find(tx, bead_id)


def get_convoy(tx: TownTransaction, bead_id: BeadId) -> Convoy:
    convoy = find_convoy(tx, bead_id)
    if convoy is None:
        raise NotFound(ErrorCode.CONVOY_NOT_FOUND)
    return convoy


def insert_convoy(tx: TownTransaction, convoy: Convoy) -> None:
    CONVOYS.insert(tx, convoy)


def update_convoy(tx: TownTransaction, bead_id: BeadId, **columns: object) -> None:
    CONVOYS.update(tx, bead_id, columns)


def find_escalation(tx: TownTransaction, bead_id: BeadId) -> Escalation | None:
    return ESCALATIONS.find(tx, bead_id)


def get_escalation(tx: TownTransaction, bead_id: BeadId) -> Escalation:
    escalation = find_escalation(tx, bead_id)
    if escalation is None:
        raise NotFound(ErrorCode.ESCALATION_NOT_FOUND)
    return escalation


def find_live_escalation(tx: TownTransaction, key: str) -> Escalation | None:
    """The one whose bead is not closed."""
    return ESCALATIONS.find_where(tx, _FIND_LIVE_ESCALATION, key)


def insert_escalation(tx: TownTransaction, escalation: Escalation) -> None:
    """Live; a second live one of its key is a constraint error: look first."""
    ESCALATIONS.insert(tx, escalation)


def update_escalation(tx: TownTransaction, bead_id: BeadId, **columns: object) -> None:
    ESCALATIONS.update(tx, bead_id, columns)


def end_escalation(tx: TownTransaction, bead_id: BeadId) -> None:
    """Its key is free again; transitions.py calls this when the bead becomes final."""
    tx.run(_END_ESCALATION, bead_id)


def get_mail(tx: TownTransaction, bead_id: BeadId) -> Mail:
    mail = MAIL.find(tx, bead_id)
    if mail is None:
        raise NotFound(ErrorCode.BEAD_NOT_FOUND)
    return mail


def insert_mail(tx: TownTransaction, mail: Mail) -> None:
    MAIL.insert(tx, mail)


def update_mail(tx: TownTransaction, bead_id: BeadId, **columns: object) -> None:
    MAIL.update(tx, bead_id, columns)


def list_undelivered_mail(tx: TownTransaction, agent_id: AgentId) -> list[Mail]:
    """Oldest first."""
    return MAIL.list_where(tx, _LIST_UNDELIVERED, agent_id)
