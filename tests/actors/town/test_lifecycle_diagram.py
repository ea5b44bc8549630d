"""docs/lifecycles.md is the page of the tables that hold now."""

from __future__ import annotations

from pathlib import Path

from boomtown.actors.town.lifecycle_diagram import lifecycles_page
from boomtown.actors.town.lifecycles import BEAD_EDGES, SESSION_EDGES

PAGE = Path(__file__).parents[3] / "docs" / "lifecycles.md"


def test_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == lifecycles_page()


def test_every_edge_is_drawn_once() -> None:
    edges = sum(len(after) for after in (*BEAD_EDGES.values(), *SESSION_EDGES.values()))
    drawn = [line for line in lifecycles_page().splitlines() if " --> " in line]
    inner = [line for line in drawn if "[*]" not in line]
    assert len(inner) == edges


def test_every_machine_begins_and_ends() -> None:
    sections = lifecycles_page().split("## ")[1:]
    assert all("[*] --> " in section and " --> [*]" in section for section in sections)
