"""Keys and values beside cases 76 to 85: order, bounds, and a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boomtown.actors.runtime.runtime_errors import DataCloneError
from boomtown.actors.runtime.sync_kv import ListOptions, key_after_prefix
from support.storage_bench import StorageBench, bench_with

MIB = 1024 * 1024
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)


async def test_get_of_several_keys_is_sorted_and_without_the_missing(tmp_path: Path) -> None:
    bench = await bench_with(tmp_path, "z", "é", "a")
    found = await bench.storage.get(["é", "z", "nothing", "a"])
    assert list(found.items()) == [("a", 2), ("z", 0), ("é", 1)]


async def test_a_limit_past_every_number_of_rows_is_none(tmp_path: Path) -> None:
    bench = await bench_with(tmp_path, "a", "b")
    assert list(await bench.storage.list(limit=1 << 63)) == ["a", "b"]


async def test_an_unfinished_listing_does_not_keep_a_turn_from_committing(
    tmp_path: Path,
) -> None:
    bench = await bench_with(tmp_path, "a", "b")
    listing = bench.storage.kv.list()
    next(listing)
    await bench.storage.put("c", 3)
    await bench.settle()
    assert bench.gate.reasons == []
    assert [key for key, _ in listing] == ["b", "c"]


async def test_a_value_that_cannot_be_kept_changes_nothing(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path)
    with pytest.raises(DataCloneError):
        bench.storage.put({"a": 1, "b": object()})
    assert await bench.storage.list() == {}
    assert not bench.gate.wants_commit


async def test_putting_nothing_is_a_write_as_in_workerd(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path)
    await bench.storage.put({"a": msgspec.UNSET})
    assert bench.gate.wants_commit
    listing = bench.storage.kv.list()
    bench.storage.kv.list()
    with pytest.raises(RuntimeError, match="newer"):  # the table is there
        next(listing)


@given(prefix=TEXT, other=TEXT)
def test_the_key_after_a_prefix_bounds_exactly_its_keys(prefix: str, other: str) -> None:
    after = key_after_prefix(prefix) if prefix else None
    is_inside = other >= prefix and (after is None or other < after)
    assert is_inside == other.startswith(prefix)


@given(
    keys=st.sets(TEXT, max_size=8),
    start=st.none() | TEXT,
    end=st.none() | TEXT,
    prefix=st.none() | TEXT,
)
def test_bounds_choose_as_a_plain_filter_does(
    keys: set[str], start: str | None, end: str | None, prefix: str | None
) -> None:
    bounds = ListOptions(start=start, end=end, prefix=prefix).bounds()
    chosen = {
        key
        for key in keys
        if bounds is not None and key >= bounds[0] and (bounds[1] is None or key < bounds[1])
    }
    expected = {
        key
        for key in keys
        if key >= (start or "") and (end is None or key < end) and key.startswith(prefix or "")
    }
    assert chosen == expected


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from("abc"), st.integers()),
        st.tuples(st.just("delete"), st.sampled_from("abc"), st.none()),
        st.tuples(
            st.sampled_from(["turn", "fail", "crash", "reopen", "erase"]), st.none(), st.none()
        ),
    ),
    max_size=25,
)


@given(steps=STEPS)
async def test_storage_behaves_as_a_dict_with_commits(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, Any, Any]]
) -> None:
    bench = StorageBench(tmp_path_factory.mktemp("model"))
    committed: dict[str, int] = {}
    present: dict[str, int] = {}
    for step, key, value in steps:
        match step:
            case "put":
                await bench.storage.put(key, value)
                present[key] = value
            case "delete":
                assert await bench.storage.delete(key) == (present.pop(key, None) is not None)
            case "turn":
                await bench.settle()
                committed = dict(present)
            case "fail":

                def fail() -> None:
                    bench.storage.kv.put("a", 0)
                    raise ZeroDivisionError

                with pytest.raises(ZeroDivisionError):
                    bench.storage.transaction_sync(fail)
            case "crash":
                bench.crashed()
                present = dict(committed)
            case "reopen":
                await bench.reopened()
                committed = dict(present)
            case _:
                await bench.storage.delete_all()
                committed, present = {}, {}
        assert await bench.storage.list() == dict(sorted(present.items()))
    bench.storage.shut()
    bench.database.close()
