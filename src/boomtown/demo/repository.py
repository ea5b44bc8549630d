"""The demo's git repository: a bare origin, and a clone whose shell checks fail.

`check.sh` runs every script of `checks/`; with `--present` it passes over those whose subject does
not exist yet, which makes it a gate that holds at every merge on the way. Nothing but sh, git and
POSIX tools is needed.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import anyio
import msgspec

from boomtown.error_codes import ErrorCode
from boomtown.errors import Unavailable

BRANCH = "main"
AUTHOR = ("-c", "user.name=boomtown demo", "-c", "user.email=demo@boomtown.invalid")

CHECK_ALL = """#!/bin/sh
# Run every check. With --present, only those whose subject exists.
failed=0
for check in checks/*.sh; do
    subject="src/$(basename "$check")"
    if [ "$1" = "--present" ] && [ ! -e "$subject" ]; then
        continue
    fi
    if sh "$check"; then
        echo "ok      $check"
    else
        echo "FAILED  $check"
        failed=1
    fi
done
exit $failed
"""

CHECKS = {
    "greet": '[ "$(sh src/greet.sh Ada)" = "Hello, Ada!" ]\n',
    "count": '[ "$(printf "one two three" | sh src/count.sh)" = "3" ]\n',
    "report": '[ "$(printf "one two" | sh src/report.sh Ada)" = "Hello, Ada! 2 words." ]\n',
}

README = """# Word desk

Three small shell programs, and their checks: `sh check.sh`.
"""


class DemoRepository(msgspec.Struct, frozen=True):
    """Where the two are."""

    origin: Path  # bare
    clone: Path  # a person's working copy


async def make_demo_repository(folder: Path) -> DemoRepository:
    """Make both below `folder`, with one commit on `main`. Raises Unavailable(GIT_NOT_FOUND)."""
    repository = DemoRepository(folder / "origin.git", folder / "clone")
    await _git(folder, "init", "--quiet", "--bare", f"--initial-branch={BRANCH}", "origin.git")
    await _git(folder, "clone", "--quiet", str(repository.origin), "clone")
    (repository.clone / "checks").mkdir()
    (repository.clone / "README.md").write_text(README)
    (repository.clone / "check.sh").write_text(CHECK_ALL)
    for name, text in CHECKS.items():
        (repository.clone / "checks" / f"{name}.sh").write_text(text)
    await _git(repository.clone, "checkout", "--quiet", "-B", BRANCH)
    await _git(repository.clone, "add", "--all")
    await _git(repository.clone, *AUTHOR, "commit", "--quiet", "--message", "Say what must hold")
    await _git(repository.clone, "push", "--quiet", "origin", BRANCH)
    return repository


async def run_checks(repository: DemoRepository) -> tuple[bool, list[str]]:
    """Bring the clone to origin's default branch and run every check: all passed, and a line
    each."""
    await _git(repository.clone, "pull", "--quiet", "--ff-only", "origin", BRANCH)
    done = await anyio.run_process(["sh", "check.sh"], cwd=repository.clone, check=False)
    return done.returncode == 0, done.stdout.decode().splitlines()


async def count_merges(repository: DemoRepository) -> int:
    """Merge commits on origin's default branch."""
    counted = await _git(repository.origin, "rev-list", "--merges", "--count", BRANCH)
    return int(counted)


async def _git(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1"}
    try:
        done = await anyio.run_process(
            ["git", *arguments], cwd=folder, env=environment, stderr=subprocess.STDOUT, check=False
        )
    except FileNotFoundError as error:
        raise Unavailable(ErrorCode.GIT_NOT_FOUND) from error
    output = done.stdout.decode().strip()
    if done.returncode != 0:
        raise Unavailable(ErrorCode.GIT_UNREACHABLE, f"git {arguments[0]}: {output[-200:]}")
    return output
