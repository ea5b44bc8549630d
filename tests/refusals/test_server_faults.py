"""What is wrong with the server is told by its code and nothing more; the log has the rest."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from boomtown.error_codes import ErrorCode
from support.refusal_checks import check_envelope
from support.refusal_program import SECRET_PATH, SECRET_WORDS
from support.refusal_scene import Scene
from support.refusal_server import RefusalServer, Reply

pytestmark = pytest.mark.system

TELLTALES = ("Traceback", "RuntimeError", ".py", "sqlite", "SELECT")


@pytest.fixture(scope="module")
def server_without_git(
    tmp_path_factory: pytest.TempPathFactory, refusal_mark: str
) -> Iterator[RefusalServer]:
    """One that finds no program at all."""
    folder = tmp_path_factory.mktemp("no-git")
    empty = folder / "bin"
    empty.mkdir()
    with RefusalServer(folder, run_id=refusal_mark, search_path=str(empty)) as server:
        yield server


def check_nothing_shows(reply: Reply, server: RefusalServer) -> None:
    shown = reply.content.decode() + repr(dict(reply.headers))
    for word in (*TELLTALES, SECRET_WORDS, SECRET_PATH, str(server.data_dir)):
        assert word not in shown, word


def logged_of(server: RefusalServer, request_id: str) -> str:
    """What the log says of one request: its line, and the traceback below."""
    _, _, rest = server.log_file.read_text().partition(f"request_failed request_id={request_id}\n")
    return re.split(r"^(?:ERROR|WARNING):", rest, maxsplit=1, flags=re.MULTILINE)[0]


def test_a_bug_shows_nothing_and_is_logged_whole(scene: Scene) -> None:
    server = scene.server
    reply = server.send(scene.ask("POST", "/actors/Trouble/t/rpc/fail", {}))
    check_envelope(reply, ErrorCode.INTERNAL_ERROR)
    assert reply.json["error"] == "Internal error"
    assert reply.json["details"] == {}
    check_nothing_shows(reply, server)
    logged = logged_of(server, reply.json["requestId"])
    assert "Traceback" in logged
    assert SECRET_WORDS in logged
    assert "refusal_program.py" in logged


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE beads RENAME COLUMN title TO heading",
        "DROP TABLE agents",
        """UPDATE town SET config = '{"max_polecats_per_rig": "many"}'""",
    ],
    ids=["column", "table", "value"],
)
def test_a_broken_database_shows_nothing(scene: Scene, statement: str) -> None:
    scene.bead()
    scene.plant(statement)
    replies = [
        scene.server.send(sent)
        for sent in (
            scene.ask("GET", f"{scene.rig_path}/beads"),
            scene.ask("POST", f"{scene.rig_path}/sling", {"title": "t"}),
            scene.ask("GET", f"{scene.town_path}/status"),
        )
    ]
    broken = [reply for reply in replies if reply.status >= 400]
    assert broken
    for reply in broken:
        check_envelope(reply, ErrorCode.INTERNAL_ERROR)
        check_nothing_shows(reply, scene.server)
        assert "Traceback" in logged_of(scene.server, reply.json["requestId"])


def test_an_object_that_was_reset_says_when_to_come_back(scene: Scene) -> None:
    reply = scene.server.send(scene.ask("POST", "/actors/Trouble/t/rpc/reset", {}))
    check_envelope(reply, ErrorCode.OBJECT_RESET)
    check_nothing_shows(reply, scene.server)
    assert scene.make("/actors/Trouble/t/rpc/greet", {"name": "you"}) == "Hello, you"


def test_a_server_without_git_says_so_and_changes_nothing(
    server_without_git: RefusalServer,
) -> None:
    scene = Scene(server_without_git, "https://example.invalid/app.git")
    before = server_without_git.footprint()
    reply = server_without_git.send(scene.ask_spawn(branch="feature/one"))
    check_envelope(reply, ErrorCode.GIT_NOT_FOUND)
    assert before.changes_to(server_without_git.footprint()) == []


def test_a_server_that_ends_is_not_ready(server_without_git: RefusalServer) -> None:
    scene = Scene(server_without_git, "https://example.invalid/app.git")
    readiness = scene.ask_as(None, "GET", "/readyz")
    assert server_without_git.send(readiness).status == 200
    scene.make("/shutdown")
    reply = server_without_git.send(readiness)
    check_envelope(reply, ErrorCode.SHUTTING_DOWN)
