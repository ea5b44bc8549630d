"""What a town would take for true if it did not forget what it has read (table_memory.py)."""

from __future__ import annotations

from support.mutation import Edit, Mutant

_TABLE_MEMORY = "actors/town/table_memory.py"
_OF_MEMORY = "tests/actors/town/test_table_memory.py::test_"

MEMORY_MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="memory-of-what-was-written",
        defect="what was read outlives a statement that writes it",
        edits=(
            Edit(
                _TABLE_MEMORY,
                "            self._kept.pop(part, None)\n",
                "            self._kept.get(part)\n",
            ),
        ),
        tests=(
            f"{_OF_MEMORY}a_part_is_read_once_until_it_is_touched",
            "tests/actors/town/test_start_crashes.py::test_crash_between_the_intent_and_the_call",
        ),
    ),
    Mutant(
        name="memory-of-what-was-undone",
        defect="what was read within a savepoint outlives its end",
        edits=(
            Edit(
                "actors/town/transaction.py",
                "                self.memory.forget()\n",
                "                self.memory.before('SELECT 1')\n",
            ),
        ),
        tests=(f"{_OF_MEMORY}a_savepoint_that_is_undone_is_forgotten",),
    ),
    Mutant(
        name="memory-of-what-went-along",
        defect="what goes with a deleted bead is remembered",
        edits=(
            Edit(
                _TABLE_MEMORY,
                'CASCADING = frozenset({"beads", "prs"})',
                'CASCADING = frozenset({"prs"})',
            ),
        ),
        tests=(
            f"{_OF_MEMORY}a_statement_touches_what_it_may_change",
            f"{_OF_MEMORY}every_table_whose_rows_take_others_along_is_known",
        ),
    ),
)
