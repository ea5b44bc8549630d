"""Answers kept by idempotency key: the same request again is answered as the first time.

A key belongs to a principal. The first successful answer is kept for 24 hours, in the transaction
that made it; a refusal changed nothing and is not kept. The same key with another body is
IDEMPOTENCY_MISMATCH. What is older than its time is forgotten whenever a new answer is kept.
"""

from __future__ import annotations

import hashlib

import msgspec

from boomtown.actors.town.commands import Caller, CallerKind, CommandRequest
from boomtown.actors.town.transaction import TownTransaction
from boomtown.actors.town.views import Answer
from boomtown.error_codes import ErrorCode
from boomtown.errors import Conflict
from boomtown.wire import encode_json_text

_FIND = "SELECT body_sha256, answer, created_at_ms FROM idempotency WHERE principal = ? AND key = ?"
_KEEP = (
    "INSERT OR REPLACE INTO idempotency (principal, key, body_sha256, answer, created_at_ms)"
    " VALUES (?, ?, ?, ?, ?)"
)
_FORGET = "DELETE FROM idempotency WHERE created_at_ms <= ?"


def find_answer(tx: TownTransaction, request: CommandRequest) -> Answer | None:
    """The kept answer of this request, if any. Raises Conflict(IDEMPOTENCY_MISMATCH)."""
    if request.idempotency_key is None:
        return None
    row = tx.find_row(_FIND, principal_of(request.caller), request.idempotency_key)
    if row is None or row[2] <= tx.now_ms - tx.limits.idempotency_kept_ms:
        return None
    if row[0] != _body_sha256(request):
        raise Conflict(ErrorCode.IDEMPOTENCY_MISMATCH)
    return msgspec.msgpack.decode(row[1], type=Answer)


def keep_answer(tx: TownTransaction, request: CommandRequest, answer: Answer) -> None:
    """Keep a successful answer; nothing without a key."""
    if request.idempotency_key is None or answer.refusal is not None:
        return
    tx.run(_FORGET, tx.now_ms - tx.limits.idempotency_kept_ms)
    tx.run(
        _KEEP,
        principal_of(request.caller),
        request.idempotency_key,
        _body_sha256(request),
        msgspec.msgpack.encode(answer),
        tx.now_ms,
    )


def principal_of(caller: Caller) -> str:
    """Whose key it is: a session's, a container's, or a user's."""
    match caller.kind:
        case CallerKind.SESSION:
            return f"session:{caller.session_id}"
        case CallerKind.CONTAINER:
            return f"container:{caller.instance_id}:{caller.session_id}"
        case CallerKind.OPERATOR | CallerKind.SYSTEM:
            return f"{caller.kind.value}:{caller.user_id}"


def _body_sha256(request: CommandRequest) -> str:
    return hashlib.sha256(encode_json_text(request.command).encode()).hexdigest()
