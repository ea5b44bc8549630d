"""A server whose clock stands still, spoken to over its socket, and all that it holds, seen from
outside.

`Footprint` is what a refused request must leave as it was: every row of every database of the data
directory, every file and folder of its repositories and worktrees, every process. Databases are
locked by the server for as long as it lives, so they are copied, with their logs, and the copies
are read. A file that has the bytes of an earlier look has its rows too.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import apsw
import msgspec
import psutil

from boomtown.http.tokens import Tokens
from boomtown.ids import AgentId, InstanceId, RigId, SessionId, TownId
from boomtown.limits import HttpLimits
from boomtown.testing import ManualClock
from support.processes import BOUND_S, RUN_VARIABLE

PROGRAM = Path(__file__).with_name("refusal_program.py")
CONFIG = """[harness.missing]
command = "no-such-agent {prompt}"

[limits.town]
feed_cursors_max = 3
"""
SILENT_FORGE = "http://127.0.0.1:9"  # nobody listens at the port of `discard`
SILENT_FORGE_CONFIG = f'[forges."{SILENT_FORGE}"]\n'
NOW_MS = ManualClock().now_ms()
READS_MAX = 1_000  # of one database, until nobody writes it meanwhile

Rows = dict[str, list[tuple[Any, ...]]]


class Reply(msgspec.Struct, frozen=True):
    """An answer, read whole."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> dict[str, Any]:
        return msgspec.json.decode(self.content, type=dict[str, Any])


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """A request; `raw` is sent as it is, instead of all the rest."""

    method: str
    path: str
    body: Any = None  # sent as JSON, unless `data` is there
    data: bytes | None = None
    credential: str | None = None
    headers: dict[str, str] = {}
    raw: bytes | None = None


class Footprint(msgspec.Struct, frozen=True, kw_only=True):
    """All that is there."""

    rows: dict[str, Rows]  # by the database's path, then by table
    files: tuple[str, ...]  # of repositories, worktrees and containers
    processes: tuple[int, ...]

    def changes_to(self, after: Footprint, *, but_tables: tuple[str, ...] = ()) -> list[str]:
        """What differs, a line each: rows gone and come, files, processes."""
        found: list[str] = []
        for path in sorted({*self.rows, *after.rows}):
            held, left = self.rows.get(path), after.rows.get(path)
            if held is None or left is None:
                found.append(f"{path}: {'made' if held is None else 'gone'}")
                continue
            for table in sorted({*held, *left} - {*but_tables}):
                found += changed_rows(f"{path} {table}", held.get(table, []), left.get(table, []))
        found += changed_rows("file", _ones(self.files), _ones(after.files))
        found += changed_rows("process", _ones(self.processes), _ones(after.processes))
        return found


def _ones(values: Iterable[Any]) -> list[tuple[Any, ...]]:
    return [(value,) for value in values]


def changed_rows(
    where: str, before: list[tuple[Any, ...]], after: list[tuple[Any, ...]]
) -> list[str]:
    gone = [f"{where}: - {row}" for row in before if row not in after]
    return gone + [f"{where}: + {row}" for row in after if row not in before]


class RefusalServer:
    """One server process; the operator's key is an administrator's."""

    def __init__(
        self, folder: Path, *, run_id: str, config: str = CONFIG, search_path: str | None = None
    ) -> None:
        self.folder = folder
        self.data_dir = folder / "data"
        self.log_file = folder / "server.log"
        config_file = folder / "boomtown.toml"
        config_file.write_text(config)
        path = os.environ["PATH"] if search_path is None else search_path
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(PROGRAM), str(self.data_dir), str(config_file)],
                cwd=folder,
                env={**os.environ, RUN_VARIABLE: run_id, "PATH": path},
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the server did not start: {self.log_file.read_text()}"
        ready = msgspec.json.decode(line, type=dict[str, str])
        self.address = urlsplit(ready["url"])
        self.key = Path(ready["key_file"]).read_text().strip()
        signing_key = (self.data_dir / "keys" / "signing").read_text().strip()
        self._tokens = Tokens(signing_key, HttpLimits())
        self._known_rows: dict[str, Rows] = {}  # by the digest of the files

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        assert self._process.wait(timeout=BOUND_S) == 0, self.log_file.read_text()
        assert self._process.stdout is not None
        self._process.stdout.close()

    @property
    def host(self) -> str:
        return self.address.netloc

    def send(self, sent: Sent) -> Reply:
        """One request on a connection of its own."""
        if sent.raw is not None:
            return self._send_raw(sent.raw)
        headers = dict(sent.headers)
        if sent.credential is not None:
            headers["Authorization"] = f"Bearer {sent.credential}"
        data = sent.data
        if data is None and sent.body is not None:
            data = msgspec.json.encode(sent.body)
        connection = http.client.HTTPConnection(self.host, timeout=BOUND_S)
        try:
            connection.request(sent.method, sent.path, body=data, headers=headers)
            return _reply(connection.getresponse())
        finally:
            connection.close()

    def data(self, method: str, path: str, body: Any = None) -> Any:
        """What the operator is answered to a call that succeeds."""
        reply = self.send(Sent(method=method, path=path, body=body, credential=self.key))
        assert 200 <= reply.status < 300, (method, path, reply.content)
        return reply.json["data"] if reply.content else None

    def session_token(self, *, town: str, rig: str, agent: str, session: str) -> str:
        return self._tokens.mint_session_token(
            town_id=TownId(town),
            rig_id=RigId(rig),
            agent_id=AgentId(agent),
            session_id=SessionId(session),
            user_id="local",
            now_ms=NOW_MS,
        )

    def container_token(self, *, town: str, instance: str) -> str:
        return self._tokens.mint_container_token(
            town_id=TownId(town),
            instance_id=InstanceId(instance),
            user_id="local",
            now_ms=NOW_MS,
        )

    def footprint(self) -> Footprint:
        """All that is there now."""
        databases = sorted((self.data_dir / "actors").rglob("*.sqlite"))
        files = (
            str(path.relative_to(self.data_dir))
            for name in ("repos", "worktrees", "containers")
            for path in (self.data_dir / name).rglob("*")
        )
        children = psutil.Process(self._process.pid).children(recursive=True)
        return Footprint(
            rows={str(path.relative_to(self.data_dir)): self._rows(path) for path in databases},
            files=tuple(sorted(files)),
            processes=tuple(sorted(child.pid for child in children)),
        )

    def _rows(self, path: Path) -> Rows:
        database, log = read_still((path, path.with_name(path.name + "-wal")))
        digest = hashlib.blake2b(database + log + str(len(database)).encode()).hexdigest()
        if digest not in self._known_rows:
            self._known_rows[digest] = read_rows(database, log)
        return self._known_rows[digest]

    def _send_raw(self, sent: bytes) -> Reply:
        address = (self.address.hostname, self.address.port)
        with socket.create_connection(address, timeout=BOUND_S) as connection:
            connection.sendall(sent)
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            return _reply(answer)


def read_still(paths: tuple[Path, Path]) -> tuple[bytes, bytes]:
    """Both files as they were at one instant: the server may be moving its log into the database,
    which changes no row."""
    for _ in range(READS_MAX):
        before = [_stamp(path) for path in paths]
        first, second = (path.read_bytes() if path.exists() else b"" for path in paths)
        if [_stamp(path) for path in paths] == before:
            return first, second
    raise AssertionError(f"{paths[0]} does not come to rest")


def _stamp(path: Path) -> tuple[int, int]:
    if not path.exists():
        return 0, 0
    found = path.stat()
    return found.st_mtime_ns, found.st_size


def read_rows(database: bytes, log: bytes) -> Rows:
    """Every row of every table of a database, whose newest pages are in its log."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.sqlite"
        copy.write_bytes(database)
        copy.with_name(copy.name + "-wal").write_bytes(log)
        connection: Any = apsw.Connection(str(copy))  # its type stubs do not say what rows hold
        try:
            tables: list[tuple[str]] = connection.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name"
            ).fetchall()
            found: Rows = {}
            for (name,) in tables:
                rows: list[tuple[Any, ...]] = connection.execute(
                    f'SELECT * FROM "{name}"'
                ).fetchall()
                found[name] = sorted(rows, key=repr)
            return found
        finally:
            connection.close()


def _reply(answer: http.client.HTTPResponse) -> Reply:
    content = answer.read()
    return Reply(answer.status, dict(answer.getheaders()), content)
