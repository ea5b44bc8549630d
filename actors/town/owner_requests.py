"""Creations of an owner that came with an idempotency key, so that a second try makes nothing new.

A creation takes two steps, because what it makes is an object of its own: the request is written
with the row of what it will make, in one turn, and its answer once that is made. A try in between,
or after a crash there, finds what was begun and finishes it. Answers are kept as they were given,
for the time of decisions 53; a refusal is not kept. A key belongs to the owner, whoever of the
owner's keys it came with.
"""

from __future__ import annotations

import hashlib

import msgspec

from boomtown.actors.town.transaction import TownTransaction
from boomtown.actors.town.views import Answer
from boomtown.error_codes import ErrorCode
from boomtown.errors import Conflict
from boomtown.wire import encode_json_text

_FIND = (
    "SELECT body_sha256, made_id, answer FROM requests WHERE request_key = ? AND created_at_ms > ?"
)
_BEGIN = (
    "INSERT OR REPLACE INTO requests (request_key, body_sha256, made_id, answer, created_at_ms)"
    " VALUES (?, ?, ?, NULL, ?)"
)
_KEEP = "UPDATE requests SET answer = ? WHERE request_key = ? AND made_id = ?"
_DROP = "DELETE FROM requests WHERE request_key = ? AND made_id = ?"
_FORGET = "DELETE FROM requests WHERE created_at_ms <= ?"


class Creation(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for; `body` is compared, so it holds all that the caller chose."""

    request_key: str | None
    kind: str  # town or rig: one key cannot make both
    body: tuple[object, ...]

    @property
    def sha256(self) -> str:
        return hashlib.sha256(encode_json_text((self.kind, *self.body)).encode()).hexdigest()


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """A creation that is known already."""

    made_id: str
    answer: Answer | None  # None: not made yet, or not known to be


def find_begun(tx: TownTransaction, creation: Creation) -> Begun | None:
    """Raises Conflict(IDEMPOTENCY_MISMATCH) where the key came with another body."""
    if creation.request_key is None:
        return None
    row = tx.find_row(_FIND, creation.request_key, _horizon_ms(tx))
    if row is None:
        return None
    if row[0] != creation.sha256:
        raise Conflict(ErrorCode.IDEMPOTENCY_MISMATCH)
    answer = None if row[2] is None else msgspec.msgpack.decode(row[2], type=Answer)
    return Begun(made_id=row[1], answer=answer)


def begin(tx: TownTransaction, creation: Creation, made_id: str) -> None:
    """Note what will be made, and forget what is older than its time."""
    if creation.request_key is not None:
        tx.run(_FORGET, _horizon_ms(tx))
        tx.run(_BEGIN, creation.request_key, creation.sha256, made_id, tx.now_ms)


def end(tx: TownTransaction, creation: Creation, made_id: str, answer: Answer) -> None:
    """Keep the answer; a refusal is forgotten with the request."""
    if creation.request_key is None:
        return
    if answer.refusal is None:
        tx.run(_KEEP, msgspec.msgpack.encode(answer), creation.request_key, made_id)
    else:
        tx.run(_DROP, creation.request_key, made_id)


def _horizon_ms(tx: TownTransaction) -> int:
    return tx.now_ms - tx.limits.idempotency_kept_ms
