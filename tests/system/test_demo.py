"""The demonstration, as a newcomer runs it: real server, agents, git."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from support.processes import boomtown
from support.shell_repository import git

pytestmark = pytest.mark.system

ROOT = Path(__file__).resolve().parents[2]


def all_checks_pass(origin: Path, folder: Path) -> bool:
    """Judged from a clone of our own."""
    git(folder, "clone", "--quiet", str(origin), "judge")
    done = subprocess.run(
        ["sh", "check.sh"], cwd=folder / "judge", capture_output=True, check=False
    )
    return done.returncode == 0


@pytest.mark.parametrize("merge_mode", ["review-then-land", "review-and-merge"])
def test_a_convoy_reaches_the_default_branch(tmp_path: Path, run_id: str, merge_mode: str) -> None:
    done = boomtown(
        *("demo", "--json", "--folder", "demo", "--merge-mode", merge_mode),
        cwd=tmp_path,
        env={"BOOMTOWN_TEST_RUN": run_id},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [msgspec.json.decode(line) for line in done.stdout.splitlines()]
    changes = [line for line in lines if line["event"] == "status_changed"]
    issues = [line for line in changes if line["type"] == "issue"]
    for title in ("Greet a person", "Count words", "Report both"):
        seen = [line["after"] for line in issues if line["title"] == title]
        assert seen == ["in_progress", "in_review", "closed"], title
    assert all(line["pid"] for line in issues)
    order = [(line["title"], line["after"]) for line in issues]
    started_last = order.index(("Report both", "in_progress"))
    assert order.index(("Greet a person", "closed")) < started_last
    assert order.index(("Count words", "closed")) < started_last
    (end,) = [line for line in lines if line["event"] == "convoy_landed"]
    assert (end["beads"], end["checks_passed"]) == (3, True)

    origin = tmp_path / "demo" / "origin.git"
    assert int(git(origin, "rev-list", "--merges", "--count", "main")) >= 3
    assert all_checks_pass(origin, tmp_path)


def test_plain_lines_end_as_decided(tmp_path: Path, run_id: str) -> None:
    done = boomtown("demo", cwd=tmp_path, env={"BOOMTOWN_TEST_RUN": run_id})
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    (end,) = [index for index, line in enumerate(lines) if "landed" in line]
    assert lines[end].startswith("convoy landed: 3 beads, ")
    assert [line.split("  ")[0] for line in lines[end + 1 :]] == [
        "Greet a person",
        "Count words",
        "Report both",
    ]
    assert any("in_progress" in line and "pid " in line for line in lines)


def test_a_review_that_asks_for_changes_is_taken_after_the_rework(
    tmp_path: Path, run_id: str
) -> None:
    done = boomtown(
        *("demo", "--json", "--folder", "demo", "--rework"),
        cwd=tmp_path,
        env={"BOOMTOWN_TEST_RUN": run_id},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    origin = tmp_path / "demo" / "origin.git"
    subjects = git(origin, "log", "--topo-order", "--reverse", "--format=%s", "main").splitlines()
    rework = subjects.index("Say what the program prints")
    assert subjects.index("Greet a person by name") < rework
    (commit,) = git(origin, "log", "--format=%H", "--grep=Say what the program", "main").split()
    brought_by = ("log", "--ancestry-path", "--merges", "--format=%H", f"{commit}..main")
    assert git(origin, *brought_by), "a merge brings the rework's commit"


def test_any_program_can_be_the_worker(tmp_path: Path, run_id: str) -> None:
    script = ROOT / "examples" / "agent.sh"
    done = boomtown(
        *("demo", "--json", "--folder", "demo", "--agent-cmd", f"sh {script} {{prompt_file}}"),
        cwd=tmp_path,
        env={"BOOMTOWN_TEST_RUN": run_id},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert all_checks_pass(tmp_path / "demo" / "origin.git", tmp_path)


def test_an_agent_command_that_does_not_exist_is_one_line_and_makes_nothing(
    tmp_path: Path, run_id: str
) -> None:
    done = boomtown(
        *("demo", "--folder", "demo", "--agent-cmd", "no-such-agent {prompt}"),
        cwd=tmp_path,
        env={"BOOMTOWN_TEST_RUN": run_id},
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "The program 'no-such-agent' does not exist (AGENT_COMMAND_NOT_FOUND)"
    ]
    assert list(tmp_path.iterdir()) == []


def test_a_missing_git_program_is_one_line(tmp_path: Path, run_id: str) -> None:
    empty = tmp_path / "bin"
    empty.mkdir()
    (empty / "python").symlink_to(sys.executable)
    done = boomtown("demo", cwd=tmp_path, env={"BOOMTOWN_TEST_RUN": run_id, "PATH": str(empty)})
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["The git program is not installed (GIT_NOT_FOUND)"]


def test_what_takes_too_long_says_so(tmp_path: Path, run_id: str) -> None:
    script = tmp_path / "hang.sh"
    script.write_text("while :; do read -r line < /dev/null || command -p sleep 1; done\n")
    done = boomtown(
        *("demo", "--timeout", "5", "--agent-cmd", f"sh {script}"),
        cwd=tmp_path,
        env={"BOOMTOWN_TEST_RUN": run_id},
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("convoy did not land: not within 5 s")
    assert "landed" not in done.stdout + done.stderr


def test_help_prints_the_table_of_exit_codes(tmp_path: Path) -> None:
    for command in ((), ("dev",), ("demo",), ("status",), ("doctor",), ("chaos",)):
        done = boomtown(*command, "--help", cwd=tmp_path, env=dict(os.environ))
        assert done.returncode == 0
        assert "3 no server" in " ".join(done.stdout.split())
