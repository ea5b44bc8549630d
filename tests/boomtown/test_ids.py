"""Ids: sortable by time, one spelling."""

from __future__ import annotations

import uuid

from boomtown.entropy import SeededEntropy
from boomtown.ids import is_id, new_id, short_id


def test_an_id_is_a_uuid_of_version_7() -> None:
    made = uuid.UUID(new_id(1_800_000_000_123, SeededEntropy(1)))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == 1_800_000_000_123


def test_ids_of_later_milliseconds_sort_later() -> None:
    entropy = SeededEntropy(1)
    ids = [new_id(now_ms, entropy) for now_ms in (1, 2, 255, 256, 70_000)]
    assert ids == sorted(ids)


def test_ids_of_one_millisecond_differ_in_their_short_form() -> None:
    entropy = SeededEntropy(1)
    made = {short_id(new_id(5, entropy)) for _ in range(500)}
    assert len(made) == 500


def test_one_spelling_only() -> None:
    made = new_id(1, SeededEntropy(1))
    assert is_id(made)
    assert not any(is_id(text) for text in (made.upper(), made.replace("-", ""), made[:-1], ""))
