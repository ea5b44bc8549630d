"""`boomtown doctor`, on a machine that is well and on one with orphans."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from support.processes import boomtown

pytestmark = pytest.mark.system

NAMES = (
    "python",
    "git",
    "sqlite",
    "open-files",
    "clock",
    "data-directory",
    "fsync",
    "port",
    "orphans",
)


def test_one_line_each(tmp_path: Path, run_id: str) -> None:
    done = boomtown("doctor", "--port", "0", cwd=tmp_path, env={"BOOMTOWN_TEST_RUN": run_id})
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert tuple(line[1] for line in lines) == NAMES
    assert {line[0] for line in lines} <= {"ok", "warn"}
    assert list(tmp_path.iterdir()) == []


def test_processes_that_outlived_their_server_fail_it(tmp_path: Path, run_id: str) -> None:
    instance = "01900000-0000-7000-8000-000000000001"
    (tmp_path / "data" / "containers" / instance).mkdir(parents=True)
    marks = {"BOOMTOWN_TEST_RUN": run_id, "BOOMTOWN_INSTANCE_ID": instance}
    command = [sys.executable, "-c", "print('up', flush=True); input()"]
    with subprocess.Popen(
        command,
        env={**os.environ, **marks},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as orphan:
        assert orphan.stdout is not None
        assert orphan.stdout.readline() == "up\n"
        where = ("--data-dir", "data", "--port", "0", "--json")
        done = boomtown("doctor", *where, cwd=tmp_path, env={})
        orphan.kill()
    assert done.returncode == 1
    facts = {
        fact["name"]: fact for fact in (msgspec.json.decode(x) for x in done.stdout.splitlines())
    }
    assert facts["orphans"]["level"] == "fail"
    assert facts["orphans"]["facts"]["pids"] == [orphan.pid]
    again = boomtown("doctor", *where, cwd=tmp_path, env={})
    assert again.returncode == 0, again.stdout


def test_an_unknown_setting_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "boomtown.toml").write_text("[server]\nprot = 1\n")
    assert boomtown("doctor", cwd=tmp_path, env={}).returncode == 2
