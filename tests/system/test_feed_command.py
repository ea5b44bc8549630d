"""`boomtown feed` against a running server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.processes import DevServer, boomtown

pytestmark = pytest.mark.system


def changes(output: str) -> list[dict[str, Any]]:
    lines = [msgspec.json.decode(line, type=dict[str, Any]) for line in output.splitlines()]
    return [line["change"] for line in lines]


def test_a_tail_ends_at_the_newest_change_and_its_cursor_remembers(
    tmp_path: Path, run_id: str
) -> None:
    server = DevServer(tmp_path, "--port", "0", "--allow-local-git", run_id=run_id, env={})
    data = ("--data-dir", str(server.data_dir))

    def run(*arguments: str) -> Any:
        return boomtown("feed", *arguments, *data, cwd=tmp_path, env={})

    none = run("tail", "--no-follow")
    assert (none.returncode, "no such town" in none.stderr) == (1, True)
    town = server.data("POST", "/api/users/local/towns", {"name": "mine"})["id"]
    server.data("POST", f"/api/towns/{town}/pause")
    body = {"town_id": town, "name": "r", "git_url": str(tmp_path / "absent.git")}
    rig = server.data("POST", "/api/users/local/rigs", body)["id"]
    path = f"/api/towns/{town}/rigs/{rig}/beads"
    server.data("POST", path, {"title": "First"})
    head = server.data("GET", f"/api/towns/{town}/feed?limit=0")["head"]

    everything = run("tail", "--after", "0", "--no-follow", "--json")
    assert everything.returncode == 0, everything.stderr
    seqs = [change["seq"] for change in changes(everything.stdout)]
    assert seqs == list(range(1, len(seqs) + 1))
    assert len(seqs) >= head  # the town goes on meanwhile
    plain = run("tail", "--after", "0", "--topic", "bead", "--no-follow")
    assert "bead.created" in plain.stdout
    assert "First" in plain.stdout

    panel = ("tail", "--cursor", "panel", "--topic", "bead", "--no-follow", "--json")
    first = run(*panel)
    assert [change["payload"]["title"] for change in changes(first.stdout)] == ["First"]
    server.data("POST", path, {"title": "Second"})
    second = run(*panel)
    assert [change["payload"]["title"] for change in changes(second.stdout)] == ["Second"]
    listed = run("cursors", "--json")
    assert '"consumer":"panel"' in listed.stdout

    ahead = run("tail", "--after", "9999", "--no-follow", "--json")
    assert (ahead.returncode, '"code":"CURSOR_AHEAD"' in ahead.stderr) == (1, True)
    both = run("tail", "--after", "1", "--cursor", "panel")
    assert both.returncode == 2
    assert server.terminate() == 0
    gone = run("cursors")
    assert gone.returncode == 3
