"""The examples, run as their first lines say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.processes import RUN_VARIABLE

pytestmark = pytest.mark.system

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run_example(name: str, folder: Path, run_id: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)],
        cwd=folder,
        env={**os.environ, RUN_VARIABLE: run_id},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_the_counter_goes_on_counting_in_the_next_process(tmp_path: Path, run_id: str) -> None:
    assert run_example("counter.py", tmp_path, run_id) == ["counted 1 2 3"]
    assert run_example("counter.py", tmp_path, run_id) == ["counted 4 5 6"]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert run_example("counter.py", elsewhere, run_id) == ["counted 1 2 3"]
