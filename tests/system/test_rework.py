"""A review that asks for changes, seen in the rows and in the repository."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.processes import DevServer, wait_for
from support.shell_repository import git, make_repository

pytestmark = pytest.mark.system

BODY = """Write a note.

```recipe
create note.txt first
commit Write the note
done
review changes Say more.
rework append note.txt second
rework commit Say more
rework done
```
"""


def test_the_first_reviews_row_says_changes_requested(server: DevServer, tmp_path: Path) -> None:
    origin = make_repository(tmp_path)
    town = server.data("POST", "/api/users/local/towns", {"name": "mine"})["id"]
    body = {"town_id": town, "name": "r", "git_url": str(origin), "default_branch": "main"}
    rig = server.data("POST", "/api/users/local/rigs", body)["id"]
    beads = f"/api/towns/{town}/rigs/{rig}/beads"
    bead = server.data("POST", beads, {"title": "note", "body": BODY})

    def closed() -> bool:
        return bool(server.data("GET", f"{beads}/{bead['bead_id']}")["status"] == "closed")

    wait_for(closed, "the bead is closed")
    (review,) = server.data("GET", f"{beads}?type=merge_request")
    sessions: list[dict[str, Any]] = server.data(
        "GET", f"/api/towns/{town}/sessions?bead_id={review['bead_id']}"
    )
    assert [session["verdict"] for session in sessions] == ["changes_requested", "merged"]
    (rework,) = [b for b in server.data("GET", f"{beads}?type=issue") if "gt:rework" in b["labels"]]
    assert (rework["status"], rework["parent_bead_id"]) == ("closed", review["bead_id"])
    subjects = git(origin, "log", "--first-parent", "--format=%s", "main").splitlines()
    assert len(subjects) == 2, "one merge on top of the beginning"
    assert git(origin, "show", "main:note.txt").split() == ["first", "second"]
    assert server.data("GET", f"/api/towns/{town}/invariants") == []
