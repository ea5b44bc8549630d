"""What commands print, to whom, and the exit codes 0, 1, 2 and 3 (decisions 57)."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest
from click.testing import CliRunner, Result

from boomtown.cli import PLACES, main
from boomtown.cli.terminal import Terminal
from boomtown.client import ServerRefused, ServerUnreachable
from boomtown.error_codes import ErrorCode
from boomtown.errors import Conflict

TOWN = {"id": "t-1", "name": "home"}
ANSWERS: dict[str, Any] = {
    "/api/users/local/towns": [TOWN],
    "/api/towns/t-1/status": {
        "agents": {"working": 1, "total": 3},
        "beads": {"open": 4, "inProgress": 1, "inReview": 2, "failed": 0},
        "paused": True,
    },
    "/api/mayor/t-1/tools/convoys": [{"status": "active"}, {"status": "landed"}],
}
REFUSAL = {"success": False, "error": "Authentication required", "code": "UNAUTHENTICATED"}


class Answering(BaseHTTPRequestHandler):
    """Answers from the table, to whoever shows the key."""

    def do_GET(self) -> None:
        is_known = self.headers["Authorization"] == "Bearer sesame"
        said = {"success": True, "data": ANSWERS[self.path]} if is_known else REFUSAL
        body = msgspec.json.encode(said)
        self.send_response(200 if is_known else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class names it
        """Nothing on standard error."""


@pytest.fixture
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture
def silent_url() -> str:
    """Where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return f"http://127.0.0.1:{port}"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def run_with(work: Callable[[Terminal], None], *flags: str) -> Result:
    """`work` as a command of its own."""

    @click.command()
    @click.option("--json", "as_json", is_flag=True)
    def command(*, as_json: bool) -> None:
        terminal = Terminal(as_json=as_json)
        with terminal.reporting_errors():
            work(terminal)

    return CliRunner().invoke(command, flags)


def lines_of(text: str) -> list[Any]:
    return [msgspec.json.decode(line) for line in text.splitlines()]


def say_both(terminal: Terminal) -> None:
    terminal.fact("[bold]three[/bold] beads: \\[1]", event="beads", count=3, names=["é"])
    terminal.table(("bead", "status"), [("Greet", "closed"), ("Count", None)])


def test_plain_output_has_no_markup_and_no_frame() -> None:
    done = run_with(say_both)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["three beads: [1]", "Greet  closed", "Count  None"]


def test_json_output_is_one_object_per_line_and_no_table() -> None:
    done = run_with(say_both, "--json")
    assert lines_of(done.stdout) == [{"event": "beads", "count": 3, "names": ["é"]}]


def test_a_long_line_is_not_folded() -> None:
    done = run_with(lambda terminal: terminal.fact("x" * 300, event="long"))
    assert done.stdout == "x" * 300 + "\n"


@pytest.mark.parametrize(
    ("error", "exit_code", "code", "said"),
    [
        (ServerUnreachable("no answer"), 3, "SERVER_UNREACHABLE", "no answer"),
        (
            ServerRefused(code="RIG_BUSY", status=409, message="Busy", request_id=None, details={}),
            1,
            "RIG_BUSY",
            "Busy (RIG_BUSY)",
        ),
        (Conflict(ErrorCode.TOWN_BUSY, "Busy"), 1, "TOWN_BUSY", "Busy (TOWN_BUSY)"),
    ],
    ids=["unreachable", "refused", "ours"],
)
def test_an_error_is_one_line_on_standard_error(
    error: Exception, exit_code: int, code: str, said: str
) -> None:
    def fail(terminal: Terminal) -> None:
        raise error

    plain = run_with(fail)
    assert (plain.exit_code, plain.stdout, plain.stderr) == (exit_code, "", said + "\n")
    as_json = run_with(fail, "--json")
    assert (as_json.exit_code, as_json.stdout) == (exit_code, "")
    (line,) = lines_of(as_json.stderr)
    assert {**line, "event": "error", "code": code, "message": said} == line


def test_status_shows_each_town(url: str) -> None:
    done = run("status", "--url", url, "--key", "sesame")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"{url}   1 town",
        "home  1 working of 3  4 open, 1 in progress, 2 in review, 0 failed  1 active of 2  yes",
    ]


def test_status_as_json_holds_the_answers_whole(url: str) -> None:
    done = run("status", "--json", "--url", url, "--key", "sesame")
    assert lines_of(done.stdout) == [
        {"event": "server", "url": url, "towns": 1},
        {
            "event": "town",
            "town": TOWN,
            "status": ANSWERS["/api/towns/t-1/status"],
            "convoys": ANSWERS["/api/mayor/t-1/tools/convoys"],
        },
    ]


def test_a_refusal_exits_with_1(url: str) -> None:
    done = run("status", "--url", url, "--key", "wrong")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "Authentication required (UNAUTHENTICATED)\n"


def test_no_server_exits_with_3(silent_url: str, tmp_path: Path) -> None:
    for where in (("--url", silent_url), ("--data-dir", str(tmp_path / "nowhere"))):
        done = run("status", *where)
        assert (done.exit_code, done.stdout) == (3, "")
        assert len(done.stderr.splitlines()) == 1
        assert where[1] in done.stderr


def test_bad_flags_exit_with_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "boomtown.toml").write_text("[server]\nprot = 1\n")
    for arguments in (
        ("nonsense",),
        ("status", "--nonsense"),
        ("demo", "--timeout", "0"),
        ("demo", "--merge-mode", "never"),
        ("dev", "--config", "absent.toml"),
        ("dev", "--port", "many"),
        ("dev",),  # for the file's unknown key
    ):
        assert run(*arguments).exit_code == 2, arguments


def test_a_data_directory_that_cannot_be_exits_with_1(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("dev", "--json", "--port", "0", "--data-dir", str(tmp_path / "file"))
    assert (done.exit_code, done.stdout) == (1, "")
    (said,) = lines_of(done.stderr)
    assert said["code"] == "DATA_DIRECTORY_UNUSABLE"


@pytest.mark.parametrize("command", [(), ("dev",), ("demo",), ("status",)])
def test_every_help_has_the_table_of_exit_codes(command: tuple[str, ...]) -> None:
    done = run(*command, "--help")
    assert done.exit_code == 0
    said = " ".join(done.stdout.split())
    assert "Exit codes: 0 ok, 1 refused or failed, 2 usage, 3 no server reached." in said


@pytest.mark.parametrize("name", list(PLACES))
def test_a_command_is_where_the_table_says_and_what_it_says(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert command.name == name
    assert command.get_short_help_str(limit=200) == PLACES[name].summary


def test_a_command_imports_nothing_of_the_others() -> None:
    program = """
import sys
from click.testing import CliRunner
from boomtown.cli import PLACES, main
assert CliRunner().invoke(main, ["--help"]).exit_code == 0
print([each for each in sys.modules if each.startswith("boomtown.") and each.count(".") > 1])
assert CliRunner().invoke(main, ["serve", "--help"]).exit_code == 0
print([each for each in ("boomtown.sim", "boomtown.demo") if each in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["['boomtown.cli.command_group']", "[]"]
