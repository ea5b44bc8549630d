"""`make bench` and `make bench-full`: measure, print the table, write JSON beside it.

Exit status 2, with a message, where the load generator is missing. Without npm or its registry
workerd's column stays empty, and says so.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

import msgspec

from side_by_side import lifetime_rows, plots
from side_by_side.figures import Row, markdown_table, text_table
from side_by_side.machine import describe
from side_by_side.requests_rows import (
    MORE,
    SHORT,
    Cell,
    Measured,
    Patience,
    make_all,
    measure_cell,
    rows_of,
)
from side_by_side.servers import Server, boomtown, workerd
from side_by_side.simulation_rows import simulation_rows
from side_by_side.tick_row import tick_rows
from side_by_side.wrk import find_wrk
from support.workerd_program import WORKERD_VERSION, install_workerd

BENCHMARKS = Path(__file__).resolve().parents[1]
LOOPS = ("asyncio", "uvloop")
EXIT_MISSING = 2
EXIT_ENDED = 128 + signal.SIGTERM


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What an earlier run left in the JSON file, as far as it is read again."""

    rows: list[Row] = []
    cells: list[Measured] = []


class Run:
    """What was measured so far; written after each group, for a run may be ended. `kept` holds
    what an earlier run measured: a row stays until it is measured anew."""

    def __init__(self, *, result: Path, has_workerd: bool, kept: Kept) -> None:
        self._rows = {row.name: row for row in kept.rows}
        self._measured = {(each.cell.name, each.server): each for each in kept.cells}
        self._result = result
        self._at = datetime.datetime.now(datetime.UTC).isoformat(timespec="minutes")
        self._facts = {
            "at": self._at,
            "machine": describe(),
            "load_before": os.getloadavg()[0],
            "workerd": WORKERD_VERSION if has_workerd else None,
        }

    @property
    def rows(self) -> list[Row]:
        return list(self._rows.values())

    @property
    def measured(self) -> list[Measured]:
        return list(self._measured.values())

    def add(self, rows: Sequence[Row], measured: Sequence[Measured] = ()) -> None:
        """Print and keep."""
        for each in measured:
            self._measured[each.cell.name, each.server] = each
        for row in rows:
            self._rows[row.name] = msgspec.structs.replace(row, at=self._at)
            print(text_table([row]).splitlines()[1], flush=True)
        document = {
            **self._facts,
            "load_after": os.getloadavg()[0],
            "rows": [
                {**msgspec.to_builtins(row), "ratio": row.ratio, "verdict": row.verdict}
                for row in self.rows
            ],
            "cells": msgspec.to_builtins(self.measured),
        }
        self._result.write_text(json.dumps(document, indent=1) + "\n")


def read_kept(result: Path) -> Kept:
    """What the file holds; nothing where there is none."""
    return msgspec.json.decode(result.read_bytes(), type=Kept) if result.exists() else Kept()


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description="boomtown and workerd, side by side")
    parser.add_argument("--full", action="store_true", help="every row, some fifteen minutes")
    parser.add_argument("--result", type=Path, help="the JSON file  [default: last.json]")
    parser.add_argument("--only", default="", help="groups to measure; other rows are kept")
    options = parser.parse_args()
    # As Ctrl-C: the servers that it started are ended with it.
    signal.signal(signal.SIGTERM, _end)
    if find_wrk() is None:
        print("wrk is missing: install Debian's package `wrk`, or run as root", file=sys.stderr)
        sys.exit(EXIT_MISSING)
    program = install_workerd()
    if program is None:
        print("workerd cannot be installed (npm, or its registry, is missing): ours alone")
    name = "full.json" if options.full else "last.json"
    result = options.result or BENCHMARKS / name
    kept = read_kept(result) if options.only else Kept()
    run = Run(result=result, has_workerd=program is not None, kept=kept)
    # The servers inherit it, and workerd keeps three files open for each live object.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(f"{describe()}, load average {os.getloadavg()[0]:.1f}")
    # Under the checkout, whose disk is a real one; /tmp may be memory.
    folder = Path(tempfile.mkdtemp(prefix=".bench-", dir=BENCHMARKS))
    try:
        for group, measure in _groups(run, folder, program, is_full=options.full).items():
            if not options.only or group in options.only.split(","):
                try:
                    measure()
                except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
                    print(f"{group}: not measured: {error}")
    finally:
        shutil.rmtree(folder)
    print(text_table(run.rows))
    if options.full:
        result.with_suffix(".md").write_text(markdown_table(run.rows) + "\n")
        plots.write_plots(run.measured, result.parent)


def _end(_: int, __: FrameType | None) -> None:
    sys.exit(EXIT_ENDED)


def _groups(
    run: Run, folder: Path, program: Path | None, *, is_full: bool
) -> dict[str, Callable[[], None]]:
    opens: dict[str, lifetime_rows.Open] = {"boomtown": lambda home: boomtown(home, loop="asyncio")}
    if program is not None:
        opens["workerd"] = lambda home: workerd(program, home)
    groups: dict[str, Callable[[], None]] = {
        "cells": lambda: _cells(run, folder / "cells", program, SHORT, is_full=is_full)
    }
    if program is not None:
        groups["memory"] = lambda: run.add(lifetime_rows.memory_rows(folder, opens))
    if is_full:
        if program is not None:
            groups["alarms"] = lambda: run.add(lifetime_rows.alarm_rows(folder, opens, count=5_000))
        groups["recovery"] = lambda: run.add(lifetime_rows.recovery_rows(folder))
        groups["many"] = lambda: run.add(lifetime_rows.many_objects_rows(folder, count=50_000))
        groups["towns"] = lambda: run.add(lifetime_rows.idle_town_rows(folder, count=1_000))
    groups["tick"] = lambda: run.add(tick_rows(folder))
    groups["simulation"] = lambda: run.add(simulation_rows(repeats=3 if is_full else 1))
    if is_full:
        groups["more"] = lambda: _cells(run, folder / "more", program, MORE, is_full=True)
    return groups


def _cells(
    run: Run, folder: Path, program: Path | None, cells: Sequence[Cell], *, is_full: bool
) -> None:
    patience = Patience(30 if is_full else 6, wait_s_max=150 if is_full else 20)
    with ExitStack() as stack:
        servers: list[Server] = []
        if program is not None:
            servers.append(stack.enter_context(workerd(program, folder / "workerd")))
        servers += [stack.enter_context(boomtown(folder / loop, loop=loop)) for loop in LOOPS]
        for server in servers:
            make_all(server, bystanders=[each.pid for each in servers])
        for cell in cells:
            measured = measure_cell(
                cell,
                servers,
                seconds=2 if cells is SHORT else 1,
                repeats=3 if is_full else 1,
                patience=patience,
            )
            run.add(rows_of(measured), measured)
