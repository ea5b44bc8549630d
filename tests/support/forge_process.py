"""`boomtown forge serve` as a process, and commands beside it, for system tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

from support.processes import BOUND_S, RUN_VARIABLE, boomtown


class ForgeProcess:
    """`boomtown forge serve` on a folder, and the commands beside it."""

    def __init__(self, folder: Path, run_id: str) -> None:
        self.folder = folder
        self.root = folder / "forge"
        self._environment = {RUN_VARIABLE: run_id}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "boomtown", "forge", "serve", "--json", "--root", "forge"],
            cwd=folder,
            env={**os.environ, **self._environment},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.ready = msgspec.json.decode(line, type=dict[str, Any])

    def run(self, *arguments: str, **environment: str) -> Any:
        """A command to its end."""
        env = {**self._environment, **environment}
        return boomtown("forge", *arguments, cwd=self.folder, env=env)

    def facts(self, *arguments: str) -> list[dict[str, Any]]:
        """What a command says to programs."""
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        lines = done.stdout.splitlines()
        return [msgspec.json.decode(line, type=dict[str, Any]) for line in lines]

    def end(self) -> int:
        self.process.terminate()
        code = self.process.wait(timeout=BOUND_S)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code
