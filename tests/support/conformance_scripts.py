"""Scripts for the differential harness: made from a seed, hashed, counted, and made smaller.

A script is a list of calls to one object; a call is a list of operations, or the wait for the
alarm that the call before it set to now. Operations nest in transactions and critical sections.
Keys are few, so that operations meet; the tables are made by the operations that use them, so
that a script stays one when parts of it are taken away.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from boomtown.entropy import Entropy, SeededEntropy
from boomtown.wire import encode_json
from support.conformance_statements import chosen_statement
from support.conformance_values import chosen_value

Operation = dict[str, Any]
Call = dict[str, Any]
Script = list[Call]

OPERATIONS_MAX = 40
FUTURE_MS = 4_000_000_000_000
KEYS = ("a", "b", "c", "aa", "ab", "B", "é", "日", "k1", "k10", "k2", "")
# name -> weight; the counts of docs/conformance.json are what comes of them
WEIGHTS = {
    "get": 8,
    "get_many": 3,
    "put": 12,
    "put_many": 4,
    "delete": 4,
    "delete_many": 2,
    "list": 6,
    "kv_get": 4,
    "kv_put": 6,
    "kv_delete": 3,
    "kv_list": 4,
    "kv_list_twice": 1,
    "sql": 22,
    "get_alarm": 5,
    "set_alarm": 6,
    "delete_alarm": 3,
    "delete_all": 3,
    "sync": 3,
    "pause": 3,
    "bump": 3,
    "abort": 3,
    "throw": 2,
    "transaction": 9,
    "transaction_sync": 6,
    "block": 4,
}
SYNCHRONOUS = ("kv_get", "kv_put", "kv_delete", "kv_list", "sql", "transaction_sync")
ON_TRANSACTION = ("get", "put", "delete", "get_alarm", "set_alarm", "delete_alarm", "delete_all")
IN_TRANSACTION = (*ON_TRANSACTION, "kv_get", "kv_put", "kv_list", "sql", "transaction")
IN_HANDLER = tuple(
    name for name in WEIGHTS if name not in ("abort", "throw", "block", "sync", "pause")
)
IN_BLOCK = tuple(name for name in WEIGHTS if name not in ("abort", "throw"))
ENDS = ("return", "return", "rollback", "throw")
DEPTH_MAX = 3


class ScriptMaker:
    """Makes one script."""

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._left = 1 + self._below(OPERATIONS_MAX)

    def script(self) -> Script:
        calls: Script = []
        while self._left > 0:
            if self._left >= 6 and self._below(12) == 0:
                calls.extend(self._alarm_calls())
            else:
                calls.append({"operations": self._operations(tuple(WEIGHTS), 8, depth=0)})
        return calls

    def _below(self, bound: int) -> int:
        return self._entropy.below(bound, label="script")

    def _pick(self, items: tuple[Any, ...]) -> Any:
        return items[self._below(len(items))]

    def _alarm_calls(self) -> list[Call]:
        self._left -= 2
        body = self._operations(IN_HANDLER, 4, depth=1)
        for each in operations_of([{"operations": body}]):
            if "body" in each:
                each["catches"] = True  # a handler that fails is retried after 2 s of real time
        ringing: list[Operation] = [
            {"op": "handle_alarm", "body": body},
            {"op": "set_alarm", "at_ms": "now"},
        ]
        return [{"operations": ringing}, {"wait_alarm": True}]

    def _operations(self, names: tuple[str, ...], most: int, *, depth: int) -> list[Operation]:
        weighted = tuple(name for name in names for _ in range(WEIGHTS[name]))
        made: list[Operation] = []
        for _ in range(1 + self._below(most)):
            if self._left <= 0:
                break
            self._left -= 1
            operation = self._operation(self._pick(weighted), depth=depth)
            if depth == 0 and operation["op"] == "abort" and _commits_an_alarm(made):
                made.append({"op": "sync"})
            made.append(operation)
            if operation["op"] in ("abort", "throw"):
                break
        return made

    def _operation(self, name: str, *, depth: int) -> Operation:
        makers: dict[str, Callable[[], Operation]] = {
            "get": self._keyed,
            "kv_get": self._keyed,
            "delete": self._keyed,
            "kv_delete": self._keyed,
            "get_many": lambda: {"keys": self._keys()},
            "delete_many": lambda: {"keys": self._keys()},
            "put": lambda: {**self._keyed(), "value": self._value(), **self._confirmation()},
            "kv_put": lambda: {**self._keyed(), "value": self._value(undefined="null")},
            "put_many": self._entries,
            "list": lambda: {"options": self._options()},
            "kv_list": lambda: {"options": self._options(), **self._taken()},
            "kv_list_twice": lambda: {"options": {}},
            "sql": lambda: chosen_statement(self._entropy),
            "set_alarm": lambda: {"at_ms": FUTURE_MS + 1000 * self._below(4)},
            "abort": lambda: {"reason": f"reason {self._below(9)}"},
            "throw": lambda: {"reason": f"thrown {self._below(9)}"},
            "transaction": lambda: self._nested(IN_TRANSACTION, depth=depth, rolls_back=True),
            "transaction_sync": lambda: self._nested(SYNCHRONOUS, depth=depth, rolls_back=False),
            "block": lambda: self._block(depth=depth),
        }
        return {"op": name, **(makers[name]() if name in makers else {})}

    def _keyed(self) -> Operation:
        return {"key": self._pick(KEYS)}

    def _keys(self) -> list[str]:
        return [self._pick(KEYS) for _ in range(self._below(5))]

    def _value(self, *, undefined: str = "undefined") -> list[Any]:
        unusual = self._below(40)
        if unusual == 0:
            return [undefined]
        return ["function"] if unusual == 1 else chosen_value(self._entropy)

    def _confirmation(self) -> Operation:
        return {"unconfirmed": True} if self._below(4) == 0 else {}

    def _entries(self) -> Operation:
        entries = {key: self._value() for key in self._keys()}
        return {"entries": [[key, value] for key, value in entries.items()]}

    def _options(self) -> Operation:
        chosen: Operation = {}
        for name in ("start", "start_after", "end", "prefix"):
            if self._below(4) == 0:
                chosen[name] = self._pick(KEYS)
        if self._below(4) == 0:
            chosen["reverse"] = self._below(2) == 1
        if self._below(3) == 0:
            chosen["limit"] = self._below(5)
        return chosen

    def _taken(self) -> Operation:
        return {"take": self._below(3)} if self._below(3) == 0 else {}

    def _nested(self, names: tuple[str, ...], *, depth: int, rolls_back: bool) -> Operation:
        if depth >= DEPTH_MAX:
            names = tuple(name for name in names if not name.startswith("transaction"))
        body = self._operations(names, 5, depth=depth + 1)
        end = self._pick(ENDS)
        if end == "throw" or (end == "rollback" and not rolls_back):
            body.append({"op": "throw", "reason": "undone"})
        elif end == "rollback":
            body.append({"op": "rollback"})
            body.extend(self._operations(ON_TRANSACTION, 2, depth=depth + 1))
        return {"body": body, "catches": self._below(5) > 0}

    def _block(self, *, depth: int) -> Operation:
        names = IN_BLOCK if depth < DEPTH_MAX else SYNCHRONOUS[:5]
        body = self._operations(names, 4, depth=depth + 1)
        has_section = any(each["op"] == "block" for each in operations_of([{"operations": body}]))
        if depth == 0 and not has_section and self._below(8) == 0:
            body.append({"op": "throw", "reason": "section"})
        return {"body": body}


def make_script(seed: int) -> Script:
    """The script of that seed, always the same."""
    return ScriptMaker(SeededEntropy(seed)).script()


def script_hash(script: Script) -> str:
    """Sixteen hexadecimal digits of the script's text."""
    return hashlib.sha256(encode_json(script)).hexdigest()[:16]


def operations_of(script: Script) -> Iterator[Operation]:
    """Every operation, the nested ones too."""
    pending = [each for call in reversed(script) for each in reversed(call.get("operations", ()))]
    while pending:
        operation = pending.pop()
        yield operation
        pending.extend(reversed(operation.get("body", ())))


def _commits_an_alarm(operations: list[Operation]) -> bool:
    """Whether they commit an alarm before their end: here that takes a write of the index first,
    which an abort may overtake (listed in docs/conformance.md)."""
    nested = [each["op"] for each in operations_of([{"operations": operations}])]
    return "set_alarm" in nested and any(name in nested for name in ("block", "pause"))


def operation_counts(script: Script) -> Counter[str]:
    """How often each operation occurs; `throw` in a transaction counts as a rollback too."""
    counts: Counter[str] = Counter()
    for operation in operations_of(script):
        counts[operation["op"]] += 1
        if operation["op"].startswith("transaction"):
            counts["rollback"] += sum(each["op"] == "throw" for each in operation["body"])
    return counts


def smaller_scripts(script: Script) -> Iterator[Script]:
    """The script without one of its calls or operations, the larger parts first."""
    for index in range(len(script)):
        rest = [*script[:index], *script[index + 1 :]]
        if all(awaits_ringing(rest, place) for place in range(len(rest))):
            yield rest
    for index, call in enumerate(script):
        for operations in smaller_lists(call.get("operations", [])):
            rest = [*script[:index], {**call, "operations": operations}, *script[index + 1 :]]
            if index + 1 == len(rest) or awaits_ringing(rest, index + 1):
                yield rest


def awaits_ringing(script: Script, index: int) -> bool:
    """Whether the call there does not wait for an alarm that nobody set."""
    if not script[index].get("wait_alarm"):
        return True
    return index > 0 and any(
        each.get("at_ms") == "now" for each in script[index - 1].get("operations", ())
    )


def smaller_lists(operations: list[Operation]) -> Iterator[list[Operation]]:
    for index, operation in enumerate(operations):
        before, after = operations[:index], operations[index + 1 :]
        yield [*before, *after]
        if "body" in operation:
            yield [*before, *operation["body"], *after]
            for body in smaller_lists(operation["body"]):
                yield [*before, {**operation, "body": body}, *after]
