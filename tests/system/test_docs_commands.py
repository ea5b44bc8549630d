"""Every command that the documents show is run (decisions 69), a page at a time, in its order.

Each line of a console block stands in COMMANDS, which says how it is run: a step of `.ci/run` is
looked up there, since it makes the environment that this test runs in or is this very suite; the
others are run here, in a folder of their own that lasts for the page. A line that stands in no
table fails, and so does a row that no page has. Python blocks are run as programs; one that begins
with its file's name is written to the folder instead, and those named test_*.py are run by pytest.
"""

from __future__ import annotations

import enum
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest

from boomtown.data_directory import LockHolder, find_running_server
from support.processes import BOUND_S, RUN_VARIABLE, wait_for

pytestmark = pytest.mark.system

ROOT = Path(__file__).resolve().parents[2]
COMMAND_S_MAX = 240


class Way(enum.Enum):
    STEP = "a step of .ci/run"
    RUN = "run to its end, which is a success"
    SERVE = "run beside the rest of the page, and ended by SIGTERM"
    FORGE = "the same, for a forge"
    CLASSES = "the same, for classes of the page's own"


COMMANDS = {
    "make venv": Way.STEP,
    "make test": Way.STEP,
    "make check": Way.STEP,
    "make demo": Way.STEP,
    ".venv/bin/boomtown demo --merge-mode review-and-merge --rework": Way.RUN,
    ".venv/bin/boomtown demo --json": Way.RUN,
    ".venv/bin/boomtown demo --kill-container 1 --kill-server 1": Way.RUN,
    '.venv/bin/boomtown demo --agent-cmd "sh $PWD/examples/agent.sh {prompt_file}"': Way.RUN,
    "make run": Way.SERVE,
    ".venv/bin/boomtown status": Way.RUN,
    ".venv/bin/boomtown chaos restart-containers": Way.RUN,
    ".venv/bin/boomtown doctor": Way.RUN,
    ".venv/bin/boomtown sim --seeds 3 --hours 0.1": Way.RUN,
    ".venv/bin/boomtown sim scenarios": Way.RUN,
    ".venv/bin/python examples/counter.py": Way.RUN,
    ".venv/bin/boomtown serve counter:Counter --no-auth": Way.CLASSES,
    ".venv/bin/python call.py http://127.0.0.1:8787": Way.RUN,
    ".venv/bin/boomtown ls": Way.RUN,
    ".venv/bin/boomtown inspect Counter/visits": Way.RUN,
    ".venv/bin/python visit.py": Way.RUN,
    "git init --quiet --bare --initial-branch=main forge/repos/acme/widgets.git": Way.RUN,
    "git clone --quiet forge/repos/acme/widgets.git desk": Way.RUN,
    "git -C desk -c user.name=Ann -c user.email=ann@localhost"
    " commit --quiet --allow-empty -m Begin": Way.RUN,
    "git -C desk push --quiet origin HEAD:refs/heads/main": Way.RUN,
    "echo widget > desk/widget.txt && git -C desk add widget.txt": Way.RUN,
    "git -C desk -c user.name=Ann -c user.email=ann@localhost"
    ' commit --quiet -m "Add a widget"': Way.RUN,
    "git -C desk push --quiet origin HEAD:refs/heads/work": Way.RUN,
    ".venv/bin/boomtown forge serve": Way.FORGE,
    '.venv/bin/boomtown forge pr open acme/widgets --head work --title "Add a widget"': Way.RUN,
    ".venv/bin/boomtown forge pr list acme/widgets": Way.RUN,
    ".venv/bin/boomtown forge check set acme/widgets 1 test failed"
    ' --log "widget.txt: too short"': Way.RUN,
    ".venv/bin/boomtown forge thread add acme/widgets 1"
    ' --path widget.txt --line 1 --body "Which?"': Way.RUN,
    ".venv/bin/boomtown forge thread resolve acme/widgets 1 PRRT_2": Way.RUN,
    ".venv/bin/boomtown forge review list acme/widgets 1": Way.RUN,
    ".venv/bin/boomtown forge pr merge acme/widgets 1": Way.RUN,
    ".venv/bin/boomtown forge pr list acme/widgets --state closed": Way.RUN,
    'git clone --quiet "http://ann:$(cat forge/keys/token)@$(cut -d/ -f3 forge/address)'
    '/acme/widgets.git" again': Way.RUN,
}
# Pages whose blocks are run by a test of their own.
RUN_BY = {"docs/testing.md": "tests/boomtown/testing/test_pytest_plugin.py"}

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"\s+#.*$")
_NUMBER = re.compile(r"\d+")
_FILE = re.compile(r"# (\w+\.py)$")
SHOWN_ADDRESS = "127.0.0.1:8787"  # a page's; the server of a walk takes a free port


class Line(msgspec.Struct, frozen=True):
    """A command, and what the page says it prints."""

    command: str
    output: tuple[str, ...]


def pages() -> list[str]:
    paths = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]
    return [str(path.relative_to(ROOT)) for path in paths]


def blocks_of(text: str) -> list[tuple[str, str]]:
    """(kind, content) of each fenced block that may be run, in order."""
    return [block for block in _BLOCK.findall(text) if block[0] in ("console", "python")]


def lines_of(block: str) -> list[Line]:
    found: list[Line] = []
    for text in block.splitlines():
        if text.startswith("$ "):
            found.append(Line(_COMMENT.sub("", text[2:]), ()))
        else:
            assert found, f"{text!r} is printed by no command"
            found[-1] = Line(found[-1].command, (*found[-1].output, text))
    return found


def way_of(command: str, commands: Mapping[str, Way]) -> Way:
    assert command in commands, f"{command!r} is in no table of {Path(__file__).name}"
    return commands[command]


def shell_line(command: str) -> str:
    """The same with this Python, and with the checkout's files where the folder is another."""
    prefixes = {
        ".venv/bin/boomtown": f"'{sys.executable}' -m boomtown",
        ".venv/bin/python": f"'{sys.executable}'",
    }
    for shown, real in prefixes.items():
        if command.startswith(f"{shown} "):
            command = real + command.removeprefix(shown)
    return command.replace("$PWD", str(ROOT)).replace(" examples/", f" {ROOT}/examples/")


def recipe_of(target: str) -> str:
    """What `make TARGET` runs last: what comes before it makes the environment."""
    said = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", target],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return said.stdout.splitlines()[-1]


class Walk:
    """One page, read aloud in one folder."""

    def __init__(self, folder: Path, run_id: str, commands: Mapping[str, Way]) -> None:
        self._folder = folder
        self._commands = commands
        self._environment = {**os.environ, RUN_VARIABLE: run_id, "BOOMTOWN_PORT": "0"}
        self._server: subprocess.Popen[bytes] | None = None

    def run(self, line: Line) -> None:
        match way_of(line.command, self._commands):
            case Way.STEP:
                assert line.command in (ROOT / ".ci" / "run").read_text().splitlines()
            case Way.SERVE:
                self._serve(recipe_of(line.command.removeprefix("make ")), self._listens)
            case Way.FORGE:
                self._serve(line.command, (self._folder / "forge" / "address").exists)
            case Way.CLASSES:
                self._serve(line.command, self._listens)
            case Way.RUN:
                command = shell_line(line.command).replace(SHOWN_ADDRESS, self._address())
                done = self._run("sh", "-c", command)
                said = [_NUMBER.sub("#", text.strip()) for text in done.splitlines()]
                for text in line.output:
                    assert _NUMBER.sub("#", text.strip()) in said, f"{line.command}: {text}"

    def run_python(self, block: str) -> None:
        first, _, rest = block.partition("\n")
        if named := _FILE.match(first):
            (self._folder / named[1]).write_text(rest)
        else:
            self._run(sys.executable, "-c", block)

    def run_tests(self) -> None:
        tests = sorted(file.name for file in self._folder.glob("test_*.py"))
        if tests:
            settings = (
                "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
            )
            (self._folder / "pytest.ini").write_text(settings)
            self._run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests)

    def end(self) -> None:
        if self._server is not None:
            self._server.terminate()
            assert self._server.wait(timeout=BOUND_S) == 0

    def _serve(self, command: str, listens: Callable[[], bool]) -> None:
        assert self._server is None, "one server for each page"
        # `exec`, so that the signal reaches the server and not a shell before it.
        self._server = subprocess.Popen(
            ["sh", "-c", f"exec {shell_line(command)}"],
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.DEVNULL,
        )
        wait_for(listens, "the server listens")

    def _listens(self) -> bool:
        assert self._server is not None
        assert self._server.poll() is None, "the server ended"
        return self._address() != SHOWN_ADDRESS

    def _address(self) -> str:
        holder: LockHolder | None = find_running_server(self._folder / ".boomtown")
        if holder is None or holder.address is None:
            return SHOWN_ADDRESS
        return urlsplit(holder.address).netloc

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            arguments,
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_S_MAX,
            check=False,
        )
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout


@pytest.mark.parametrize("page", pages())
def test_every_command_of_a_page_does_what_the_page_says(
    tmp_path: Path, run_id: str, page: str
) -> None:
    if page in RUN_BY:
        assert f'"{Path(page).name}"' in (ROOT / RUN_BY[page]).read_text()
        return
    walk = Walk(tmp_path, run_id, COMMANDS)
    try:
        for kind, block in blocks_of((ROOT / page).read_text()):
            if kind == "python":
                walk.run_python(block)
            else:
                for line in lines_of(block):
                    walk.run(line)
        walk.run_tests()
    finally:
        walk.end()


def test_every_row_of_the_table_is_on_a_page() -> None:
    shown = {
        line.command
        for page in pages()
        if page not in RUN_BY
        for kind, block in blocks_of((ROOT / page).read_text())
        if kind == "console"
        for line in lines_of(block)
    }
    assert [command for command in COMMANDS if command not in shown] == []


def test_a_line_that_is_in_no_table_fails() -> None:
    text = "words\n```console\n$ make demo  # the best\n$ rm -rf x\nremoved\n```\n```sh\nno\n```\n"
    ((kind, block),) = blocks_of(text)
    known, unknown = lines_of(block)
    assert (kind, known, unknown.output) == ("console", Line("make demo", ()), ("removed",))
    assert way_of(known.command, COMMANDS) is Way.STEP
    with pytest.raises(AssertionError, match="'rm -rf x' is in no table"):
        way_of(unknown.command, COMMANDS)


def test_a_shown_output_that_does_not_come_fails(tmp_path: Path, run_id: str) -> None:
    command = ".venv/bin/python -c 'print(\"took 12 ms\")'"
    walk = Walk(tmp_path, run_id, {command: Way.RUN})
    walk.run(Line(command, ("took 7 ms",)))
    with pytest.raises(AssertionError, match="took 7 hours"):
        walk.run(Line(command, ("took 7 hours",)))
