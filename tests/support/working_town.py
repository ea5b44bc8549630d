"""One town with one rig on a real development server whose waits are short, and its repairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from support.processes import DevServer, boomtown, wait_for
from support.shell_repository import make_repository

CONFIG = """[limits.town]
alarm_active_ms = 1000
heartbeat_ms = 300
lease_ms = 2000
start_timeout_ms = 2000
start_deadline_ms = 10000
silence_after_stop_ms = 3000
session_run_ms_max = 20000
dispatch_backoff_ms = [200, 500]
effect_backoff_ms = 200
"""


class WorkingTown:
    """Slings beads, watches sessions, asks for chaos."""

    def __init__(self, folder: Path, run_id: str, *, config: str = CONFIG) -> None:
        self.folder = folder
        self._run_id = run_id
        self.config = folder / "boomtown.toml"
        self.config.write_text(config)
        self.agent_log = folder / "agents.jsonl"
        self.server = self.start_server()
        self.origin = make_repository(folder)
        town = self.server.data("POST", "/api/users/local/towns", {"name": "mine"})
        self.town = town["id"]
        self.beads = ""
        self.use_rig("r", str(self.origin))

    def start_server(self) -> DevServer:
        """Another life on the same data directory, if there was one."""
        flags = ("--port", "0", "--allow-local-git", "--config", str(self.config))
        env = {"BOOMTOWN_AGENT_LOG": str(self.agent_log)}
        self.server = DevServer(self.folder, *flags, run_id=self._run_id, env=env)
        return self.server

    def end(self) -> None:
        """SIGTERM, if the server still runs."""
        if self.server.process.poll() is None:
            assert self.server.terminate() == 0

    def use_rig(self, name: str, git_url: str) -> None:
        """Make a rig; beads are slung there from now on."""
        body = {"town_id": self.town, "name": name, "git_url": git_url, "default_branch": "main"}
        rig = self.server.data("POST", "/api/users/local/rigs", body)
        self.beads = f"/api/towns/{self.town}/rigs/{rig['id']}/beads"

    def sling(self, body: str) -> str:
        return str(self.server.data("POST", self.beads, {"title": "note", "body": body})["bead_id"])

    def sessions(self, bead: str) -> list[dict[str, Any]]:
        """The bead's, in the order of their starts."""
        path = f"/api/towns/{self.town}/sessions?bead_id={bead}"
        found: list[dict[str, Any]] = self.server.data("GET", path)
        return sorted(found, key=lambda session: session["id"])

    def wait_running(self, bead: str, *, number: int) -> dict[str, Any]:
        """The bead's session of that number, once its agent runs."""

        def running() -> dict[str, Any] | None:
            found = self.sessions(bead)
            is_there = len(found) >= number and found[number - 1]["pid"] is not None
            return found[number - 1] if is_there else None

        return dict(wait_for(running, f"session {number} runs"))

    def wait_closed(self, bead: str) -> None:
        path = f"{self.beads}/{bead}"
        wait_for(lambda: self.server.data("GET", path)["status"] == "closed", "the bead is closed")

    def chaos(self, *arguments: str) -> list[dict[str, Any]]:
        done = boomtown(
            *("chaos", "--json", "--data-dir", str(self.server.data_dir), *arguments),
            cwd=self.folder,
            env={},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return [msgspec.json.decode(line) for line in done.stdout.splitlines()]

    def fired(self) -> list[tuple[str, int]]:
        rows = self.server.data("GET", f"/api/towns/{self.town}/chaos")
        return [(row["fault"], row["fired"]) for row in rows]

    def arm(self, fault: str) -> None:
        """The same, without a process for it."""
        self.server.data("POST", f"/api/towns/{self.town}/chaos", {"fault": fault})

    def review_of(self, bead: str) -> str:
        """The id of the bead's one review."""
        found: list[dict[str, Any]] = self.server.data("GET", f"{self.beads}?type=merge_request")
        (review,) = [row["bead_id"] for row in found if row["metadata"]["source_bead_id"] == bead]
        return str(review)

    def agent_pids(self, bead: str) -> list[int]:
        """Every agent that the bead ever had, by the agents' own log."""
        if not self.agent_log.exists():
            return []
        rows = [msgspec.json.decode(line) for line in self.agent_log.read_text().splitlines()]
        mine = [row["pid"] for row in rows if row["bead_id"] == bead and row["ended_at"] is None]
        return list(dict.fromkeys(mine))
