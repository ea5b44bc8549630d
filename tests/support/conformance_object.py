"""The durable object that runs scripts on this runtime: the twin of differential/script_worker.js.

What an operation says is `{"value": tagged}` or `{"error": class, "code": SQLite's}`, the class
by JavaScript's name. One that fails does not end its call, as a handler that catches would not;
`throw` does.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from typing import Any

from boomtown.actors import (
    AlarmInfo,
    DataCloneError,
    DurableObject,
    DurableObjectError,
    DurableObjectState,
    Env,
)
from boomtown.wire import decode_json, encode_json
from support.conformance_values import from_tagged, to_tagged

Operation = dict[str, Any]
Result = dict[str, Any]

ALARM_WAIT_S = 3.0  # real time, reached only where an alarm is lost
NOW_MS = 3_600_000  # an instant this near to the clock is "now"
SQLITE_CODE = re.compile(r"SQLITE_[A-Z]+")


class Ended(Exception):
    """What the operation `throw` raises."""


def failure(error: BaseException) -> Result:
    """`error` by the name that JavaScript has for its class."""
    match error:
        case DataCloneError():
            name = "DataCloneError"
        case TypeError():
            name = "TypeError"
        case ValueError():
            name = "RangeError"
        case _:
            name = "Error"
    code = SQLITE_CODE.search(str(error))
    return {"error": name, "code": code.group() if code else None, "message": str(error)}


class Script(DurableObject):
    """Runs the operations of a call, in their order."""

    def __init__(self, ctx: DurableObjectState, env: Env) -> None:
        super().__init__(ctx, env)
        self._calls = 0
        self._handler: list[Operation] = []
        self._ran: list[list[Result]] = []
        self._has_run = asyncio.Event()
        storage = ctx.storage
        self._asynchronous: dict[str, Callable[[Operation, Any], Awaitable[Any]]] = {
            "get": lambda each, target: target.get(each["key"]),
            "get_many": lambda each, _: storage.get(each["keys"]),
            "put": self._put,
            "put_many": self._put_many,
            "delete": self._delete,
            "delete_many": lambda each, _: storage.delete(each["keys"]),
            "list": lambda each, _: storage.list(**each["options"]),
            "delete_alarm": lambda _, target: target.delete_alarm(),
            "set_alarm": self._set_alarm,
            "delete_all": lambda _, target: target.delete_all(),
            "sync": lambda _, __: storage.sync(),
            "pause": lambda _, __: asyncio.sleep(0),
        }
        self._tagged: dict[str, Callable[[Operation, Any], Awaitable[list[Any]]]] = {
            "get_alarm": self._get_alarm,
            "transaction": self._transact,
            "block": self._block,
        }

    async def run(self, text: str) -> str:
        results = await self._run_all(decode_json(text.encode()), self.ctx.storage)
        return encode_json(results).decode()

    async def alarm(self, info: AlarmInfo) -> None:
        said: list[Result] = [{"value": to_tagged(info.retry_count)}]
        said.extend(await self._run_all(self._handler, self.ctx.storage))
        self._ran.append(said)
        self._has_run.set()

    async def alarm_results(self) -> str:
        said: list[Result] = [{"value": ["str", "no alarm rang"]}]
        if not self._ran:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._has_run.wait(), ALARM_WAIT_S)
        return encode_json(self._ran.pop(0) if self._ran else said).decode()

    async def _run_all(self, operations: list[Operation], target: Any) -> list[Result]:
        return [await self._attempt(each, target) for each in operations]

    async def _attempt(self, operation: Operation, target: Any) -> Result:
        try:
            return {"value": await self._perform(operation, target)}
        except Ended:
            raise
        except Exception as error:
            return failure(error)

    def _attempt_sync(self, operation: Operation) -> Result:
        try:
            return {"value": self._perform_sync(operation)}
        except Ended:
            raise
        except Exception as error:
            return failure(error)

    async def _perform(self, operation: Operation, target: Any) -> list[Any]:
        name = operation["op"]
        if name in self._asynchronous:
            return to_tagged(await self._asynchronous[name](operation, target))
        if name in self._tagged:
            return await self._tagged[name](operation, target)
        match name:
            case "bump":
                self._calls += 1
                return to_tagged(self._calls)
            case "abort":
                self.ctx.abort(operation["reason"])
            case "rollback":
                return to_tagged(target.rollback())
            case "handle_alarm":
                self._handler = operation["body"]
                return to_tagged(None)
            case _:
                return self._perform_sync(operation)

    def _perform_sync(self, operation: Operation) -> list[Any]:
        kv = self.ctx.storage.kv
        match operation["op"]:
            case "kv_get":
                return to_tagged(kv.get(operation["key"]))
            case "kv_put":
                kv.put(operation["key"], from_tagged(operation["value"]))
                return to_tagged(None)
            case "kv_delete":
                return to_tagged(kv.delete(operation["key"]))
            case "kv_list":
                entries: list[Any] = []
                for entry in kv.list(**operation["options"]):
                    if len(entries) >= operation.get("take", 1 << 30):
                        break
                    entries.append(entry)
                return to_tagged(entries)
            case "kv_list_twice":
                older = kv.list(**operation["options"])
                next(kv.list(**operation["options"]), None)
                return to_tagged(list(older))
            case "sql":
                return self._run_sql(operation)
            case "transaction_sync":
                return self._transact_sync(operation)
            case "throw":
                raise Ended(operation["reason"])
            case name:
                raise AssertionError(f"no operation {name}")

    def _run_sql(self, operation: Operation) -> list[Any]:
        bindings = [from_tagged(each) for each in operation.get("bindings", ())]
        cursor = self.ctx.storage.sql.exec(operation["text"], *bindings)
        match operation.get("mode"):
            case "raw":
                return to_tagged(list(cursor.raw()))
            case "one":
                return to_tagged(cursor.one())
            case "next":
                return to_tagged(cursor.next())
            case "columns":
                cursor.to_array()
                return to_tagged(list(cursor.column_names))
            case "written":
                cursor.to_array()
                return to_tagged(cursor.rows_written)
            case _:
                return to_tagged(cursor.to_array())

    async def _put(self, each: Operation, target: Any) -> None:
        value = from_tagged(each["value"])
        await target.put(each["key"], value, allow_unconfirmed=each.get("unconfirmed", False))

    async def _put_many(self, each: Operation, _: Any) -> None:
        entries = {key: from_tagged(value) for key, value in each["entries"]}
        await self.ctx.storage.put(entries, allow_unconfirmed=each.get("unconfirmed", False))

    async def _delete(self, each: Operation, target: Any) -> Any:
        return await target.delete(each["key"], allow_unconfirmed=each.get("unconfirmed", False))

    async def _set_alarm(self, each: Operation, target: Any) -> None:
        at_ms = self.env.CLOCK.now_ms() if each["at_ms"] == "now" else each["at_ms"]
        await target.set_alarm(at_ms)

    async def _get_alarm(self, _: Operation, target: Any) -> list[Any]:
        at_ms = await target.get_alarm()
        is_now = at_ms is not None and abs(at_ms - self.env.CLOCK.now_ms()) < NOW_MS
        return ["str", "now"] if is_now else to_tagged(at_ms)

    async def _transact(self, operation: Operation, _: Any) -> list[Any]:
        inner: list[Result] = []

        async def callback(txn: Any) -> str:
            inner.extend(await self._run_all(operation["body"], txn))
            return "done"

        try:
            value = await self.ctx.storage.transaction(callback)
        except Ended as error:
            return caught(error, operation)
        return ["list", [to_tagged(value), ["results", inner]]]

    def _transact_sync(self, operation: Operation) -> list[Any]:
        inner: list[Result] = []

        def callback() -> str:
            inner.extend(self._attempt_sync(each) for each in operation["body"])
            return "done"

        try:
            value = self.ctx.storage.transaction_sync(callback)
        except Ended as error:
            return caught(error, operation)
        return ["list", [to_tagged(value), ["results", inner]]]

    async def _block(self, operation: Operation, _: Any) -> list[Any]:
        async def section() -> list[Result]:
            return await self._run_all(operation["body"], self.ctx.storage)

        return ["results", await self.ctx.block_concurrency_while(section)]


def caught(error: Ended, operation: Operation) -> list[Any]:
    if not operation.get("catches"):
        raise error
    return ["str", f"caught {error}"]


def call_failure(error: Exception) -> dict[str, Any]:
    """What the caller of an object sees of a call that failed."""
    ours = error if isinstance(error, DurableObjectError) else DurableObjectError("")
    return {
        "failed": failure(error),
        "reset": ours.durable_object_reset,
        "overloaded": ours.overloaded,
        "retryable": ours.retryable,
    }
