"""Keys and values, by both faces: cases 76 to 84, and a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boomtown.actors.runtime.runtime_errors import DataCloneError, SqlError
from boomtown.actors.runtime.sync_kv import ListOptions, key_after_prefix
from support.storage_bench import StorageBench

MIB = 1024 * 1024
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)


async def bench_with(tmp_path: Path, *keys: str) -> StorageBench:
    bench = StorageBench(tmp_path)
    for index, key in enumerate(keys):
        await bench.storage.put(key, index)
    return bench


async def test_case_076_get_and_put_round_trip(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path)
    assert await bench.storage.get("a") is None
    value = {"list": [1, (2,)]}
    await bench.storage.put("a", value)
    value["list"].append(3)  # not seen: it was kept when it was given
    first = await bench.storage.get("a")
    assert first == {"list": [1, (2,)]}
    assert first is not await bench.storage.get("a")
    bench.storage.kv.put("a", 5)
    assert bench.storage.kv.get("a") == 5


async def test_get_of_several_keys_is_sorted_and_without_the_missing(tmp_path: Path) -> None:
    bench = await bench_with(tmp_path, "z", "é", "a")
    found = await bench.storage.get(["é", "z", "nothing", "a"])
    assert list(found.items()) == [("a", 2), ("z", 0), ("é", 1)]


async def test_case_077_lists_are_in_the_order_of_the_keys(tmp_path: Path) -> None:
    bench = await bench_with(tmp_path, "b", "a", "c")
    storage = bench.storage
    assert list(await storage.list()) == ["a", "b", "c"]
    assert list(await storage.list(reverse=True)) == ["c", "b", "a"]
    assert list(await storage.list(limit=2)) == ["a", "b"]
    assert list(await storage.list(limit=1, reverse=True)) == ["c"]
    assert [key for key, _ in storage.kv.list(limit=2)] == ["a", "b"]


async def test_case_078_ranges(tmp_path: Path) -> None:
    bench = await bench_with(tmp_path, "a", "ab", "abc", "b", "ba")
    storage = bench.storage
    assert list(await storage.list(prefix="ab")) == ["ab", "abc"]
    assert list(await storage.list(start="ab", end="b")) == ["ab", "abc"]
    assert list(await storage.list(start_after="ab")) == ["abc", "b", "ba"]
    assert list(await storage.list(prefix="a", start="ab", end="abc")) == ["ab"]
    assert list(await storage.list(start="b", end="a")) == []


async def test_a_limit_past_every_number_of_rows_is_none(tmp_path: Path) -> None:
    bench = await bench_with(tmp_path, "a", "b")
    assert list(await bench.storage.list(limit=1 << 63)) == ["a", "b"]


async def test_case_079_contradictory_options_are_refused(tmp_path: Path) -> None:
    bench = await bench_with(tmp_path, "a")
    with pytest.raises(TypeError):
        bench.storage.list(start="a", start_after="a")
    with pytest.raises(TypeError):
        bench.storage.list(limit=0)
    with pytest.raises(TypeError):
        bench.storage.kv.list(limit=-1)


async def test_case_080_a_newer_listing_ends_an_older_one(tmp_path: Path) -> None:
    bench = await bench_with(tmp_path, "a", "b")
    first = bench.storage.kv.list()
    assert next(first) == ("a", 0)
    second = bench.storage.kv.list()
    with pytest.raises(RuntimeError, match="newer"):
        next(first)
    assert [key for key, _ in second] == ["a", "b"]
    third = bench.storage.kv.list()
    await bench.storage.list()
    with pytest.raises(RuntimeError, match="newer"):
        next(third)


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


async def test_case_081_delete_tells_what_was_there(tmp_path: Path) -> None:
    bench = await bench_with(tmp_path, "a", "b", "c")
    assert await bench.storage.delete("nothing") == 0
    assert await bench.storage.delete("a") == 1
    assert await bench.storage.delete(["a", "b", "c"]) == 2
    assert bench.storage.kv.delete("a") is False


async def test_case_082_unset_values(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path)
    await bench.storage.put({"a": msgspec.UNSET, "b": 1})
    assert await bench.storage.list() == {"b": 1}
    for refused in (lambda: bench.storage.put("a", msgspec.UNSET), lambda: bench.storage.put("a")):  # type: ignore[call-overload]
        with pytest.raises(TypeError):
            refused()


async def test_case_083_a_put_of_several_is_all_or_nothing(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path)
    with pytest.raises(SqlError, match=r"SQLITE_TOOBIG$"):
        bench.storage.put({"a": 1, "x" * (4 * MIB + 1): 2})
    assert await bench.storage.list() == {}
    await bench.storage.put("b", 1)
    await bench.settle()
    assert bench.gate.reasons == []


async def test_case_084_a_long_key_is_accepted(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path)
    key = "k" * 4_000_000
    await bench.storage.put(key, 1)
    assert await bench.storage.get(key) == 1


async def test_a_value_that_cannot_be_kept_changes_nothing(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path)
    with pytest.raises(DataCloneError):
        bench.storage.put({"a": 1, "b": object()})
    assert await bench.storage.list() == {}
    assert not bench.gate.wants_commit


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
