"""What `boomtown dev` prints where nobody reads it at a terminal: at once, a line per request."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib import error, request

import pytest

from support.processes import BOUND_S, RUN_VARIABLE

pytestmark = pytest.mark.system

CLOCK = r"\d\d:\d\d:\d\d"


def test_lines_come_at_once_and_each_request_has_one(tmp_path: Path, run_id: str) -> None:
    """Read from a pipe while the server runs: a line that waited in a buffer would never come."""
    process = subprocess.Popen(
        [sys.executable, "-m", "boomtown", "dev", "--port", "0"],
        cwd=tmp_path,
        env={**os.environ, RUN_VARIABLE: run_id},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout as lines:
        said: list[str] = []
        while not said or not said[-1].startswith(" ready in "):
            said.append(next(lines).rstrip("\n"))
        found = re.search(r"http://127\.0\.0\.1:\d+", "".join(said))
        assert found is not None
        with request.urlopen(f"{found[0]}/health?q=secret", timeout=BOUND_S) as answer:
            assert answer.status == 200
        assert re.fullmatch(rf"{CLOCK} boomtown\.http  GET /health 200 \d+ ms\n", next(lines))
        with pytest.raises(error.HTTPError) as refused:
            request.urlopen(f"{found[0]}/nothing", timeout=BOUND_S)
        request_id = refused.value.headers["X-Request-Id"]
        refused.value.close()
        line = next(lines)
        assert re.fullmatch(
            rf"{CLOCK} boomtown\.http  GET /nothing 404 \d+ ms  {request_id}\n", line
        )
        process.terminate()
        assert [line.strip() for line in lines] == ["stopping", "stopped"]
    assert process.wait(timeout=BOUND_S) == 0
    assert said[0].startswith(" boomtown ")
    assert "   Data    ./.boomtown   (kept)" in said
    assert (tmp_path / ".boomtown" / "keys" / "operator").exists()
