"""Sessions by hand against a real server, real git and real agents (roster.md C1 to C6)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from boomtown.wire import decode_json
from support.processes import DevServer, boomtown, processes_of_run, wait_for
from support.shell_repository import git, make_repository

pytestmark = pytest.mark.system

HANGING = "Leave a file\n```recipe\ncreate half.txt half done\nhang\n```\n"


class Sessions:
    """The session routes of one town with one rig."""

    def __init__(self, server: DevServer, folder: Path) -> None:
        self.server = server
        self.origin = make_repository(folder)
        user = "/api/users/local"
        self.town = server.data("POST", f"{user}/towns", {"name": "boom"})["id"]
        rig = {"town_id": self.town, "name": "app", "git_url": str(self.origin)}
        self.rig = server.data("POST", f"{user}/rigs", rig)["id"]
        self.path = f"/api/towns/{self.town}/sessions"

    def spawn(self, **fields: Any) -> dict[str, Any]:
        return dict(self.server.data("POST", self.path, {"rig_id": self.rig, **fields}))

    def refused(self, verb: str = "", **fields: Any) -> tuple[int, dict[str, Any]]:
        path = f"{self.path}/{verb}" if verb else self.path
        status, answer = self.server.call("POST", path, {"rig_id": self.rig, **fields})
        assert answer["success"] is False
        return status, answer

    def get(self, session: str) -> dict[str, Any]:
        return dict(self.server.data("GET", f"{self.path}/{session}"))

    def post(self, session: str, verb: str, **fields: Any) -> dict[str, Any]:
        return dict(self.server.data("POST", f"{self.path}/{session}/{verb}", fields))

    def wait_state(self, session: str, state: str) -> dict[str, Any]:
        def reached() -> dict[str, Any] | None:
            seen = self.get(session)
            return seen if seen["state"] == state else None

        return dict(wait_for(reached, f"session {session} is {state}"))


@pytest.fixture
def sessions(server: DevServer, tmp_path: Path) -> Sessions:
    return Sessions(server, tmp_path)


def test_spawned_session_runs_is_killed_keeps_its_work_and_is_restored(
    sessions: Sessions,
) -> None:
    spawned = sessions.spawn(prompt=HANGING, branch="docs/half")
    assert spawned["missing"] == ["handle", "worktree"]
    running = sessions.wait_state(spawned["id"], "running")
    worktree = Path(running["worktree"])
    wait_for(lambda: (worktree / "half.txt").exists(), "the agent wrote its file")
    killed = sessions.post(spawned["id"], "kill", reason="enough")
    assert killed["ended_by"].startswith("operator:")
    over = sessions.wait_state(spawned["id"], "ended")
    kept = wait_for(lambda: sessions.get(spawned["id"])["kept_worktree"], "the work was kept")
    assert (over["end_reason"], sessions.get(spawned["id"])["freed"]) == ("killed", False)
    assert not worktree.exists()
    assert (Path(kept) / "half.txt").read_text() == "half done\n"
    restored = sessions.post(spawned["id"], "restore")
    assert (restored["branch"], restored["restored_from"]) == ("docs/half", spawned["id"])
    again = sessions.wait_state(restored["id"], "running")
    assert (Path(again["worktree"]) / "half.txt").exists()
    assert not Path(kept).exists()
    sessions.post(restored["id"], "kill")
    sessions.wait_state(restored["id"], "ended")
    left = wait_for(lambda: sessions.get(restored["id"])["kept_worktree"], "kept once more")
    cleaned = sessions.server.data("POST", f"{sessions.path}/cleanup", {})
    assert restored["id"] in cleaned["cleaned"]
    assert not Path(left).exists()


def test_stmt_C03a_branch_that_a_foreign_worktree_holds_is_refused(
    sessions: Sessions, tmp_path: Path
) -> None:
    first = sessions.spawn(prompt=HANGING)
    sessions.wait_state(first["id"], "running")
    clone = sessions.server.data_dir / "repos" / f"{sessions.rig}.git"
    place = tmp_path / "by-hand"
    git(clone, "worktree", "add", "--quiet", "-b", "mine", str(place), "refs/remotes/origin/main")
    status, answer = sessions.refused(branch="mine")
    assert (status, answer["code"]) == (409, "BRANCH_CHECKED_OUT_ELSEWHERE")
    assert "mine" in answer["error"]
    assert str(place) in answer["error"]
    sessions.post(first["id"], "kill", force=True)
    sessions.wait_state(first["id"], "ended")


def test_stmt_C03b_tag_is_a_base_and_nothing_at_all_is_none(sessions: Sessions) -> None:
    git(sessions.origin, "tag", "v1", "refs/heads/main")
    git(sessions.origin, "update-ref", "-d", "refs/heads/main")
    before = list(sessions.server.data("GET", sessions.path))
    status, answer = sessions.refused(branch="feature/none")
    assert (status, answer["code"]) == (400, "BRANCH_NOT_FETCHED")
    assert "fetch" in answer["error"]
    findings = sessions.server.data(
        "POST", f"{sessions.path}/preflight", {"rig_id": sessions.rig, "branch": "feature/none"}
    )["findings"]
    assert [finding["code"] for finding in findings] == ["BRANCH_NOT_FETCHED"]
    assert list(sessions.server.data("GET", sessions.path)) == before
    spawned = sessions.spawn(branch="v1", prompt=HANGING)
    running = sessions.wait_state(spawned["id"], "running")
    assert (Path(running["worktree"]) / "README.md").exists()
    sessions.post(spawned["id"], "kill")
    sessions.wait_state(spawned["id"], "ended")


def test_stmt_C06_missing_binary_is_refused_before_any_container(
    tmp_path: Path, run_id: str
) -> None:
    config = tmp_path / "boomtown.toml"
    config.write_text('[harness.missing]\ncommand = "no-such-agent {prompt}"\n')
    flags = ("--port", "0", "--allow-local-git", "--config", str(config))
    server = DevServer(tmp_path, *flags, run_id=run_id, env={})
    sessions = Sessions(server, tmp_path)
    before = len(processes_of_run(run_id))
    status, answer = sessions.refused(harness="missing")
    assert (status, answer["code"]) == (400, "AGENT_BINARY_NOT_FOUND")
    status, answer = sessions.refused(harness="nobody")
    assert (status, answer["code"]) == (400, "UNKNOWN_HARNESS")
    assert len(processes_of_run(run_id)) == before
    assert sessions.server.data("GET", sessions.path) == []
    assert server.terminate() == 0


def cli(server: DevServer, *arguments: str, folder: Path) -> Any:
    return boomtown(*arguments, "--data-dir", str(server.data_dir), "--json", cwd=folder, env={})


def test_stmt_C04e_commands_spawn_send_kill_and_roll_back(
    sessions: Sessions, tmp_path: Path
) -> None:
    server = sessions.server
    found = cli(server, "preflight", "--rig", "app", "--bead", "nothing", folder=tmp_path)
    assert found.returncode == 1
    assert '"BEAD_NOT_FOUND"' in found.stdout
    assert cli(server, "preflight", "--rig", "app", folder=tmp_path).returncode == 0
    assert cli(server, "spawn", "--rig", "app", "--no-takeover", folder=tmp_path).returncode == 2
    made = cli(server, "spawn", "--rig", "app", "--prompt", HANGING, folder=tmp_path)
    assert made.returncode == 0, made.stderr
    session = decode_json(made.stdout)["id"]
    assert cli(server, "agent", "send", session, "Go on", folder=tmp_path).returncode == 0
    sessions.wait_state(session, "running")
    killed = cli(server, "agent", "kill", session, folder=tmp_path)
    assert decode_json(killed.stdout)["ended_by"] == "operator:local"
    sessions.wait_state(session, "ended")
    over = cli(server, "agent", "rollback", session, folder=tmp_path)
    assert over.returncode == 0
    answer = decode_json(over.stdout)
    assert (answer["ok"], answer["deleted"], answer["killed"]) == (True, False, False)
    refused = cli(server, "agent", "send", session, "Go on", folder=tmp_path)
    assert refused.returncode == 1
    error = decode_json(refused.stderr)
    assert error["code"] == "SESSION_TERMINATED"
    assert error["requestId"]


def test_stmt_C04e_spawn_whose_claim_fails_is_rolled_back_and_says_both(
    sessions: Sessions, tmp_path: Path
) -> None:
    wish = ("spawn", "--rig", "app", "--prompt", HANGING, "--claim-pr", "acme/widgets#1")
    done = cli(sessions.server, *wish, folder=tmp_path)
    assert done.returncode == 1
    said = [decode_json(line) for line in done.stdout.splitlines()]
    assert [line["event"] for line in said] == ["spawned", "rolled_back"]
    assert (said[1]["deleted"], said[1]["killed"]) == (False, True)
    error = decode_json(done.stderr)
    assert error["code"] == said[1]["claim"]["code"] == "PR_RIG_MISMATCH"
    over = sessions.wait_state(said[0]["id"], "ended")
    assert over["end_reason"] == "rolled_back"
    told = sessions.server.data("GET", f"/api/towns/{sessions.town}/feed?topic=session")["events"]
    assert "session.created" in [event["topic"] for event in told]  # its history stays
