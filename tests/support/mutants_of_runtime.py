"""Broken promises of the runtime: acknowledged before it is durable, an alarm lost by a crash."""

from __future__ import annotations

from support.mutation import Edit, Mutant

_COMMIT_PATH = "actors/runtime/commit_path.py"
_OF_COMMITS = "tests/actors/runtime/test_commit_path.py::test_"
_OF_OUTPUT = "tests/conformance/test_d_writes.py::test_"
_OF_ALARMS = "tests/conformance/test_g_alarms.py::test_case_"
_OF_A_CRASH = "tests/actors/runtime/test_object_alarm.py::test_a_crash"
_IN_A_TURN = (
    "gate_02_gathered_reads_stay_in_the_turn",
    "gate_03_groups_after_real_io_stay_in_the_turn",
    "gate_15_nothing_runs_between_a_set_and_its_waiter",
)

RUNTIME_MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="runtime-sync",
        defect="a commit is acknowledged while it is in the page cache only",
        edits=(
            Edit(
                _COMMIT_PATH,
                "                for file in batch.files:\n"
                "                    self._flush.sync(file)\n",
                "",
            ),
        ),
        tests=(
            f"{_OF_COMMITS}commits_of_one_pass_share_a_sync_per_log",
            f"{_OF_COMMITS}a_sync_error_is_the_end",
            "tests/sim/test_commit_path_sweep.py"
            "::test_nothing_acknowledged_is_lost_at_any_disk_operation",
        ),
    ),
    Mutant(
        name="runtime-folder-sync",
        defect="a new database is acknowledged before its folder knows its name",
        edits=(
            Edit(
                _COMMIT_PATH,
                "                for folder in batch.folders:\n"
                "                    self._flush.sync_dir(folder)\n",
                "",
            ),
        ),
        tests=(
            f"{_OF_COMMITS}new_folders_are_synced_up_to_the_data_directory_once",
            "tests/sim/test_commit_path_sweep.py"
            "::test_nothing_acknowledged_is_lost_at_any_disk_operation",
        ),
    ),
    Mutant(
        name="runtime-alarm",
        defect="an alarm is deleted before its handler's work is committed",
        edits=(
            Edit(
                "actors/runtime/object_alarm.py",
                "        if stored_ms == scheduled_at_ms:\n"
                "            self._change(defers_deletion=True)\n",
                "        if stored_ms == scheduled_at_ms:\n"
                "            self._transactions.begin_write(is_confirmed=True)\n"
                "            self._write(None)\n",
            ),
        ),
        tests=(
            f"{_OF_A_CRASH}_in_the_handler_leaves_the_alarm_set",
            f"{_OF_ALARMS}133_after_a_failure_the_old_alarm_is_seen",
        ),
    ),
    Mutant(
        name="runtime-sync-error",
        defect="a commit whose sync failed is acknowledged, for the next sync succeeds",
        edits=(
            Edit(
                _COMMIT_PATH,
                "            except OSError as error:\n                batch.error = error\n",
                "            except OSError:\n                batch.folders = []\n",
            ),
        ),
        tests=(
            f"{_OF_COMMITS}a_sync_error_is_the_end",
            f"{_OF_COMMITS}a_commit_that_gathered_behind_a_failing_batch_fails_too",
        ),
    ),
    Mutant(
        name="runtime-output",
        defect="an answer leaves before what its handler wrote is durable",
        edits=(
            Edit(
                "actors/runtime/transactions.py",
                "            self._gate.hold_output(self._hold)\n\n    def _open",
                "\n    def _open",
            ),
        ),
        tests=(
            f"{_OF_OUTPUT}case_061_confirmed_put_holds_output_until_it_is_durable",
            f"{_OF_OUTPUT}case_064_an_sql_write_is_confirmed",
        ),
    ),
    Mutant(
        name="runtime-alarm-index",
        defect="an earlier alarm is told to the index only after its commit",
        edits=(
            Edit(
                "actors/runtime/object_alarm.py",
                "        if self._registered_ms is not None"
                " and self._registered_ms <= stored_ms:\n"
                "            return None\n",
                "        if stored_ms >= 0:\n            return None\n",
            ),
        ),
        tests=(
            f"{_OF_ALARMS}135_an_earlier_alarm_is_registered_before_the_commit",
            f"{_OF_ALARMS}137_earlier_moves_in_flight_become_one_commit",
        ),
    ),
    Mutant(
        name="runtime-microtasks",
        defect="a task that the object's own turn wakes waits at the gate, behind other events",
        edits=(
            Edit(
                "actors/runtime/loop_hook.py",
                "            if hook.turn is owner and (args or not task.is_started):\n",
                "            if hook.turn is owner and owner.capturing is task:\n",
            ),
        ),
        tests=tuple(
            f"tests/actors/runtime/test_gates.py::test_gate[{case}-asyncio]" for case in _IN_A_TURN
        ),
    ),
)
