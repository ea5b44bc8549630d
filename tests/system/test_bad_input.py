"""What cannot work is refused with a stable code in one line, and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.processes import DevServer, wait_for
from support.shell_repository import make_repository

pytestmark = pytest.mark.system

UNKNOWN = "018f0000-0000-7000-8000-000000000000"


def make_town(server: DevServer) -> str:
    return str(server.data("POST", "/api/users/local/towns", {"name": "mine"})["id"])


def make_rig(server: DevServer, town: str, git_url: str, name: str = "r") -> str:
    body = {"town_id": town, "name": name, "git_url": git_url, "default_branch": "main"}
    return str(server.data("POST", "/api/users/local/rigs", body)["id"])


def refused(answer: tuple[int, Any], status: int, code: str) -> None:
    assert (answer[0], answer[1]["code"]) == (status, code), answer
    assert answer[1]["success"] is False
    assert "\n" not in answer[1]["error"]
    assert answer[1]["requestId"]


def nothing_is_left(server: DevServer, town: str) -> None:
    assert [
        s for s in server.data("GET", f"/api/towns/{town}/sessions") if s["ended_at"] is None
    ] == []
    worktrees = server.data_dir / "worktrees"
    assert [path for path in worktrees.rglob("*") if (path / ".git").exists()] == []


def test_unknown_towns_and_rigs(server: DevServer) -> None:
    town = make_town(server)
    for path in (f"/api/towns/{UNKNOWN}/status", "/api/towns/nonsense/status"):
        refused(server.call("GET", path), 404, "TOWN_NOT_FOUND")
    refused(server.call("GET", f"/api/towns/{town}/rigs/{UNKNOWN}/beads"), 404, "RIG_NOT_FOUND")
    sling = {"rig_id": UNKNOWN, "convoy_title": "c", "tasks": [{"title": "t"}]}
    path = f"/api/mayor/{town}/tools/sling-batch"
    refused(server.call("POST", path, sling), 404, "RIG_NOT_FOUND")
    assert server.data("GET", f"/api/mayor/{town}/tools/convoys") == []


def test_bodies_that_are_none(server: DevServer) -> None:
    town = make_town(server)
    sent = server.call("POST", "/api/users/local/towns", {"name": 7})
    refused(sent, 400, "INVALID_BODY")
    assert sent[1]["issues"][0]["path"] == "name"
    refused(server.call("POST", "/api/users/local/rigs", {"town_id": town}), 400, "INVALID_BODY")
    assert server.data("GET", f"/api/users/local/towns/{town}/rigs") == []


@pytest.mark.parametrize("git_url", ["", "ftp://example.org/x", "not an address", "-upload-pack=x"])
def test_a_bad_git_address_makes_no_row(server: DevServer, git_url: str) -> None:
    town = make_town(server)
    body = {"town_id": town, "name": "r", "git_url": git_url, "default_branch": "main"}
    refused(server.call("POST", "/api/users/local/rigs", body), 400, "INVALID_GIT_URL")
    assert server.data("GET", f"/api/users/local/towns/{town}/rigs") == []


def test_a_cycle_makes_no_row(server: DevServer, tmp_path: Path) -> None:
    town = make_town(server)
    rig = make_rig(server, town, str(make_repository(tmp_path)))
    tasks = [{"title": "a", "depends_on": [1]}, {"title": "b", "depends_on": [0]}]
    body = {"rig_id": rig, "convoy_title": "c", "tasks": tasks}
    path = f"/api/mayor/{town}/tools/sling-batch"
    refused(server.call("POST", path, body), 400, "DEPENDENCY_CYCLE")
    assert server.data("GET", f"/api/towns/{town}/rigs/{rig}/beads") == []


def test_an_unreachable_repository_escalates_once_and_leaves_nothing(
    server: DevServer, tmp_path: Path
) -> None:
    town = make_town(server)
    rig = make_rig(server, town, str(tmp_path / "absent.git"))
    rig_path = f"/api/towns/{town}/rigs/{rig}"
    server.data("POST", f"{rig_path}/beads", {"title": "work"})
    escalations = wait_for(
        lambda: server.data("GET", f"/api/towns/{town}/escalations"), "an escalation"
    )
    assert len(escalations) == 1
    assert "GIT_UNREACHABLE" in str(escalations[0])
    wait_for(
        lambda: all(s["ended_at"] for s in server.data("GET", f"/api/towns/{town}/sessions")),
        "the session is over",
    )
    (session,) = server.data("GET", f"/api/towns/{town}/sessions")
    assert session["end_reason"] == "GIT_UNREACHABLE"
    (bead,) = server.data("GET", f"{rig_path}/beads?type=issue")
    assert bead["status"] == "open"
    nothing_is_left(server, town)


@pytest.mark.parametrize("harness", ["nobody-configured-this", "missing"])
def test_a_harness_that_cannot_be_leaves_nothing(tmp_path: Path, run_id: str, harness: str) -> None:
    config = tmp_path / "boomtown.toml"
    config.write_text('[harness.missing]\ncommand = "no-such-agent {prompt}"\n')
    flags = ("--port", "0", "--allow-local-git", "--config", str(config))
    server = DevServer(tmp_path, *flags, run_id=run_id, env={})
    town = make_town(server)
    rig = make_rig(server, town, str(make_repository(tmp_path)))
    server.data("PATCH", f"/api/towns/{town}/config", {"harness": harness})
    server.data("POST", f"/api/towns/{town}/rigs/{rig}/beads", {"title": "work"})
    code = "UNKNOWN_HARNESS" if harness.startswith("nobody") else "AGENT_BINARY_NOT_FOUND"
    escalations = wait_for(
        lambda: server.data("GET", f"/api/towns/{town}/escalations"), "an escalation"
    )
    assert code in str(escalations)
    nothing_is_left(server, town)
    assert server.terminate() == 0
