"""An owner's keys: shown once, kept as hashes, revocable."""

from __future__ import annotations

import pytest

from boomtown.actors.town.owner_keys import (
    KeyScope,
    find_key,
    list_keys,
    make_key,
    owner_named_by,
    revoke_key,
)
from support.owner_database import open_owner_transaction


class CountingSecrets:
    """Different texts, in order."""

    def __init__(self) -> None:
        self._count = 0

    def token_bytes(self, count: int) -> bytes:
        self._count += 1
        return self._count.to_bytes(count, "big")

    def token_text(self, count: int) -> str:
        return self.token_bytes(count).hex()


def test_a_key_is_found_by_its_text_alone_and_names_its_owner() -> None:
    tx, secrets = open_owner_transaction(), CountingSecrets()
    row, text = make_key(tx, owner="local", scope=KeyScope.OPERATE, secrets=secrets)
    make_key(tx, owner="local", scope=KeyScope.READ, secrets=secrets)
    assert find_key(tx, text) == (row.key_id, KeyScope.OPERATE)
    assert find_key(tx, text[:-1]) is None
    assert owner_named_by(text) == "local"


def test_defect_89_the_text_of_a_key_is_in_no_row() -> None:
    tx = open_owner_transaction()
    _, text = make_key(tx, owner="local", scope=KeyScope.ADMIN, secrets=CountingSecrets())
    secret = text.rsplit(".", 1)[1]
    assert not any(secret in str(row) for row in tx.rows("SELECT * FROM keys ORDER BY key_id"))


def test_a_revoked_key_holds_no_more_and_its_row_stays() -> None:
    tx = open_owner_transaction()
    row, text = make_key(tx, owner="local", scope=KeyScope.ADMIN, secrets=CountingSecrets())
    assert [key.key_id for key in list_keys(tx)] == [row.key_id]
    assert revoke_key(tx, row.key_id) is True
    assert (find_key(tx, text), list_keys(tx), revoke_key(tx, row.key_id)) == (None, [], False)
    assert tx.rows("SELECT revoked_at_ms FROM keys") == [(tx.now_ms,)]


@pytest.mark.parametrize(
    "text", ["", "boomtown", "boomtown..x", "boomtown.a.", "other.a.b", "boomtown.a.b.c"]
)
def test_a_text_that_is_none_of_ours_names_nobody(text: str) -> None:
    assert owner_named_by(text) is None
