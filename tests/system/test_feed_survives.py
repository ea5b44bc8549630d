"""A reader follows the feed through twenty kill -9 of the server; nothing is missed or doubled."""

from __future__ import annotations

import contextlib
import http.client
import sqlite3
import threading
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit

import msgspec
import pytest

from support.processes import DevServer, wait_for

pytestmark = pytest.mark.system

KILLS = 20
WRITERS = 2
EVENTS_PER_LIFE = 15  # that the reader has seen before the next kill
FLAGS = ("--port", "0", "--allow-local-git")
READ_S_MAX = 15  # three heartbeats


class Reader:
    """A client of the stream, with nothing but a cursor of its own."""

    def __init__(self, feed: str) -> None:
        self._feed = feed
        self.cursor = 0
        self.seen: list[tuple[int, str, str]] = []  # what it took in, by its cursor
        self.repeated = 0  # what it was sent although it had said that it has it
        self.lives = 0  # in which it was sent anything

    def follow(self, server: DevServer) -> None:
        """Read until the connection breaks."""
        connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=READ_S_MAX)
        headers = {
            "Authorization": f"Bearer {server.key}",
            "Last-Event-ID": str(self.cursor),
        }
        before = len(self.seen)
        with (
            contextlib.suppress(OSError, http.client.HTTPException),
            contextlib.closing(connection),
        ):
            connection.request("GET", f"{self._feed}/stream", headers=headers)
            response = connection.getresponse()
            assert response.status == 200, response.read()
            block: dict[str, str] = {}
            while line := response.readline():
                text = line.decode().rstrip("\n")
                if not line.endswith(b"\n"):
                    break  # the kill cut it off: not an event
                if text:
                    name, _, value = text.partition(": ")
                    block[name] = value
                else:
                    self._take(block)
                    block = {}
        self.lives += len(self.seen) > before

    def _take(self, block: dict[str, str]) -> None:
        if "id" not in block:
            return
        seq = int(block["id"])
        if "event" in block:
            if seq <= self.cursor:
                self.repeated += 1
                return
            data: dict[str, Any] = msgspec.json.decode(block["data"])
            assert (data["seq"], data["topic"]) == (seq, block["event"])
            self.seen.append((seq, data["topic"], data["entity_id"]))
        self.cursor = max(self.cursor, seq)


class Writers:
    """Make beads until the server dies, and remember which were acknowledged."""

    def __init__(self, server: DevServer, rig: str, acknowledged: list[str]) -> None:
        self._server = server
        self._rig = rig
        self._acknowledged = acknowledged
        self._threads = [threading.Thread(target=self._write) for _ in range(WRITERS)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _write(self) -> None:
        number = 0
        with contextlib.suppress(URLError, http.client.HTTPException, OSError):
            while True:
                body = {"title": f"bead {number}", "labels": ["gt:held"]}
                status, answer = self._server.call("POST", f"{self._rig}/beads", body)
                assert status == 201, answer
                bead_id = answer["data"]["bead_id"]
                self._acknowledged.append(bead_id)
                if number % 3 == 0:
                    path = f"{self._rig}/beads/{bead_id}"
                    self._server.call("PATCH", f"{path}/status", {"status": "in_progress"})
                if number % 5 == 0:
                    self._server.call("DELETE", f"{self._rig}/beads/{bead_id}")
                number += 1


def told_rows(data_dir: Path) -> list[tuple[int, str, str]]:
    """What the feed's table holds, asked past the server."""
    (path,) = [
        path
        for path in sorted((data_dir / "actors" / "Town").glob("*/*.sqlite"))
        if path.stat().st_size
    ]
    with contextlib.closing(sqlite3.connect(path)) as database:
        return list(database.execute("SELECT seq, topic, entity_id FROM feed_log ORDER BY seq"))


def test_i12_a_reader_sees_every_change_once_through_twenty_kills(
    tmp_path: Path, run_id: str
) -> None:
    server = DevServer(tmp_path, *FLAGS, run_id=run_id, env={})
    town = server.data("POST", "/api/users/local/towns", {"name": "mine"})["id"]
    server.data("POST", f"/api/towns/{town}/pause")
    body = {"town_id": town, "name": "r", "git_url": str(tmp_path / "absent.git")}
    rig = f"/api/towns/{town}/rigs/{server.data('POST', '/api/users/local/rigs', body)['id']}"
    feed = f"/api/towns/{town}/feed"
    reader, acknowledged = Reader(feed), list[str]()
    for _ in range(KILLS):
        target = len(reader.seen) + EVENTS_PER_LIFE
        following = threading.Thread(target=reader.follow, args=(server,))
        writers = Writers(server, rig, acknowledged)
        following.start()
        writers.start()
        wait_for(lambda target=target: len(reader.seen) >= target, "the reader is shown changes")
        server.kill()
        writers.join()
        following.join()
        server = DevServer(tmp_path, *FLAGS, run_id=run_id, env={})
    head = server.data("GET", f"{feed}?limit=0")["head"]
    following = threading.Thread(target=reader.follow, args=(server,))
    following.start()
    wait_for(lambda: reader.cursor >= head, "the reader is where the feed is")
    assert server.terminate() == 0
    following.join()
    assert reader.seen == told_rows(server.data_dir)
    assert reader.repeated == 0
    assert reader.lives >= KILLS
    created = [entity for _, topic, entity in reader.seen if topic == "bead.created"]
    assert len(created) == len(set(created))
    assert set(acknowledged) <= set(created)
    assert len(reader.seen) > KILLS * EVENTS_PER_LIFE
