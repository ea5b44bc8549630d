"""Scripts of the cases about storage and transactions (E)."""

from __future__ import annotations

from support.case_operations import (
    BUMP,
    DELETE_ALL,
    GET_ALARM,
    PAUSE,
    ROLLBACK,
    SYNC,
    Script,
    call,
    get,
    op,
    put,
    sql,
    throw,
    transaction,
    transaction_sync,
)

ABORT = op("abort", reason="stop here")
FUTURE_MS = 4_000_000_000_000
FILLED = call(*(put(key, number) for number, key in enumerate(("b", "a", "ab", "c", "é", "B"))))


def kv_put(key: str, number: int) -> dict[str, object]:
    return op("kv_put", key=key, value=["int", number])


def listed(**options: object) -> dict[str, object]:
    return op("list", options=options)


def kv_listed(**options: object) -> dict[str, object]:
    return op("kv_list", options=options)


COUNT = sql("SELECT count(*) AS n FROM t", mode="one")
MAKE = sql("CREATE TABLE t (a)")
ADD = sql("INSERT INTO t VALUES (1)")

CASES: dict[int, Script] = {
    76: [
        call(
            op("kv_get", key="missing"),
            kv_put("a", 7),
            op("kv_get", key="a"),
            get("missing"),
            put("b", "text"),
            get("b"),
            op("get_many", keys=["b", "missing", "a"]),
        )
    ],
    77: [
        FILLED,
        call(
            kv_listed(),
            kv_listed(reverse=True),
            kv_listed(limit=2),
            kv_listed(reverse=True, limit=1),
            listed(reverse=True, limit=2),
        ),
    ],
    78: [
        FILLED,
        call(
            kv_listed(prefix="a"),
            kv_listed(start="ab"),
            kv_listed(start_after="ab"),
            kv_listed(end="b"),
            kv_listed(start="a", end="b"),
            listed(start="b", end="a"),
            listed(prefix="a", start="aa"),
        ),
    ],
    79: [
        call(
            listed(start="a", start_after="a"),
            listed(limit=0),
            listed(limit=-1),
            kv_listed(start="a", start_after="a"),
            kv_listed(limit=0),
        )
    ],
    80: [FILLED, call(op("kv_list_twice", options={}), kv_listed(limit=1))],
    81: [
        call(
            op("kv_delete", key="a"),
            kv_put("a", 1),
            op("kv_delete", key="a"),
            op("delete", key="a"),
            put("b", 1),
            op("delete", key="b"),
            op("delete_many", keys=["b", "c"]),
        )
    ],
    82: [
        call(
            op("put_many", entries=[["a", ["undefined"]], ["b", ["int", 1]]]),
            op("put", key="a", value=["undefined"]),
            listed(),
        )
    ],
    # past both limits: 4 MiB here, 8 MiB and 34 bytes in this version of workerd
    83: [call(op("put_many_long", times=(16 << 20) + 1), get("a"), listed())],
    84: [call(op("long_key", times=4_000_000))],
    85: [call(put("a", 1), throw()), call(get("a"))],
    86: [call(transaction(put("a", 1), get("a"))), call(get("a"))],
    87: [
        call(put("before", 1), transaction(put("inside", 2), throw())),
        call(get("before"), get("inside")),
    ],
    88: [
        call(put("a", 1), transaction(put("a", 2), ROLLBACK), get("a")),
        call(transaction(ROLLBACK, get("a"), put("a", 3)), get("a")),
    ],
    89: [
        call(put("a", 1), BUMP, transaction(put("a", 2), throw()), get("a"), BUMP),
    ],
    90: [
        call(transaction(put("a", 1), transaction(put("b", 2)), get("b"), ROLLBACK)),
        call(get("a"), get("b")),
    ],
    91: [
        call(transaction_sync(MAKE, ADD, throw()), COUNT),
        call(transaction_sync(MAKE, ADD), COUNT),
    ],
    92: [
        call(
            MAKE,
            transaction_sync(ADD, transaction_sync(ADD, ADD, throw()), COUNT),
            COUNT,
        ),
    ],
    93: [
        call(transaction(put("a", 1), ROLLBACK), get("a"), put("a", 2)),
        call(get("a")),
    ],
    94: [
        call(transaction(op("set_alarm", at_ms=FUTURE_MS), GET_ALARM, ROLLBACK), GET_ALARM),
        call(GET_ALARM),
    ],
    95: [call(put("a", 1), DELETE_ALL, get("a"), listed()), call(get("a"))],
    96: [
        call(op("increment", key="n"), op("increment", key="n")),
        call(DELETE_ALL),
        call(op("increment", key="n"), MAKE, COUNT),
    ],
    97: [
        call(put("a", 1), transaction(DELETE_ALL, get("a")), get("a")),
    ],
    98: [call(put("a", 1), DELETE_ALL, DELETE_ALL), call(DELETE_ALL, PAUSE, DELETE_ALL, SYNC)],
}
