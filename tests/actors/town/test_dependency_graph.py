"""dependency_graph: a cycle is found, and named in a stable order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boomtown.actors.town.dependency_graph import find_cycle


@pytest.mark.parametrize(
    ("edges", "cycle"),
    [
        pytest.param([], None, id="nothing"),
        pytest.param([("b", "a"), ("c", "b"), ("c", "a")], None, id="diamond"),
        pytest.param([("a", "a")], ("a",), id="self"),
        pytest.param([("a", "b"), ("b", "a")], ("a", "b"), id="pair"),
        pytest.param(
            [("d", "a"), ("a", "b"), ("b", "c"), ("c", "a")], ("a", "b", "c"), id="with_a_tail"
        ),
        pytest.param([("b", "a"), ("b", "a")], None, id="edge_twice"),
    ],
)
def test_cycle_of(edges: list[tuple[str, str]], cycle: tuple[str, ...] | None) -> None:
    assert find_cycle(edges) == cycle


EDGES = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=14)


@given(EDGES)
def test_named_cycle_is_one(edges: list[tuple[int, int]]) -> None:
    cycle = find_cycle(edges)
    if cycle is None:
        return
    assert len(set(cycle)) == len(cycle)
    assert all(pair in edges for pair in zip(cycle, (*cycle[1:], cycle[0]), strict=True))


@given(EDGES)
def test_edges_that_point_down_have_none(edges: list[tuple[int, int]]) -> None:
    assert find_cycle((max(a, b) + 1, min(a, b)) for a, b in edges) is None
