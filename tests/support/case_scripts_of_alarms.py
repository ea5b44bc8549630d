"""Scripts of the cases about alarms (G), as far as they need no long wait."""

from __future__ import annotations

from support.case_operations import (
    ALARM_NOW,
    ALARM_RUNS,
    BUMP,
    DELETE_ALARM,
    DELETE_ALL,
    GET_ALARM,
    ROLLBACK,
    SYNC,
    Script,
    call,
    get,
    on_alarm,
    op,
    put,
    throw,
    transaction,
    wait_alarm,
    wait_ms,
)

FUTURE_MS = 4_000_000_000_000
RETRY_MS = 2_600  # the first retry is due after 2 s, and a quarter of that at most


def alarm_at(at_ms: int) -> dict[str, object]:
    return op("set_alarm", at_ms=at_ms)


def alarm_in(span_ms: int) -> dict[str, object]:
    return op("set_alarm", at_ms=["in", span_ms])


CASES: dict[int, Script] = {
    127: [
        call(GET_ALARM, alarm_at(FUTURE_MS), GET_ALARM),
        call(GET_ALARM, op("set_date", at_ms=FUTURE_MS + 5000), GET_ALARM),
    ],
    128: [
        call(on_alarm(op("alarm_info")), alarm_in(150)),
        call(ALARM_RUNS),
        wait_alarm(150),
        call(ALARM_RUNS),
    ],
    129: [call(on_alarm(GET_ALARM), ALARM_NOW), wait_alarm(), wait_ms(50), call(GET_ALARM)],
    130: [
        call(alarm_in(150), DELETE_ALARM, GET_ALARM),
        call(alarm_in(150)),
        call(DELETE_ALARM),
        wait_ms(400),
        call(ALARM_RUNS),
    ],
    131: [
        call(on_alarm(DELETE_ALARM, GET_ALARM), ALARM_NOW),
        wait_alarm(),
        call(alarm_in(100), DELETE_ALARM),
        wait_ms(300),
        call(ALARM_RUNS, GET_ALARM),
    ],
    132: [
        call(on_alarm(alarm_at(FUTURE_MS), GET_ALARM), ALARM_NOW),
        wait_alarm(),
        wait_ms(50),
        call(GET_ALARM),
    ],
    133: [
        call(on_alarm(throw(), then=[op("alarm_info"), GET_ALARM]), ALARM_NOW),
        wait_alarm(),
        wait_ms(50),
        call(GET_ALARM),
        wait_alarm(RETRY_MS),
    ],
    134: [
        call(alarm_at(FUTURE_MS)),
        call(alarm_at(FUTURE_MS), GET_ALARM),
        call(GET_ALARM),
    ],
    135: [
        call(alarm_at(FUTURE_MS)),
        call(on_alarm(GET_ALARM), ALARM_NOW, GET_ALARM),
        wait_alarm(),
    ],
    136: [
        call(alarm_in(150)),
        call(alarm_at(FUTURE_MS), GET_ALARM),
        wait_ms(400),
        call(ALARM_RUNS, GET_ALARM),
    ],
    137: [
        call(on_alarm(op("alarm_info")), *(alarm_in(span) for span in (250, 200, 150))),
        call(alarm_in(100)),
        wait_alarm(100),
        wait_ms(300),
        call(ALARM_RUNS),
    ],
    145: [
        call(
            on_alarm(
                transaction(alarm_at(FUTURE_MS), GET_ALARM, ROLLBACK),
                GET_ALARM,
                then=[transaction(alarm_at(FUTURE_MS)), GET_ALARM],
            ),
            ALARM_NOW,
        ),
        wait_alarm(),
        wait_ms(50),
        call(GET_ALARM, ALARM_NOW),
        wait_alarm(),
        wait_ms(50),
        call(GET_ALARM),
    ],
    146: [call(alarm_at(FUTURE_MS)), call(DELETE_ALL, GET_ALARM), call(GET_ALARM)],
    147: [
        call(alarm_at(FUTURE_MS)),
        call(on_alarm(GET_ALARM), DELETE_ALL, alarm_in(100)),
        wait_alarm(100),
    ],
    148: [
        call(put("a", 1), on_alarm(DELETE_ALL, get("a"), GET_ALARM), ALARM_NOW),
        wait_alarm(),
        wait_ms(50),
        call(GET_ALARM, get("a"), ALARM_RUNS),
    ],
    150: [
        call(on_alarm(ALARM_NOW, throw(), then=[op("alarm_info"), GET_ALARM]), ALARM_NOW),
        wait_alarm(),
        wait_alarm(5),
        wait_ms(RETRY_MS),
        call(ALARM_RUNS, GET_ALARM),
    ],
    151: [
        call(on_alarm(put("ran", 1), SYNC, op("abort", drop_alarm=True)), ALARM_NOW),
        wait_ms(3_000),
        call(get("ran"), GET_ALARM, ALARM_RUNS, BUMP),
    ],
    156: [{"plain": True}],
    157: [
        call(alarm_at(0), alarm_at(-1), GET_ALARM),
        call(on_alarm(GET_ALARM), alarm_at(1)),
        wait_alarm(),
    ],
}
