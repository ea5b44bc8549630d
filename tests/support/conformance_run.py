"""`make conformance`: the scripts of single cases and every generated one, on workerd and here.

Writes docs/conformance.json: the cases, the seeds, the scripts' hashes and how often each
operation ran; and tests/differential/case_results.json, what workerd said to the cases. Exit
status 1 where the sides differ, with the case or the smallest script that shows it; 0 without npm,
with a message, since nothing was compared. `support.conformance_run [count] [first seed]`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from support.case_comparison import CaseSide, different_cases, run_cases, write_recorded
from support.case_scripts import CASES
from support.case_sides import open_runtime_cases
from support.conformance_comparison import Difference, find_difference, shrink
from support.conformance_scripts import make_script, operation_counts, script_hash
from support.conformance_sides import (
    COMPATIBILITY_DATE,
    ROOT,
    WORKERD_VERSION,
    Side,
    install_workerd,
    open_runtime,
    open_workerd,
)

RECORD = ROOT / "docs" / "conformance.json"
SCRIPTS = 2_000


async def compare_scripts(expected: Side, actual: Side, *, first: int, count: int) -> int:
    """How many scripts differ; says each, made smaller."""
    differences = 0
    for seed in range(first, first + count):
        name = f"seed {seed}"
        found = await find_difference(make_script(seed), expected, actual, name=name)
        if found is not None:
            differences += 1
            report(name, await shrink(found, expected, actual, name=name))
    return differences


def report(name: str, difference: Difference) -> None:
    print(f"{name} differs at call {difference.call}: {json.dumps(difference.script)}")
    print(f"  workerd: {json.dumps(difference.expected)}")
    print(f"  boomtown: {json.dumps(difference.actual)}")


async def compare_cases(expected: CaseSide, actual: CaseSide) -> int:
    """How many cases differ; says each. What the first side said is recorded if none does."""
    wanted, got = await run_cases(expected), await run_cases(actual)
    differing = different_cases(wanted, got)
    for number in differing:
        print(f"case {number} differs")
        print(f"  workerd: {json.dumps(wanted[number])}")
        print(f"  boomtown: {json.dumps(got[number])}")
    if not differing:
        write_recorded(wanted)
    return len(differing)


def make_record(*, first: int, count: int) -> dict[str, Any]:
    """What docs/conformance.json says of the scripts of these seeds; needs no workerd."""
    counts: Counter[str] = Counter()
    digest = hashlib.sha256()
    for seed in range(first, first + count):
        script = make_script(seed)
        counts.update(operation_counts(script))
        digest.update(script_hash(script).encode())
    total = sum(number for name, number in counts.items() if name != "rollback")
    return {
        "workerd": WORKERD_VERSION,
        "compatibility_date": COMPATIBILITY_DATE,
        "cases": {f"{number:03}": script_hash(script) for number, script in CASES.items()},
        "first_seed": first,
        "scripts": count,
        "script_hashes": {
            str(seed): script_hash(make_script(seed)) for seed in range(first, first + count)
        },
        "sha256_of_hashes": digest.hexdigest(),
        "operations": total,
        "operations_by_name": dict(sorted(counts.items())),
        "differences": 0,
    }


async def run(*, first: int, count: int) -> int:
    """The exit status. A SIGTERM cancels the run, so that workerd is ended with it."""
    logging.disable()  # handlers that fail on purpose would be told one by one
    this = asyncio.current_task()
    assert this is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    program = install_workerd()
    if program is None:
        print("conformance: skipped, because npm cannot install workerd here")
        return 0
    with tempfile.TemporaryDirectory(prefix="boomtown-conformance-") as folder:
        async with (
            open_workerd(program, Path(folder) / "workerd") as workerd,
            open_runtime(Path(folder) / "runtime") as runtime,
            open_runtime_cases(Path(folder) / "cases") as cases,
        ):
            differences = await compare_cases(workerd, cases)
            differences += await compare_scripts(workerd, runtime, first=first, count=count)
    if differences:
        print(f"conformance: {differences} differences")
        return 1
    record = make_record(first=first, count=count)
    print(
        f"conformance: {len(CASES)} cases, {count} scripts with {record['operations']} operations, "
        f"no difference from workerd {WORKERD_VERSION}"
    )
    if (first, count) == (0, SCRIPTS):
        RECORD.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    return 0


def main(arguments: list[str]) -> int:
    numbers = [int(each) for each in arguments]
    count = numbers[0] if numbers else SCRIPTS
    return asyncio.run(run(first=numbers[1] if len(numbers) > 1 else 0, count=count))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
