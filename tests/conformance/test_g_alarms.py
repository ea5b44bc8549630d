"""The object's side of alarms: the specification's cases 127 to 148, 152, 153, 156 and 157."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from boomtown.actors.runtime.object_alarm import AlarmStart
from boomtown.actors.runtime.runtime_errors import DurableObjectError
from boomtown.actors.runtime.storage import Transaction
from boomtown.testing.manual_clock import run_passes
from support.storage_bench import StorageBench, set_alarm_durably


@pytest.fixture
async def bench(tmp_path: Path) -> StorageBench:
    return StorageBench(tmp_path)


async def test_case_127_an_alarm_is_what_was_set(bench: StorageBench) -> None:
    assert await bench.storage.get_alarm() is None
    at_ms = await set_alarm_durably(bench, 1000)
    assert await bench.storage.get_alarm() == at_ms
    assert await bench.crashed().get_alarm() == at_ms
    moment = datetime.fromtimestamp(at_ms // 1000 + 9, UTC)
    await bench.storage.set_alarm(moment)
    assert await bench.storage.get_alarm() == (at_ms // 1000 + 9) * 1000


async def test_case_129_the_handler_sees_no_alarm_and_leaves_none(bench: StorageBench) -> None:
    at_ms = await set_alarm_durably(bench, 10)
    assert bench.storage.begin_alarm(at_ms) is AlarmStart.RUN
    assert await bench.storage.get_alarm() is None
    await bench.storage.finish_alarm()
    assert await bench.storage.get_alarm() is None
    assert bench.registry.registered == [None]
    assert await bench.crashed().get_alarm() is None


async def test_case_132_an_alarm_set_in_the_handler_stays(bench: StorageBench) -> None:
    at_ms = await set_alarm_durably(bench, 10)
    bench.storage.begin_alarm(at_ms)
    await bench.storage.set_alarm(at_ms + 50)
    assert await bench.storage.get_alarm() == at_ms + 50
    await bench.storage.finish_alarm()
    assert await bench.crashed().get_alarm() == at_ms + 50


async def test_case_131_delete_in_the_handler_leaves_nothing_to_retry(
    bench: StorageBench,
) -> None:
    at_ms = await set_alarm_durably(bench, 10)
    bench.storage.begin_alarm(at_ms)
    await bench.storage.delete_alarm()
    bench.storage.fail_alarm()
    await bench.settle()
    assert await bench.storage.get_alarm() is None
    assert bench.registry.registered == [None]


async def test_case_133_after_a_failure_the_old_alarm_is_seen(bench: StorageBench) -> None:
    at_ms = await set_alarm_durably(bench, 10)
    bench.storage.begin_alarm(at_ms)
    bench.storage.fail_alarm()
    assert await bench.storage.get_alarm() == at_ms
    assert bench.storage.begin_alarm(at_ms) is AlarmStart.RUN


async def test_case_134_the_same_instant_again_writes_nothing(bench: StorageBench) -> None:
    at_ms = await set_alarm_durably(bench, 1000)
    await bench.storage.set_alarm(at_ms)
    assert not bench.gate.wants_commit
    assert not bench.gate.is_held


async def test_case_135_an_earlier_alarm_is_registered_before_the_commit(
    bench: StorageBench,
) -> None:
    at_ms = await set_alarm_durably(bench, 1000)
    bench.registry.holds = True
    await bench.storage.set_alarm(at_ms - 500)
    bench.end_turn()
    await run_passes()
    assert bench.registry.registered == [at_ms - 500]
    assert bench.database.is_in_transaction  # the commit waits for the index
    bench.registry.release()
    await run_passes()
    assert not bench.database.is_in_transaction
    assert not bench.gate.is_held


async def test_case_136_a_later_alarm_is_registered_after_the_commit_is_durable(
    bench: StorageBench,
) -> None:
    at_ms = await set_alarm_durably(bench, 1000)
    await bench.storage.set_alarm(at_ms + 500)
    bench.end_turn()
    assert bench.registry.registered == []
    await run_passes()
    assert bench.registry.registered == [at_ms + 500]
    await bench.storage.delete_alarm()
    bench.end_turn()
    assert bench.registry.registered == [at_ms + 500]
    await run_passes()
    assert bench.registry.registered == [at_ms + 500, None]


async def test_case_137_earlier_moves_in_flight_become_one_commit(bench: StorageBench) -> None:
    at_ms = await set_alarm_durably(bench, 5)
    bench.registry.holds = True
    syncs = len(bench.flush.synced)
    for earlier_ms in (1, 2, 3, 4):
        await bench.storage.set_alarm(at_ms - earlier_ms)
        bench.end_turn()
        if earlier_ms == 3:  # the index has the first; two more moves came meanwhile
            bench.registry.release()
            await run_passes()
    bench.registry.release()
    await run_passes()
    bench.registry.release()
    await run_passes()
    assert bench.registry.registered == [at_ms - 1, at_ms - 3, at_ms - 4]
    assert len(bench.flush.synced) == syncs + 1
    assert await bench.crashed().get_alarm() == at_ms - 4


async def test_case_138_later_moves_in_flight_are_followed_by_the_newest(
    bench: StorageBench,
) -> None:
    at_ms = await set_alarm_durably(bench, 1000)
    bench.registry.holds = True
    for later_ms in (1, 2, 3, 4):
        await bench.storage.set_alarm(at_ms + later_ms)
        await bench.settle()
    assert bench.registry.registered == [at_ms + 1]
    bench.registry.release()
    await run_passes()
    assert bench.registry.registered == [at_ms + 1, at_ms + 4]


async def test_case_139_an_index_that_refuses(bench: StorageBench) -> None:
    at_ms = await set_alarm_durably(bench, 1000)
    bench.registry.failure = OSError("no index")
    await bench.storage.set_alarm(at_ms + 1)
    await bench.settle()
    assert bench.gate.reasons == []
    await bench.storage.set_alarm(at_ms - 1)
    await bench.settle()
    (reason,) = bench.gate.reasons
    assert isinstance(reason, DurableObjectError)
    assert await bench.crashed().get_alarm() == at_ms + 1


async def test_case_140_a_delivery_without_an_alarm_is_cancelled(bench: StorageBench) -> None:
    assert bench.storage.begin_alarm(bench.clock.now_ms()) is AlarmStart.CANCELLED
    assert bench.registry.registered == [None]


@pytest.mark.parametrize("off_by_ms", [-5, 5])
async def test_case_141_a_delivery_of_another_instant_is_corrected(
    bench: StorageBench, off_by_ms: int
) -> None:
    at_ms = await set_alarm_durably(bench, 1000)
    assert bench.storage.begin_alarm(at_ms + off_by_ms) is AlarmStart.CANCELLED
    assert bench.registry.registered == [at_ms]
    assert await bench.storage.get_alarm() == at_ms


async def test_case_142_a_mismatch_with_an_overdue_alarm_runs(bench: StorageBench) -> None:
    at_ms = await set_alarm_durably(bench, 10)
    await bench.clock.advance_to_ms(at_ms)
    assert bench.storage.begin_alarm(at_ms - 5) is AlarmStart.RUN
    await bench.storage.finish_alarm()
    assert await bench.storage.get_alarm() is None


async def test_case_143_a_mismatch_with_an_unconfirmed_write_runs_and_keeps_it(
    bench: StorageBench,
) -> None:
    at_ms = await set_alarm_durably(bench, 10)
    await bench.storage.set_alarm(at_ms + 500)
    assert bench.storage.begin_alarm(at_ms) is AlarmStart.RUN
    await bench.storage.finish_alarm()
    assert await bench.crashed().get_alarm() == at_ms + 500


async def test_case_144_a_deletion_that_cannot_be_made_durable_breaks_the_object(
    bench: StorageBench,
) -> None:
    at_ms = await set_alarm_durably(bench, 10)
    bench.storage.begin_alarm(at_ms)
    bench.flush.failure = OSError(5, "Input/output error")
    with pytest.raises(DurableObjectError):
        await bench.storage.finish_alarm()
    assert len(bench.gate.reasons) == 1
    assert bench.registry.registered == []  # the index still has it: not lost


@pytest.mark.parametrize("rolls_back", [True, False])
async def test_case_145_a_transaction_in_the_handler(bench: StorageBench, rolls_back: bool) -> None:
    at_ms = await set_alarm_durably(bench, 10)
    bench.storage.begin_alarm(at_ms)

    async def move(txn: Transaction) -> None:
        await txn.set_alarm(at_ms + 50)
        assert await txn.get_alarm() == at_ms + 50
        if rolls_back:
            txn.rollback()

    await bench.storage.transaction(move)
    expected = None if rolls_back else at_ms + 50
    assert await bench.storage.get_alarm() == expected
    await bench.storage.finish_alarm()
    assert await bench.crashed().get_alarm() == expected


async def test_case_146_delete_all_deletes_the_alarm(bench: StorageBench) -> None:
    await set_alarm_durably(bench, 1000)
    await bench.storage.delete_all()
    assert await bench.storage.get_alarm() is None
    assert bench.registry.registered == []
    await bench.settle()
    assert bench.registry.registered == [None]


async def test_case_147_an_alarm_set_after_delete_all_is_not_cancelled(
    bench: StorageBench,
) -> None:
    at_ms = await set_alarm_durably(bench, 1000)
    await bench.storage.delete_all()
    await bench.storage.set_alarm(at_ms + 5)
    await bench.settle()
    assert bench.registry.registered == [at_ms + 5]
    assert await bench.crashed().get_alarm() == at_ms + 5


async def test_case_148_delete_all_in_the_handler(bench: StorageBench) -> None:
    at_ms = await set_alarm_durably(bench, 10)
    bench.storage.begin_alarm(at_ms)
    await bench.storage.delete_all()
    await bench.storage.finish_alarm()
    assert await bench.crashed().get_alarm() is None


async def test_case_152_an_alarm_set_before_the_abandonment_is_kept(
    bench: StorageBench,
) -> None:
    at_ms = await set_alarm_durably(bench, 10)
    await bench.storage.set_alarm(at_ms + 50)
    await bench.storage.abandon_alarm(at_ms)
    await bench.settle()
    assert await bench.storage.get_alarm() == at_ms + 50


async def test_case_153_abandoning_clears_only_that_alarm(bench: StorageBench) -> None:
    at_ms = await set_alarm_durably(bench, 10)
    await bench.storage.abandon_alarm(at_ms - 1)
    assert await bench.storage.get_alarm() == at_ms
    await bench.storage.abandon_alarm(at_ms)
    assert await bench.crashed().get_alarm() is None


async def test_case_156_a_class_without_a_handler_cannot_set_one(tmp_path: Path) -> None:
    bench = StorageBench(tmp_path, has_alarm=False)
    with pytest.raises(TypeError, match="handler"):
        bench.storage.set_alarm(bench.clock.now_ms())


async def test_case_157_instants(bench: StorageBench) -> None:
    for refused in (0, -1, 0.5):
        with pytest.raises(TypeError, match="epoch"):
            bench.storage.set_alarm(refused)
    await bench.storage.set_alarm(1)
    assert await bench.storage.get_alarm() == bench.clock.now_ms()
