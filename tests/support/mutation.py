"""Put a known defect back into a copy of the tree, and see whether its own tests notice.

Theory of operation. A `Mutant` is a sentence, one or more exact replacements of text, and the tests
that must fail by it. `TreeCopy` holds what git knows or would add, links kept; mutants are written
into it one at a time and taken back, so the tree itself is never touched. The tests run in a child
of the present Python that finds the package in the copy: `PYTHONPATH` goes before what an editable
install puts on the path, and `check_imports` proves it. No bytecode is written there, because a
replacement of the same length within one second would be taken for the old file.

A mutant is killed when every test that it names fails. A run that collects nothing, that does not
end in time, or in which a name is missing (the mutant broke the code instead of changing what it
does), says nothing about the tests and is reported as broken. The caller has seen the
same tests pass in the untouched copy (`failures_of`), else a failure would mean nothing.

It does not invent mutants: a survivor here is one known defect that nobody would see come back.
"""

from __future__ import annotations

import enum
import os
import shutil
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

TEST_SECONDS_MAX = 60  # of one test; the slowest takes about two alone
RUN_SECONDS_MAX = 300  # of one child; the machine may be shared
_FAILED_MARKS = ("FAILED", "ERROR")
_BROKEN_CODE = (
    "AttributeError",
    "ImportError",
    "ModuleNotFoundError",
    "NameError",
    "SyntaxError",
    "UnboundLocalError",
)
_RAN = (0, 1)  # pytest's codes for "all passed" and "some failed"
# They take most of a short run's time to load, and these tests do without.
_UNNEEDED_PLUGINS = ("anyio", "cacheprovider", "hypothesispytest", "xdist")
_WHEREABOUTS = "import boomtown.actors.town.town as m, os; print(os.path.realpath(m.__file__))"


class Edit(msgspec.Struct, frozen=True):
    """`old`, which the file holds exactly once, becomes `new`."""

    path: str  # from the root
    old: str
    new: str


class Mutant(msgspec.Struct, frozen=True, kw_only=True):
    """One defect that can be switched on."""

    name: str  # "row-06" for row 6 of town.md 10
    defect: str  # what it does, in one sentence
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]  # each "path::function"; all must fail


class Fate(enum.StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    SURVIVED = "survived"
    UNAPPLIED = "does not apply"
    BROKEN = "broken"  # its tests could not be run to their end


class Outcome(msgspec.Struct, frozen=True):
    """A fate, and what there is to say about it."""

    fate: Fate
    note: str = ""


class TestRunBroken(Exception):
    """pytest said neither "passed" nor "failed"."""

    __test__ = False  # not a test class, whatever its name


def misfits(root: Path, mutant: Mutant) -> list[str]:
    """Why the mutant does not apply to the tree at `root`; empty when it does."""
    found: list[str] = []
    for edit in mutant.edits:
        file = root / edit.path
        count = file.read_text().count(edit.old) if file.is_file() else 0
        if count != 1:
            found.append(f"{edit.path}: the text to replace is there {count} times")
        if edit.old == edit.new:
            found.append(f"{edit.path}: the replacement changes nothing")
    return found


class TreeCopy:
    """A copy of a tree to be spoiled."""

    def __init__(self, source: Path, target: Path) -> None:
        self.root = target
        for name in _listed_files(source):
            if not os.path.lexists(source / name):
                continue  # deleted, and not yet committed
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / name, target / name, follow_symlinks=False)

    @contextmanager
    def spoiled_by(self, mutant: Mutant) -> Generator[None]:
        """The copy with the mutant's edits, which must fit; taken back at the end."""
        before = {edit.path: (self.root / edit.path).read_text() for edit in mutant.edits}
        try:
            for edit in mutant.edits:
                file = self.root / edit.path
                file.write_text(file.read_text().replace(edit.old, edit.new))
            yield
        finally:
            for path, text in before.items():
                (self.root / path).write_text(text)

    def check_imports(self) -> Path:
        """The file that a child takes for a module of ours. Raises where it is not the copy's."""
        child = subprocess.run(
            [sys.executable, "-P", "-c", _WHEREABOUTS],
            cwd=self.root,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=True,
            timeout=RUN_SECONDS_MAX,
        )
        file = Path(child.stdout.strip())
        if not file.is_relative_to(self.root.resolve()):
            raise TestRunBroken(f"the tests would import {file}")
        return file

    def failures_of(self, tests: Sequence[str]) -> list[str]:
        """The ids of those that fail, in pytest's order. Raises TestRunBroken."""
        command = [sys.executable, "-P", "-m", "pytest", "-q", "--tb=no", "-rfE"]
        command += [f"-pno:{plugin}" for plugin in _UNNEEDED_PLUGINS]
        command += [f"--timeout={TEST_SECONDS_MAX}", *tests]
        try:
            child = subprocess.run(
                command,
                cwd=self.root,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=RUN_SECONDS_MAX,
            )
        except subprocess.TimeoutExpired as error:
            raise TestRunBroken(f"no end within {RUN_SECONDS_MAX} s") from error
        if child.returncode not in _RAN:
            last = (child.stdout + child.stderr).strip().splitlines()[-3:]
            raise TestRunBroken(f"pytest ended with {child.returncode}: {' | '.join(last)}")
        failures: list[str] = []
        for line in child.stdout.splitlines():
            mark, _, told = line.partition(" ")
            if mark in _FAILED_MARKS:
                test, _, reason = told.partition(" - ")
                if reason.startswith(_BROKEN_CODE):
                    raise TestRunBroken(f"{test}: {reason}")
                failures.append(test)
        return failures

    def try_mutant(self, mutant: Mutant) -> Outcome:
        """Switch the defect on, run its tests, switch it off."""
        problems = misfits(self.root, mutant)
        if problems:
            return Outcome(Fate.UNAPPLIED, "; ".join(problems))
        try:
            with self.spoiled_by(mutant):
                failures = self.failures_of(mutant.tests)
        except TestRunBroken as error:
            return Outcome(Fate.BROKEN, str(error))
        unmoved = [test for test in mutant.tests if not _has_failed(test, failures)]
        if unmoved:
            return Outcome(Fate.SURVIVED, f"still passes: {', '.join(unmoved)}")
        return Outcome(Fate.KILLED)

    def _environment(self) -> dict[str, str]:
        return os.environ | {
            "PYTHONPATH": str(self.root / "src"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "COLUMNS": "500",  # so that the reason of a failure is not cut off
        }


def _has_failed(test: str, failures: Sequence[str]) -> bool:
    """Itself, or one of its parametrized cases."""
    return any(failure == test or failure.startswith(f"{test}[") for failure in failures)


def _listed_files(root: Path) -> list[str]:
    """What git tracks, and new files that it does not ignore: a tree at work is whole only with
    both."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
        timeout=RUN_SECONDS_MAX,
    )
    return sorted({name for name in listing.stdout.split("\0") if name})
