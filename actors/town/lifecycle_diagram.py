"""The two machines of lifecycles.py as Mermaid, for docs/lifecycles.md; a test compares them."""

from __future__ import annotations

from boomtown.actors.town.lifecycles import BEAD_EDGES, SESSION_EDGES
from boomtown.actors.town.model import FINAL_STATUSES, BeadStatus, BeadType, SessionState

_INTRODUCTION = """\
# Lifecycles

Written from the tables of `actors/town/lifecycles.py`; a test fails when this page and the tables
differ. An edge that is not drawn does not exist. A state that leads to the end is final: a request
to leave it changes nothing.
"""


def lifecycles_page() -> str:
    """The whole page: one diagram per type of bead, and the sessions'."""
    parts = [_INTRODUCTION]
    for bead_type in BeadType:
        if (bead_type, BeadStatus.OPEN) in BEAD_EDGES:
            parts.append(_section(f"A bead of type {bead_type.value}", _bead_lines(bead_type)))
    parts.append(_section("A session", _session_lines()))
    return "\n".join(parts)


def _section(title: str, lines: list[str]) -> str:
    body = "\n".join(f"    {line}" for line in lines)
    return f"## {title}\n\n```mermaid\nstateDiagram-v2\n{body}\n```\n"


def _bead_lines(bead_type: BeadType) -> list[str]:
    edges = [
        (before, after)
        for before in BeadStatus
        for after in BeadStatus
        if after in BEAD_EDGES.get((bead_type, before), frozenset())
    ]
    reached = [status for status in BeadStatus if any(status == after for _, after in edges)]
    return [
        f"[*] --> {BeadStatus.OPEN.value}",
        *(f"{before.value} --> {after.value}" for before, after in edges),
        *(f"{status.value} --> [*]" for status in reached if status in FINAL_STATUSES),
    ]


def _session_lines() -> list[str]:
    return [
        f"[*] --> {SessionState.CLAIMED.value}",
        *(
            f"{before.value} --> {after.value}"
            for before in SessionState
            for after in SessionState
            if after in SESSION_EDGES[before]
        ),
        f"{SessionState.ENDED.value} --> [*]",
    ]
