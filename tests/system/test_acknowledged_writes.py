"""kill -9 of the server during a stream of acknowledged writes: nothing is lost (decisions 63)."""

from __future__ import annotations

import os
import threading
from http.client import HTTPException
from pathlib import Path
from urllib.error import URLError

import pytest

from support.processes import DevServer, wait_for

pytestmark = pytest.mark.system

WRITERS = 4
ACKNOWLEDGED_MIN = 500  # over all lives
KILLS = 3


class Ledger:
    """What the server acknowledged, synced before the next request is sent."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("ab")
        self._lock = threading.Lock()
        self.count = 0

    def write(self, bead_id: str, sequence: str) -> None:
        with self._lock:
            self._file.write(f"{bead_id} {sequence}\n".encode())
            self._file.flush()
            os.fdatasync(self._file.fileno())
            self.count += 1

    def entries(self) -> list[tuple[str, str]]:
        self._file.close()
        lines = self.path.read_text().splitlines()
        return [(line.split()[0], line.split()[1]) for line in lines]


def write_until_it_dies(server: DevServer, rig: str, ledger: Ledger, name: str) -> None:
    number = 0
    while True:
        sequence = f"{name}-{number}"
        try:
            status, answer = server.call("POST", f"{rig}/beads", {"title": sequence})
        except (URLError, HTTPException, OSError):
            return
        assert status == 201, answer
        ledger.write(answer["data"]["bead_id"], sequence)
        number += 1


def test_nothing_acknowledged_is_lost(tmp_path: Path, run_id: str) -> None:
    flags = ("--port", "0", "--allow-local-git")
    ledger = Ledger(tmp_path / "ledger")
    server = DevServer(tmp_path, *flags, run_id=run_id, env={})
    town = server.data("POST", "/api/users/local/towns", {"name": "mine"})
    server.data("POST", f"/api/towns/{town['id']}/pause")  # writes only: nothing is dispatched
    body = {"town_id": town["id"], "name": "r", "git_url": str(tmp_path / "absent.git")}
    made = server.data("POST", "/api/users/local/rigs", body)
    rig = f"/api/towns/{town['id']}/rigs/{made['id']}"
    for life in range(KILLS):
        target = ledger.count + ACKNOWLEDGED_MIN // KILLS + 10
        writers = [
            threading.Thread(
                target=write_until_it_dies, args=(server, rig, ledger, f"{life}-{index}")
            )
            for index in range(WRITERS)
        ]
        for writer in writers:
            writer.start()
        wait_for(lambda target=target: ledger.count >= target, "writes are acknowledged")
        server.kill()
        for writer in writers:
            writer.join()
        server = DevServer(tmp_path, *flags, run_id=run_id, env={})
    entries = ledger.entries()
    assert len(entries) > ACKNOWLEDGED_MIN
    for bead_id, sequence in entries:
        assert server.data("GET", f"{rig}/beads/{bead_id}")["title"] == sequence
    assert server.terminate() == 0
