"""The development server as a process: ready, one at a time, ended in order, gone on with."""

from __future__ import annotations

import socket
from pathlib import Path

import msgspec
import pytest

from support.processes import DevServer, boomtown

pytestmark = pytest.mark.system


def test_ready_says_where_it_is(server: DevServer) -> None:
    assert server.ready["url"].startswith("http://127.0.0.1:")
    assert server.ready["data_dir"] == str(server.data_dir)
    assert server.ready["ready_ms"] > 0
    assert server.call("GET", "/health")[0] == 200


def test_a_second_start_says_which_process_holds_the_data_directory(
    server: DevServer, tmp_path: Path
) -> None:
    done = boomtown("dev", "--port", "0", "--data-dir", str(server.data_dir), cwd=tmp_path, env={})
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert f"process {server.process.pid}" in line
    assert server.url in line


def test_a_busy_port_says_which_process_holds_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        done = boomtown(
            *("dev", "--json", "--port", str(port), "--data-dir", "data"), cwd=tmp_path, env={}
        )
    assert done.returncode == 1
    said = msgspec.json.decode(done.stderr.splitlines()[-1])
    assert said["code"] == "PORT_IN_USE"
    assert f"port {port} is in use by process" in said["message"]


def test_bad_flags_and_settings_are_usage_errors(tmp_path: Path) -> None:
    assert boomtown("dev", "--prot", "1", cwd=tmp_path, env={}).returncode == 2
    (tmp_path / "boomtown.toml").write_text("[server]\nprot = 1\n")
    done = boomtown("dev", cwd=tmp_path, env={})
    assert done.returncode == 2
    assert "prot" in done.stderr


def test_sigterm_ends_it_and_the_next_start_goes_on(tmp_path: Path, run_id: str) -> None:
    flags = ("--port", "0", "--allow-local-git")
    first = DevServer(tmp_path, *flags, run_id=run_id, env={})
    town = first.data("POST", "/api/users/local/towns", {"name": "mine"})
    assert first.terminate() == 0
    second = DevServer(tmp_path, *flags, run_id=run_id, env={})
    assert second.key == first.key
    assert second.data("GET", f"/api/users/local/towns/{town['id']}")["name"] == "mine"
    assert second.terminate() == 0


def test_status_finds_the_server_of_a_data_directory(server: DevServer, tmp_path: Path) -> None:
    server.data("POST", "/api/users/local/towns", {"name": "mine"})
    where = ("--data-dir", str(server.data_dir))
    done = boomtown("status", "--json", *where, cwd=tmp_path, env={})
    assert done.returncode == 0, done.stderr
    facts = [msgspec.json.decode(line) for line in done.stdout.splitlines()]
    assert [fact["event"] for fact in facts] == ["server", "town"]
    assert facts[1]["town"]["name"] == "mine"
    plain = boomtown("status", *where, cwd=tmp_path, env={})
    assert "mine" in plain.stdout


def test_status_without_a_server_exits_with_3(tmp_path: Path) -> None:
    done = boomtown("status", "--data-dir", "nowhere", cwd=tmp_path, env={})
    assert done.returncode == 3
    assert "boomtown dev" in done.stderr


def test_shutdown_over_http_ends_it(tmp_path: Path, run_id: str) -> None:
    running = DevServer(tmp_path, "--port", "0", run_id=run_id, env={})
    assert running.call("POST", "/shutdown")[0] == 202
    assert running.close() == 0
