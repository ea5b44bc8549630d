"""Keys and values, by both faces (cases 76 to 85)."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from boomtown.actors.runtime.runtime_errors import SqlError
from support.storage_bench import StorageBench, bench_with

MIB = 1024 * 1024


async def test_case_085_a_turn_commits_whatever_its_handler_raised(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path)
    await bench.storage.put("a", 1)
    bench.end_turn()
    assert await bench.crashed().get("a") == 1


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
