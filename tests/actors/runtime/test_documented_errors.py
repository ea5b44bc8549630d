"""Whatever is given to an object's storage is kept, or refused by a documented error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from boomtown.actors import DataCloneError, DurableObject, Host, SqlError, WebSocketPair
from boomtown.actors.runtime.rpc_values import copy_value
from boomtown.actors.runtime.sql import Binding
from boomtown.actors.runtime.stored_values import decode_value, encode_value
from boomtown.entropy import SeededEntropy, SystemSecrets
from boomtown.testing import ManualClock
from support.memory_backend import MemoryBackend
from support.storage_bench import StorageBench

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.datetimes()
    | st.decimals(allow_nan=False)
    | st.uuids()
    | st.complex_numbers()
    | st.just(print)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.dictionaries(st.text() | st.integers(), inner, max_size=3)
    ),
    max_leaves=8,
)
ONE_BENCH = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
async def bench(tmp_path: Path) -> StorageBench:
    return StorageBench(tmp_path)


@given(VALUES)
def test_a_value_comes_back_as_it_was_or_is_refused(value: Any) -> None:
    for keep in (lambda: decode_value(encode_value(value)), lambda: copy_value(value)):
        try:
            again = keep()
        except DataCloneError:
            continue
        assert again == value
        assert type(again) is type(value)


class Empty(DurableObject):
    """A class for its ids."""


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text() | st.sampled_from(["0" * 64, "G" * 64, "a" * 63]))
def test_text_that_is_no_id_is_a_type_error(tmp_path: Path, text: str) -> None:
    host = Host(
        classes={"Empty": Empty},
        data_dir=tmp_path,
        clock=ManualClock(),
        entropy=SeededEntropy(1),
        secrets=SystemSecrets(),
        backend=MemoryBackend(),
    )
    with pytest.raises(TypeError):
        host.namespace("Empty").id_from_string(text)


KEYS = st.text(alphabet=st.characters(), max_size=6)


@ONE_BENCH
@given(st.data())
async def test_keys_and_list_options_raise_type_errors_only(
    bench: StorageBench, data: st.DataObject
) -> None:
    storage = bench.storage
    key = data.draw(KEYS)
    options: dict[str, Any] = data.draw(
        st.fixed_dictionaries(
            {},
            optional={
                "start": KEYS,
                "start_after": KEYS,
                "end": KEYS,
                "prefix": KEYS,
                "reverse": st.booleans(),
                "limit": st.integers(-2, 2**70),
            },
        )
    )
    try:
        await storage.put(key, 1)
        found = await storage.list(**options)
    except (TypeError, ValueError, SqlError):
        return
    assert all(each.startswith(options.get("prefix", "")) for each in found)
    assert len(found) <= options.get("limit", len(found))


@ONE_BENCH
@given(
    st.lists(
        st.none() | st.integers() | st.floats() | st.text() | st.binary() | st.booleans(),
        max_size=3,
    )
)
async def test_sql_bindings_raise_sql_errors_only(
    bench: StorageBench, bindings: list[Binding]
) -> None:
    try:
        row = bench.storage.sql.exec("SELECT ? AS a, ? AS b", *bindings).one()
    except (SqlError, TypeError, ValueError):
        return
    assert len(bindings) == 2
    assert list(row) == ["a", "b"]


SAID = st.tuples(st.just("send"), st.text() | st.binary() | st.integers() | st.none())
CLOSED = st.tuples(
    st.just("close"), st.tuples(st.none() | st.integers(-1, 5_001), st.none() | st.text())
)
KEPT = st.tuples(st.just("keep"), VALUES)


@ONE_BENCH
@given(st.lists(SAID | CLOSED | KEPT, max_size=12))
async def test_frames_of_a_socket_arrive_or_are_refused(deeds: list[tuple[str, Any]]) -> None:
    client, server = WebSocketPair()
    client.accept()
    server.accept()
    sent: list[Any] = []
    for what, value in deeds:
        try:
            match what:
                case "send":
                    server.send(value)
                    sent.append(value)
                case "close":
                    server.close(*value)
                case _:
                    server.serialize_attachment(value)
                    assert server.deserialize_attachment() == value
        except (TypeError, ValueError):
            assert what != "send" or server.ready_state != 1 or not isinstance(value, str | bytes)
    assert [await client.receive() for _ in sent] == sent
