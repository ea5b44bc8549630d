"""A disk that refuses a write ends the server, with a message; what it acknowledged stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.processes import DevServer

pytestmark = pytest.mark.system


def test_a_commit_log_that_cannot_be_written_stops_the_server(tmp_path: Path, run_id: str) -> None:
    flags = ("--port", "0", "--allow-local-git")
    server = DevServer(tmp_path, *flags, run_id=run_id, env={})
    kept = server.data("POST", "/api/users/local/towns", {"name": "kept"})
    log = server.data_dir / "log"
    aside = tmp_path / "log set aside"
    log.rename(aside)
    status, answer = server.call("POST", "/api/users/local/towns", {"name": "lost"})
    assert status >= 500, answer
    assert server.close() == 1
    said = (tmp_path / "server.log").read_text()
    assert '"code":"STORAGE_FAILED"' in said
    assert "nothing more can be kept: The commit log could not be written" in said
    aside.rename(log)
    server = DevServer(tmp_path, *flags, run_id=run_id, env={})
    assert server.data("GET", f"/api/users/local/towns/{kept['id']}")["name"] == "kept"
    assert server.terminate() == 0
