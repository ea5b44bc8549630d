"""The words in which the scripts of single conformance cases are written.

A case's script is a list of calls, as a generated one is (conformance_scripts.py), with more kinds
of calls: `together` starts several on one stub, `identity` asks the namespace, `sockets` is a
client, `plan` says what the next constructor does, `wait_ms` lets time pass. `stub` names a stub
that is kept for the whole script; without it each call has a new one.
"""

from __future__ import annotations

from typing import Any

Operation = dict[str, Any]
Call = dict[str, Any]
Script = list[Call]


def op(name: str, /, **fields: Any) -> Operation:
    """One operation."""
    return {"op": name, **fields}


def call(*operations: Operation, **fields: Any) -> Call:
    """One call of the object; `stub` and `object` may be given."""
    return {"operations": list(operations), **fields}


def together(*calls: list[Operation]) -> Call:
    """Calls that one stub begins in this order, before any of them is answered."""
    return {"together": list(calls)}


def identity(*operations: Operation) -> Call:
    """What is asked of the namespace."""
    return {"identity": list(operations)}


def sockets(*steps: Operation) -> Call:
    """What a client of web sockets does, and the object in between."""
    return {"sockets": list(steps)}


def plan(what: str) -> Call:
    """Say what the next constructor of the object does: `throws` or `waits`."""
    return {"plan": what}


def wait_ms(span_ms: int) -> Call:
    """Let time pass."""
    return {"wait_ms": span_ms}


def wait_alarm(within_ms: int = 1) -> Call:
    """What a run of the alarm handler said; it is due within so many ms."""
    return {"wait_alarm": True, "within_ms": within_ms}


def literal(value: Any) -> list[Any]:
    """A value in the tagged form of scripts."""
    match value:
        case None:
            return ["null"]
        case bool():
            return ["bool", value]
        case int():
            return ["int", value]
        case str():
            return ["str", value]
        case bytes():
            return ["bytes", value.hex()]
        case _:
            raise AssertionError(f"no literal for {value!r}")


def get(key: str) -> Operation:
    return op("get", key=key)


def put(key: str, value: Any, **fields: Any) -> Operation:
    return op("put", key=key, value=literal(value), **fields)


def sql(text: str, *bindings: Any, mode: str = "array") -> Operation:
    return op("sql", text=text, bindings=[literal(each) for each in bindings], mode=mode)


def cursor(text: str, *steps: str) -> Operation:
    """What each step on one cursor says."""
    return op("cursor", text=text, steps=list(steps))


def transaction(*body: Operation, **fields: Any) -> Operation:
    return op("transaction", body=list(body), catches=True, **fields)


def transaction_sync(*body: Operation) -> Operation:
    return op("transaction_sync", body=list(body), catches=True)


def block(*body: Operation) -> Operation:
    return op("block", body=list(body))


def log(word: str) -> Operation:
    """Note a word in the object's memory."""
    return op("log", word=word)


def throw() -> Operation:
    return op("throw", reason="thrown on purpose")


def on_alarm(*body: Operation, then: list[Operation] | None = None) -> Operation:
    """What the alarm handler does, and what it does from its second run on."""
    return op("handle_alarm", body=list(body), then=then)


ROLLBACK = op("rollback")
PAUSE = op("pause")
SYNC = op("sync")
BUMP = op("bump")
READ_LOG = op("read_log")
GET_ALARM = op("get_alarm")
DELETE_ALARM = op("delete_alarm")
DELETE_ALL = op("delete_all")
ALARM_RUNS = op("alarm_runs")
ALARM_NOW = op("set_alarm", at_ms="now")
