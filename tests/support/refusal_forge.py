"""A forge for the refusals: `boomtown forge serve`, acme/app, an open request and a draft."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

import msgspec
from click.testing import CliRunner

from boomtown.cli import main
from support.git_origin import GitOrigin
from support.processes import BOUND_S, RUN_VARIABLE

REPO = "acme/app"
OPEN, DRAFT = 1, 2  # pull requests


class RefusalForge:
    """Its repository is also the origin of rigs that know no forge."""

    def __init__(self, folder: Path, *, run_id: str) -> None:
        self._root = folder / "forge"
        self.origin = GitOrigin(folder)
        place = self._root / "repos" / f"{REPO}.git"
        place.parent.mkdir(parents=True)
        place.symlink_to(self.origin.path)
        for branch in ("work", "draft"):
            self.origin.push_file(f"{branch}.md", branch, branch=branch)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "boomtown", "forge", "serve", "--json", "--root", "forge"],
            cwd=folder,
            env={**os.environ, RUN_VARIABLE: run_id},
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        ready = msgspec.json.decode(self._process.stdout.readline(), type=dict[str, Any])
        self.url = str(ready["url"])
        self._token_file = folder / str(ready["token_file"])
        assert self._open("work") == OPEN
        assert self._open("draft", "--draft") == DRAFT

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        assert self._process.wait(timeout=BOUND_S) == 0
        assert self._process.stdout is not None
        self._process.stdout.close()

    @property
    def settings(self) -> str:
        """What a server's configuration says of it."""
        return f'[forges."{self.url}"]\ntoken_file = "{self._token_file}"\n'

    @property
    def git_url(self) -> str:
        return f"{self.url}/{REPO}.git"

    def _open(self, branch: str, *flags: str) -> int:
        words = ("forge", "pr", "open", REPO, "--head", branch, "--title", branch, *flags)
        place = ("--root", str(self._root), "--json")
        done = CliRunner().invoke(main, (*words, *place))
        assert done.exit_code == 0, done.output
        return int(msgspec.json.decode(done.stdout, type=dict[str, Any])["number"])
