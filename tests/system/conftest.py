"""A mark of its own for each test's processes, and none of them left at its end; nor any of the
whole session, whatever a test forgot to mark."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from boomtown.entropy import SystemSecrets
from support.processes import (
    MARK_SEPARATOR,
    RUN_VARIABLE,
    DevServer,
    processes_of_run,
    wait_for,
)


@pytest.fixture(scope="session", autouse=True)
def session_mark() -> Iterator[str]:
    """What the mark of every process of this session begins with (decisions 67)."""
    within = os.environ.get(RUN_VARIABLE)
    mark = SystemSecrets().token_text(12)
    if within is not None:
        mark = f"{within}{MARK_SEPARATOR}{mark}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(RUN_VARIABLE, mark)
        yield mark
    wait_for(lambda: not processes_of_run(mark), "no process of the session is left")


@pytest.fixture
def run_id(session_mark: str) -> Iterator[str]:
    """The mark; afterwards no process carries it."""
    mark = f"{session_mark}{MARK_SEPARATOR}{SystemSecrets().token_text(12)}"
    yield mark
    wait_for(lambda: not processes_of_run(mark), "no process of the test is left")


@pytest.fixture
def server(tmp_path: Path, run_id: str) -> Iterator[DevServer]:
    """A running development server that may use local git addresses."""
    started = DevServer(tmp_path, "--port", "0", "--allow-local-git", run_id=run_id, env={})
    yield started
    if started.process.poll() is None:
        assert started.terminate() == 0
