"""The commit graph in memory: ids, ancestry, three-way merges."""

from __future__ import annotations

import pytest

from boomtown.container_sim.sim_repositories import (
    MergeConflict,
    PushRefused,
    SimClone,
    SimRepositories,
    Tree,
    Unreachable,
    UnrelatedHistories,
)
from boomtown.ids import RigId

RIG = RigId("rig")
URL = "https://origin.invalid/rig.git"


def merged_or_conflicts(before: Tree, left: Tree, right: Tree) -> object:
    graph = SimRepositories()
    base = graph.commit(before, (), "base")
    ours = graph.commit(left, (base,), "ours")
    theirs = graph.commit(right, (base,), "theirs")
    try:
        return graph.merge_trees(ours, theirs)
    except MergeConflict as conflict:
        return conflict.paths


@pytest.mark.parametrize(
    ("before", "left", "right", "expected"),
    [
        ({"a": b"1"}, {"a": b"2"}, {"a": b"1"}, {"a": b"2"}),
        ({"a": b"1"}, {"a": b"1"}, {"a": b"2"}, {"a": b"2"}),
        ({"a": b"1"}, {"a": b"2"}, {"a": b"2"}, {"a": b"2"}),
        ({"a": b"1"}, {"a": b"2"}, {"a": b"3"}, ("a",)),
        ({"a": b"1"}, {}, {"a": b"1"}, {}),
        ({"a": b"1"}, {"a": b"1"}, {}, {}),
        ({"a": b"1"}, {}, {}, {}),
        ({"a": b"1"}, {}, {"a": b"2"}, ("a",)),
        ({}, {"a": b"1"}, {"b": b"2"}, {"a": b"1", "b": b"2"}),
        ({}, {"b": b"1", "a": b"1"}, {"b": b"2", "a": b"2"}, ("a", "b")),
    ],
)
def test_merge_is_three_way_per_file(
    before: Tree, left: Tree, right: Tree, expected: object
) -> None:
    assert merged_or_conflicts(before, left, right) == expected


def test_equal_work_has_equal_ids_and_other_work_others() -> None:
    one, two = SimRepositories(), SimRepositories()
    assert one.commit({"a": b"1"}, (), "m") == two.commit({"a": b"1"}, (), "m")
    made = [
        one.commit({"a": b"1"}, (), "m"),
        one.commit({"a": b"2"}, (), "m"),
        one.commit({"a": b"1"}, (), "n"),
        one.commit({"a": b"1"}, ("0" * 40,), "m"),
        one.commit({"a": b"", "b": b"1"}, (), "m"),
    ]
    assert len(dict.fromkeys(made)) == len(made)


def test_commit_keeps_its_tree_when_the_files_change() -> None:
    graph = SimRepositories()
    files = {"a": b"1"}
    commit = graph.commit(files, (), "m")
    files["a"] = b"2"
    assert graph.get_commit(commit).tree == {"a": b"1"}


def test_merge_base_is_the_newest_common_ancestor() -> None:
    graph = SimRepositories()
    root = graph.commit({}, (), "root")
    middle = graph.commit({"a": b""}, (root,), "middle")
    left = graph.commit({"a": b"1"}, (middle,), "left")
    right = graph.commit({"a": b"2"}, (middle,), "right")
    assert graph.find_merge_base(left, right) == middle
    assert graph.find_merge_base(left, middle) == middle
    joined = graph.commit({}, (left, right), "joined")
    assert graph.find_merge_base(joined, right) == right


def test_unrelated_histories_are_not_merged() -> None:
    graph = SimRepositories()
    with pytest.raises(UnrelatedHistories):
        graph.merge_trees(graph.commit({}, (), "one"), graph.commit({}, (), "two"))


def test_push_is_never_forced_and_needs_an_origin() -> None:
    graph = SimRepositories()
    origin = graph.add_origin(URL, {"a": b"1"})
    graph.clones[RIG] = SimClone(URL)
    graph.fetch(RIG)
    begun = origin.branches["main"]
    ahead = graph.commit({"a": b"2"}, (begun,), "ahead")
    beside = graph.commit({"a": b"3"}, (begun,), "beside")
    graph.push(RIG, ahead, "main")
    with pytest.raises(PushRefused):
        graph.push(RIG, beside, "main")
    assert origin.branches["main"] == graph.clones[RIG].remotes["main"] == ahead
    origin.is_reachable = False
    with pytest.raises(Unreachable):
        graph.push(RIG, ahead, "main")
    with pytest.raises(Unreachable):
        graph.fetch(RIG)
