"""Refusals beside an agent that really works: its process, its worktree and its rows stay."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from boomtown.error_codes import REGISTRY, ErrorCode
from support.processes import DevServer, processes_of_run, wait_for
from support.shell_repository import git, make_repository

pytestmark = pytest.mark.system

HANGING = "```recipe\ncreate notes.md\nhang\n```\n"
# What signs of life write, by themselves, while we look.
MOVING = ("last_activity_at", "updated_at")


class Workshop:
    """A town whose architect has one worker, which hangs at its work."""

    def __init__(self, folder: Path, run_id: str) -> None:
        self.run_id = run_id
        flags = ("--port", "0", "--allow-local-git")
        self.server = DevServer(folder, *flags, run_id=run_id, env={})
        origin = str(make_repository(folder))
        self.town = self._id("/api/users/local/towns", {"name": "boom"})
        body = {"town_id": self.town, "name": "app", "git_url": origin}
        self.rig = self._id("/api/users/local/rigs", body)
        self.path = f"/api/towns/{self.town}"
        self.boss = self._id(f"{self.path}/agents", {"role": "architect", "name": "ann"})
        worker = {"role": "polecat", "rig_id": self.rig, "boss": "ann"}
        self.worker = self._id(f"{self.path}/agents", worker)
        wish = {"rig_id": self.rig, "agent_id": self.worker, "prompt": HANGING, "branch": "mine"}
        self.session = self._id(f"{self.path}/sessions", wish)
        self.place = Path(wait_for(self._worktree, "the agent works"))
        wait_for(lambda: (self.place / "notes.md").exists(), "the agent hangs")
        held = {"title": "Later", "labels": ["gt:held"]}
        beads = f"{self.path}/rigs/{self.rig}/beads"
        self.bead = str(self.server.data("POST", beads, held)["bead_id"])

    def end(self) -> None:
        assert self.server.terminate() == 0

    def _id(self, path: str, body: dict[str, Any]) -> str:
        return str(self.server.data("POST", path, body)["id"])

    def _worktree(self) -> str | None:
        found = self.server.data("GET", f"{self.path}/sessions/{self.session}")
        return found["worktree"] if found["state"] == "running" else None

    def look(self) -> dict[str, Any]:
        """Rows as they are shown, the feed, files, worktrees and processes."""
        shown = {
            name: [steady(row) for row in self.server.data("GET", self.path + path)]
            for name, path in (
                ("sessions", "/sessions"),
                ("agents", "/agents?includeOffboarded=true"),
                ("beads", f"/rigs/{self.rig}/beads"),
                ("watches", "/watched-repos"),
            )
        }
        clone = self.server.data_dir / "repos" / f"{self.rig}.git"
        return {
            **shown,
            "feed": self.server.data("GET", f"{self.path}/feed?limit=0")["head"],
            "rigs": self.server.data("GET", f"/api/users/local/towns/{self.town}/rigs"),
            "files": sorted(str(path) for path in self.place.parent.rglob("*")),
            "worktrees": git(clone, "worktree", "list", "--porcelain"),
            "branches": git(clone, "for-each-ref"),
            "processes": sorted(process.pid for process in processes_of_run(self.run_id)),
        }


def steady(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in MOVING}


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory, refusal_mark: str) -> Iterator[Workshop]:
    made = Workshop(tmp_path_factory.mktemp("workshop"), f"{refusal_mark}.workshop")
    yield made
    made.end()


REFUSED = {
    "same_branch": ("POST", "/sessions", "BRANCH_CHECKED_OUT_ELSEWHERE"),
    "same_agent": ("POST", "/sessions", "AGENT_BUSY"),
    "no_harness": ("POST", "/sessions", "UNKNOWN_HARNESS"),
    "restore": ("POST", "/sessions/{session}/restore", "SESSION_NOT_RESTORABLE"),
    "empty_message": ("POST", "/sessions/{session}/send", "MESSAGE_REQUIRED"),
    "boss": ("DELETE", "/agents/{boss}", "AGENT_HAS_WORKERS"),
    "worker": ("DELETE", "/rigs/{rig}/agents/{worker}", "AGENT_BUSY"),
    "another_bead": ("POST", "/rigs/{rig}/agents/{worker}/hook", "AGENT_BUSY"),
    "rig": ("DELETE", "/api/users/local/rigs/{rig}", "RIG_BUSY"),
    "town": ("DELETE", "/api/users/local/towns/{town}", "TOWN_BUSY"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_stmt_I07_a_refusal_leaves_a_working_agent_alone(workshop: Workshop, name: str) -> None:
    method, path, code = REFUSED[name]
    names = {key: getattr(workshop, key) for key in ("session", "boss", "worker", "rig", "town")}
    bodies: dict[str, Any] = {
        "same_branch": {"rig_id": workshop.rig, "branch": "mine"},
        "same_agent": {"rig_id": workshop.rig, "agent_id": workshop.worker},
        "no_harness": {"rig_id": workshop.rig, "harness": "nobody"},
        "another_bead": {"bead_id": workshop.bead},
    }
    whole = path if path.startswith("/api") else workshop.path + path
    before = workshop.look()
    status, answer = workshop.server.call(method, whole.format(**names), bodies.get(name))
    assert (status, answer["code"]) == (REGISTRY[ErrorCode(code)].status, code)
    after = workshop.look()
    assert {key: after[key] for key in before if after[key] != before[key]} == {}
    if name == "same_branch":
        assert str(workshop.place) in answer["error"]


def test_the_agent_of_these_refusals_is_a_process_with_a_worktree(workshop: Workshop) -> None:
    """So that there is something to leave alone."""
    seen = workshop.look()
    (session,) = [row for row in seen["sessions"] if row["id"] == workshop.session]
    assert session["pid"] in seen["processes"]
    assert any(path.endswith("notes.md") for path in seen["files"])
    assert str(workshop.place) in seen["worktrees"]
