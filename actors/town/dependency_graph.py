"""Whether dependencies can be worked off: Kahn's algorithm over (bead, what it waits for)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TypeVar

Node = TypeVar("Node")


def find_cycle(edges: Iterable[tuple[Node, Node]]) -> tuple[Node, ...] | None:
    """The members of one cycle, each waiting for the next and the last for the first; None when
    there is none. The answer depends on the order of `edges` only. A self-edge is a cycle."""
    waits_for: dict[Node, list[Node]] = {}
    waiters: dict[Node, list[Node]] = {}
    for node, blocker in edges:
        waits_for.setdefault(node, []).append(blocker)
        waits_for.setdefault(blocker, [])
        waiters.setdefault(blocker, []).append(node)
    open_count = {node: len(blockers) for node, blockers in waits_for.items()}
    ready = deque(node for node, count in open_count.items() if count == 0)
    while ready:
        done = ready.popleft()
        del open_count[done]
        for waiter in waiters.get(done, ()):
            open_count[waiter] -= 1
            if open_count[waiter] == 0:
                ready.append(waiter)
    if not open_count:
        return None
    return _walk(next(iter(open_count)), waits_for, open_count)


def _walk(
    start: Node, waits_for: dict[Node, list[Node]], unresolved: dict[Node, int]
) -> tuple[Node, ...]:
    # Whatever is left waits for something that is left, so following the first such blocker must
    # come back to a node that was seen.
    position: dict[Node, int] = {}
    node = start
    while node not in position:
        position[node] = len(position)
        node = next(blocker for blocker in waits_for[node] if blocker in unresolved)
    return tuple(position)[position[node] :]
