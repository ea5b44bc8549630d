"""A mark of its own for each test's processes, and none of them left at its end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from boomtown.entropy import SystemSecrets
from support.processes import DevServer, processes_of_run, wait_for


@pytest.fixture
def run_id() -> Iterator[str]:
    """The mark; afterwards no process carries it (decisions 67)."""
    mark = SystemSecrets().token_text(12)
    yield mark
    wait_for(lambda: not processes_of_run(mark), "no process of the test is left")


@pytest.fixture
def server(tmp_path: Path, run_id: str) -> Iterator[DevServer]:
    """A running development server that may use local git addresses."""
    started = DevServer(tmp_path, "--port", "0", "--allow-local-git", run_id=run_id, env={})
    yield started
    if started.process.poll() is None:
        assert started.terminate() == 0
