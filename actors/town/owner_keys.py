"""API keys of an owner: made once, shown once, kept as a hash.

A key's text names its owner, `boomtown.OWNER.SECRET`, so that whoever holds it can be looked up
by one call to the Owner object of that name. Owner names hold no dot. A key allows what its scope
says: read, operate, admin, each including the ones before. A revoked key's row stays, as history.
"""

from __future__ import annotations

import enum
import hashlib

import msgspec

from boomtown.actors.town.transaction import TownTransaction
from boomtown.entropy import Secrets

KEY_PREFIX = "boomtown"
SECRET_BYTES = 32  # 256 bits: a plain hash is enough, nobody can try them out

_INSERT = "INSERT INTO keys (key_id, sha256, scope, created_at_ms) VALUES (?, ?, ?, ?)"
_FIND = "SELECT key_id, scope FROM keys WHERE sha256 = ? AND revoked_at_ms IS NULL"
_LIST = (
    "SELECT key_id, scope, created_at_ms FROM keys WHERE revoked_at_ms IS NULL"
    " ORDER BY created_at_ms, key_id"
)
_REVOKE = "UPDATE keys SET revoked_at_ms = ? WHERE key_id = ? AND revoked_at_ms IS NULL"


class KeyScope(enum.StrEnum):
    READ = "read"
    OPERATE = "operate"
    ADMIN = "admin"


class KeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a key: anything but its text."""

    key_id: str
    scope: KeyScope
    created_at_ms: int


def owner_named_by(key: str) -> str | None:
    """The owner whose key this says it is; None for a text that is none of ours."""
    parts = key.split(".")
    if len(parts) != 3 or parts[0] != KEY_PREFIX or not all(parts):
        return None
    return parts[1]


def make_key(
    tx: TownTransaction, *, owner: str, scope: KeyScope, secrets: Secrets
) -> tuple[KeyRow, str]:
    """A new key's row, and its text, which is nowhere else."""
    text = f"{KEY_PREFIX}.{owner}.{secrets.token_text(SECRET_BYTES)}"
    row = KeyRow(key_id=tx.new_id(), scope=scope, created_at_ms=tx.now_ms)
    tx.run(_INSERT, row.key_id, _sha256(text), scope.value, tx.now_ms)
    return row, text


def find_key(tx: TownTransaction, text: str) -> tuple[str, KeyScope] | None:
    """(key id, scope) of a key that holds."""
    row = tx.find_row(_FIND, _sha256(text))
    return None if row is None else (row[0], KeyScope(row[1]))


def list_keys(tx: TownTransaction) -> list[KeyRow]:
    """Those that hold, oldest first."""
    return [
        KeyRow(key_id=key_id, scope=KeyScope(scope), created_at_ms=created_at_ms)
        for key_id, scope, created_at_ms in tx.rows(_LIST)
    ]


def revoke_key(tx: TownTransaction, key_id: str) -> bool:
    """Whether there was such a key that held."""
    held = any(row.key_id == key_id for row in list_keys(tx))
    tx.run(_REVOKE, tx.now_ms, key_id)
    return held


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
