"""What a refusal is at the command line: message, code and request id, one line, exit code 1; the
whole envelope for programs; and never a question (decisions 57, roster.md 4.6)."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

import boomtown.cli
from boomtown.cli import main
from boomtown.error_codes import REGISTRY, ErrorCode
from support.refusal_scene import ABSENT, Scene

pytestmark = pytest.mark.system

Words = tuple[str, ...]
QUESTIONS = ("prompt", "confirm", "pause", "getchar", "getpass", "input")


def dismiss_the_mayor(scene: Scene) -> Words:
    scene.hire("mayor")
    return ("offboard", "Mayor")


def dismiss_a_boss(scene: Scene) -> Words:
    ann = scene.hire("architect", "ann")
    scene.hire("polecat", boss=ann)
    return ("offboard", "ann")


def hire_by_a_template_that_is_none(scene: Scene) -> Words:
    return ("hire", "--template", "wizard")


def watch_what_is_no_repository(scene: Scene) -> Words:
    scene.hire("reviewer", "rex")
    return ("watch", "add", "rex", "not a repo")


def spawn_with_a_harness_that_is_none(scene: Scene) -> Words:
    return ("spawn", "--rig", "app", "--harness", "nobody")


def kill_a_session_that_never_was(scene: Scene) -> Words:
    return ("agent", "kill", ABSENT)


REFUSED: dict[Callable[[Scene], Words], ErrorCode] = {
    dismiss_the_mayor: ErrorCode.MAYOR_NOT_REMOVABLE,
    dismiss_a_boss: ErrorCode.AGENT_HAS_WORKERS,
    hire_by_a_template_that_is_none: ErrorCode.UNKNOWN_TEMPLATE,
    watch_what_is_no_repository: ErrorCode.INVALID_REPO,
    spawn_with_a_harness_that_is_none: ErrorCode.UNKNOWN_HARNESS,
    kill_a_session_that_never_was: ErrorCode.SESSION_NOT_FOUND,
}


def place_of(scene: Scene) -> Words:
    server = scene.server
    return ("--url", f"http://{server.host}", "--key", server.key, "--town", scene.town)


def run(*words: str) -> Result:
    return CliRunner().invoke(main, words)


def error_of(done: Result) -> dict[str, Any]:
    """The one line on standard error; nothing is on standard output."""
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return msgspec.json.decode(line, type=dict[str, Any])


@pytest.mark.parametrize(
    ("prepare", "code"), REFUSED.items(), ids=[prepare.__name__ for prepare in REFUSED]
)
def test_stmt_C08_a_refused_command_says_what_the_server_said(
    scene: Scene, prepare: Callable[[Scene], Words], code: ErrorCode
) -> None:
    words = (*prepare(scene), *place_of(scene))
    before = scene.server.footprint()
    plain = run(*words)
    assert (plain.exit_code, plain.stdout) == (1, "")
    assert f"({code}" in plain.stderr
    assert "request 0" in plain.stderr
    as_json = run(*words, "--json")
    assert as_json.exit_code == 1
    said = error_of(as_json)
    assert said["code"] == code
    assert said["kind"] == REGISTRY[code].kind
    assert said["success"] is False
    assert said["error"]
    assert said["error"] in plain.stderr
    assert isinstance(said["details"], dict)
    assert said["requestId"]
    assert before.changes_to(scene.server.footprint()) == []


def test_findings_of_a_preflight_are_told_and_exit_with_1(scene: Scene) -> None:
    words = ("preflight", "--rig", "app", "--harness", "nobody", "--boss", "nobody")
    done = run(*words, *place_of(scene), "--json")
    assert done.exit_code == 1
    for code in (ErrorCode.UNKNOWN_HARNESS, ErrorCode.NO_COORDINATOR):
        assert f'"{code}"' in done.stdout


def test_no_server_is_3_and_wrong_words_are_2(scene: Scene, tmp_path: Path) -> None:
    unreachable = run("roster", "--data-dir", str(tmp_path / "nowhere"), "--json")
    assert unreachable.exit_code == 3
    assert error_of(unreachable)["code"] == "SERVER_UNREACHABLE"
    assert run("roster", "--nonsense").exit_code == 2
    both = run("offboard", "ann", "--force", "--reassign-to", "bob", *place_of(scene))
    assert both.exit_code == 2


def test_a_program_that_does_not_exist_is_told_before_anything_is_made(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    done = run("demo", "--json", "--folder", str(folder), "--agent-cmd", "no-such-program {prompt}")
    assert done.exit_code == 1
    assert error_of(done)["code"] == ErrorCode.AGENT_COMMAND_NOT_FOUND
    assert not folder.exists()


def test_a_harness_that_cannot_be_split_ends_the_start(tmp_path: Path) -> None:
    config = tmp_path / "boomtown.toml"
    config.write_text('[harness.broken]\ncommand = "agent \'half"\n')
    place = ("--data-dir", str(tmp_path / "data"), "--config", str(config))
    done = run("dev", "--json", "--port", "0", *place)
    assert done.exit_code == 1
    assert error_of(done)["code"] == ErrorCode.AGENT_COMMAND_NOT_FOUND


def test_a_server_that_does_not_start_is_told_by_the_demo(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / "data").write_text("in the way")
    done = run("demo", "--json", "--folder", str(folder))
    assert done.exit_code == 1
    said = msgspec.json.decode(done.stderr.splitlines()[-1], type=dict[str, Any])
    assert said["code"] == ErrorCode.STARTING_UP
    assert "DATA_DIRECTORY_UNUSABLE" in said["message"]


def test_stmt_B12_a_command_whose_input_never_ends_asks_nothing(scene: Scene) -> None:
    words = (*dismiss_a_boss(scene), *place_of(scene))
    with subprocess.Popen(
        [sys.executable, "-m", "boomtown", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as asked:
        assert asked.stdout is not None
        assert asked.stderr is not None
        assert asked.stdout.read() == b""
        assert ErrorCode.AGENT_HAS_WORKERS.encode() in asked.stderr.read()
        assert asked.wait() == 1


def test_stmt_B12_no_command_has_a_question_in_it() -> None:
    (folder,) = boomtown.cli.__path__
    asked = [
        f"{path.name}:{node.lineno}"
        for path in sorted(Path(folder).glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and called(node) in QUESTIONS
    ]
    assert asked == []


def called(node: ast.Call) -> str:
    """The last word of what is called."""
    match node.func:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
        case _:
            return ""
