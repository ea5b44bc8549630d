"""A demo whose container and server are killed on the way, judged from outside.

The judge reads what the demo said, the agents' own interval log (decisions 63) and origin. An
agent that was killed leaves an open interval: it ends, at the latest, when the demo had seen the
last process of its container gone.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import msgspec

from support.processes import RUN_VARIABLE, boomtown
from support.shell_repository import git

BOUND_S = 180


class Interval(msgspec.Struct, frozen=True):
    """One session's life, as its agent wrote it."""

    session_id: str
    bead_id: str
    pid: int
    started_at: int
    ended_at: int | None


class Survival(msgspec.Struct, frozen=True, kw_only=True):
    """One run that landed."""

    elapsed_ms: int
    sessions: int
    merges: int
    kills: tuple[dict[str, Any], ...]
    restarts: tuple[dict[str, Any], ...]


def run_killed_demo(
    folder: Path, *, merge_mode: str, containers: int, servers: int, seed: int, run_id: str
) -> Survival:
    """Run and judge one; raises AssertionError with what it said."""
    agent_log = folder / "agents.jsonl"
    done = boomtown(
        *("demo", "--json", "--folder", "demo", "--merge-mode", merge_mode),
        *("--timeout", str(BOUND_S), "--kill-seed", str(seed)),
        *("--kill-container", str(containers), "--kill-server", str(servers)),
        cwd=folder,
        env={RUN_VARIABLE: run_id, "BOOMTOWN_AGENT_LOG": str(agent_log)},
        bound_s=BOUND_S + 60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [msgspec.json.decode(line, type=dict[str, Any]) for line in done.stdout.splitlines()]
    (end,) = [line for line in lines if line["event"] == "convoy_landed"]
    assert (end["beads"], end["checks_passed"]) == (3, True)
    kills = tuple(line for line in lines if line["event"] == "killed")
    restarts = tuple(line for line in lines if line["event"] == "restarted")
    assert (
        sorted(kill["victim"] for kill in kills)
        == ["container"] * containers + ["server"] * servers
    )
    assert all(restart["successor_pid"] not in (None, restart["pid"]) for restart in restarts)
    assert len(restarts) == len(kills)
    check_no_overlap(read_intervals(agent_log), kills)
    check_every_change_is_on_the_default_branch(folder)
    return Survival(
        elapsed_ms=end["elapsed_ms"],
        sessions=end["sessions"],
        merges=end["merges"],
        kills=kills,
        restarts=restarts,
    )


def read_intervals(path: Path) -> list[Interval]:
    """One per session: its closing line where it has one."""
    last: dict[str, Interval] = {}
    for line in path.read_text().splitlines():
        interval = msgspec.json.decode(line, type=Interval)
        assert interval.session_id not in last or last[interval.session_id].ended_at is None
        last[interval.session_id] = interval
    return sorted(last.values(), key=lambda interval: interval.started_at)


def check_no_overlap(intervals: list[Interval], kills: tuple[dict[str, Any], ...]) -> None:
    """No bead had two agents at a time."""
    ended: dict[str, int] = {}
    for interval in intervals:
        before = ended.get(interval.bead_id, 0)
        assert interval.started_at >= before, f"two agents of one bead: {interval}"
        ended[interval.bead_id] = end_of(interval, kills)


def end_of(interval: Interval, kills: tuple[dict[str, Any], ...]) -> int:
    """When the agent was gone: what it wrote, else when its killed container was."""
    if interval.ended_at is not None:
        return interval.ended_at
    later = [kill["gone_at_ms"] for kill in kills if kill["at_ms"] >= interval.started_at]
    assert later, f"nobody killed the agent that wrote no end: {interval}"
    assert later[0] is not None, "a process of the killed container stayed"
    return int(later[0])


def check_every_change_is_on_the_default_branch(folder: Path) -> None:
    """Judged from a clone of our own: the checks pass, each piece of work is there once."""
    origin = folder / "demo" / "origin.git"
    git(folder, "clone", "--quiet", str(origin), "judge")
    judge = folder / "judge"
    checked = subprocess.run(["sh", "check.sh"], cwd=judge, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stdout
    subjects = git(origin, "log", "--no-merges", "--format=%s", "main").splitlines()
    for subject in (
        "Greet a person by name",
        "Count the words of standard input",
        "Report the greeting and the count",
    ):
        assert subjects.count(subject) == 1, (subject, subjects)
