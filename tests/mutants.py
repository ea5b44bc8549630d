"""The defects that our tests must never let back in, as switches (decisions 64).

`make mutants` copies the tree into a temporary folder, sees that the tests pass there, and then,
one defect at a time, changes the code so that the defect is back and runs the tests that were
written against it: each must fail. It ends with 1 when a defect survives, no longer applies to
the text of the code, or breaks the run.

Rows are those of the old system's list of defects (town.md 10); the others are promises of the
runtime. Whoever changes a line that a mutant replaces corrects the mutant with it:
test_mutants.py says so at once.

    python tests/mutants.py            all
    python tests/mutants.py row-06     one, or several by their names
    python tests/mutants.py --list     what there is
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from boomtown.clock import SystemClock
from support.mutants_of_beads import BEAD_MUTANTS
from support.mutants_of_containers import CONTAINER_MUTANTS
from support.mutants_of_front import FRONT_MUTANTS
from support.mutants_of_memory import MEMORY_MUTANTS
from support.mutants_of_observer import OBSERVER_MUTANTS
from support.mutants_of_repairs import REPAIR_MUTANTS
from support.mutants_of_reviews import REVIEW_MUTANTS
from support.mutants_of_roster import ROSTER_MUTANTS
from support.mutants_of_runtime import RUNTIME_MUTANTS
from support.mutants_of_sessions import SESSION_MUTANTS
from support.mutation import Fate, Mutant, TestRunBroken, TreeCopy

ROOT = Path(__file__).resolve().parent.parent
_TABLES = (
    REVIEW_MUTANTS,
    MEMORY_MUTANTS,
    SESSION_MUTANTS,
    BEAD_MUTANTS,
    CONTAINER_MUTANTS,
    FRONT_MUTANTS,
    OBSERVER_MUTANTS,
    REPAIR_MUTANTS,
    ROSTER_MUTANTS,
    RUNTIME_MUTANTS,
)
MUTANTS: tuple[Mutant, ...] = tuple(
    sorted((mutant for table in _TABLES for mutant in table), key=lambda mutant: mutant.name)
)


def run(mutants: Sequence[Mutant]) -> int:
    """Try them one after another; the exit code."""
    clock = SystemClock()
    begun_ms = clock.monotonic_ms()
    counts = dict.fromkeys(Fate, 0)
    with tempfile.TemporaryDirectory(prefix="boomtown-mutants-") as folder:
        tree = TreeCopy(ROOT, Path(folder))
        tree.check_imports()
        if not _passes_unspoiled(tree, mutants):
            return 1
        for mutant in mutants:
            outcome = tree.try_mutant(mutant)
            counts[outcome.fate] += 1
            note = f"  ({outcome.note})" if outcome.note else ""
            print(f"{mutant.name}: {outcome.fate}  {mutant.defect}{note}", flush=True)
    seconds = (clock.monotonic_ms() - begun_ms) / 1000
    told = ", ".join(f"{count} {fate}" for fate, count in counts.items() if count)
    print(f"{len(mutants)} mutants in {seconds:.0f} s: {told}")
    return 0 if counts[Fate.KILLED] == len(mutants) else 1


def _passes_unspoiled(tree: TreeCopy, mutants: Sequence[Mutant]) -> bool:
    tests = tuple(dict.fromkeys(test for mutant in mutants for test in mutant.tests))
    try:
        failures = tree.failures_of(tests)
    except TestRunBroken as error:
        failures = [str(error)]
    for failure in failures:
        print(f"fails without any mutant: {failure}", flush=True)
    return not failures


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="Put known defects back, and see the tests fail.")
    parser.add_argument("names", nargs="*", help="only these, such as row-06")
    parser.add_argument("--list", action="store_true", help="say what there is, and run nothing")
    wanted = parser.parse_args(arguments)
    known = {mutant.name for mutant in MUTANTS}
    unknown = [name for name in wanted.names if name not in known]
    if unknown:
        parser.error(f"no mutant is called {', '.join(unknown)}")
    chosen = [mutant for mutant in MUTANTS if not wanted.names or mutant.name in wanted.names]
    if wanted.list:
        for mutant in chosen:
            print(f"{mutant.name}  {mutant.defect}")
        return 0
    return run(chosen)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
