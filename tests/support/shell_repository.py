"""A small bare repository for tests: one commit on `main`, and a check that anything passes."""

from __future__ import annotations

import subprocess
from pathlib import Path

AUTHOR = ("-c", "user.name=test", "-c", "user.email=test@boomtown.invalid")


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder; its output."""
    done = subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def make_repository(folder: Path) -> Path:
    """The bare repository, made below `folder`."""
    origin, clone = folder / "origin.git", folder / "seed"
    git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(origin))
    git(folder, "clone", "--quiet", str(origin), str(clone))
    (clone / "README.md").write_text("# A repository\n")
    git(clone, "checkout", "--quiet", "-B", "main")
    git(clone, "add", "--all")
    git(clone, *AUTHOR, "commit", "--quiet", "--message", "Begin")
    git(clone, "push", "--quiet", "origin", "main")
    return origin
