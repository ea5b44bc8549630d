"""The durable object that runs the scripts of single cases: twin of differential/case_worker.js."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from boomtown.actors import (
    AlarmInfo,
    DurableObject,
    DurableObjectState,
    Env,
    Request,
    Response,
    SqlCursor,
    WebSocket,
    WebSocketPair,
)
from boomtown.wire import decode_json
from support.conformance_object import Ended, Operation, Result, Script, failure
from support.conformance_values import from_tagged, to_tagged

SLACK_MS = 1000  # an instant that has just passed is taken as now


class Plain(DurableObject):
    """Has no alarm handler."""

    async def set_alarm(self) -> None:
        await self.ctx.storage.set_alarm(self.env.CLOCK.now_ms() + 1000)


class Case(Script):
    """Has a log in memory, a background, timers, sections side by side, and web sockets."""

    def __init__(self, ctx: DurableObjectState, env: Env) -> None:
        super().__init__(ctx, env)
        self._words: list[str] = []
        self._alarm_runs = 0
        self._set_at_ms: int | None = None
        self._info: AlarmInfo | None = None
        self._name_in_alarm: str | None = None
        self._then: list[Operation] | None = None
        self._asynchronous |= {
            "increment": self._increment,
            "slow_increment": self._increment_slowly,
            "nest": lambda each, _: self._nest(each["depth"]),
            "long_key": self._put_long_key,
            "put_many_long": lambda each, _: ctx.storage.put({"a": 1, "k" * each["times"]: 2}),
            "set_date": lambda each, _: ctx.storage.set_alarm(
                datetime.fromtimestamp(each["at_ms"] / 1000, UTC)
            ),
        }
        self._tagged |= {"block_beside": self._block_beside, "sections": self._sections}
        plan = env.PLANS.pop(str(ctx.id), None)
        if plan == "throws":
            raise RuntimeError("thrown on purpose")
        if plan == "waits":
            ctx.block_concurrency_while(self._prepare)

    async def alarm(self, info: AlarmInfo) -> None:
        self._alarm_runs += 1
        self._info = info
        self._name_in_alarm = self.ctx.id.name
        try:
            await super().alarm(info)
        except Ended as error:
            self._ran.append([{"value": ["str", str(error)]}])
            self._has_run.set()
            raise
        finally:
            if self._then is not None:
                self._handler = self._then

    async def fetch(self, request: Request) -> Response:
        client, server = WebSocketPair()
        tags: list[str] = decode_json(request.headers["tags"].encode())
        self.ctx.accept_web_socket(server, tags)
        return Response(status=101, web_socket=client)

    async def web_socket_message(self, ws: WebSocket, message: str | bytes) -> None:
        ws.send(f"echo {message}" if isinstance(message, str) else bytes(reversed(message)))

    async def web_socket_close(self, ws: WebSocket, code: int, reason: str, clean: bool) -> None:
        self._words.append(f"closed {code} {reason} {str(clean).lower()}")
        ws.close(4000, "bye")

    async def _perform(self, operation: Operation, target: Any) -> list[Any]:
        match operation["op"]:
            case "own_name":
                return to_tagged(self.ctx.id.name)
            case "log":
                self._words.append(operation["word"])
                return to_tagged(None)
            case "read_log":
                return to_tagged(self._words)
            case "background":
                self.ctx.wait_until(self._do_later(operation["body"]))
                return to_tagged(None)
            case "timer":
                asyncio.get_running_loop().create_task(self._tick(operation["word"]))
                return to_tagged(None)
            case "abort":
                self.ctx.abort(
                    operation.get("reason"), retry_alarm=not operation.get("drop_alarm", False)
                )
            case "alarm_runs":
                return to_tagged(self._alarm_runs)
            case "handle_alarm":
                self._then = operation["then"]
                return await super()._perform(operation, target)
            case "alarm_name":
                return to_tagged(self._name_in_alarm)
            case "alarm_info":
                return to_tagged(self._alarm_facts())
            case _:
                return self._perform_socket(operation) or await super()._perform(operation, target)

    def _perform_socket(self, operation: Operation) -> list[Any] | None:
        match operation["op"]:
            case "sockets_of":
                return to_tagged(len(self.ctx.get_web_sockets(operation.get("tag"))))
            case "broadcast":
                found = self.ctx.get_web_sockets(operation.get("tag"))
                for each in found:
                    each.send(operation["text"])
                return to_tagged([self.ctx.get_tags(each) for each in found])
            case "auto_response":
                self.ctx.set_web_socket_auto_response(operation["request"], operation["response"])
                return to_tagged(None)
            case "attach":
                long = "x" * operation.get("times", 0)
                self.ctx.get_web_sockets()[0].serialize_attachment(
                    long or from_tagged(operation["value"])
                )
                return to_tagged(None)
            case "attached":
                return to_tagged(self.ctx.get_web_sockets()[0].deserialize_attachment())
            case _:
                return None

    def _perform_sync(self, operation: Operation) -> list[Any]:
        sql = self.ctx.storage.sql
        match operation["op"]:
            case "cursor":
                cursor = sql.exec(operation["text"])
                return ["results", [step(cursor, name) for name in operation["steps"]]]
            case "overlap":
                older, newer = sql.exec(operation["text"]), sql.exec(operation["text"])
                return to_tagged([older.next(), newer.to_array(), older.to_array()])
            case "size_in_pages":
                page_size: Any = sql.exec("PRAGMA page_size").one()["page_size"]
                return to_tagged(sql.database_size / page_size)
            case _:
                return super()._perform_sync(operation)

    def _alarm_facts(self) -> list[bool]:
        assert self._info is not None
        due_ms = self._info.scheduled_time
        return [
            self._info.is_retry,
            self._set_at_ms is not None and abs(due_ms - self._set_at_ms) < SLACK_MS,
            self.env.CLOCK.now_ms() >= due_ms,
        ]

    async def _set_alarm(self, each: Operation, target: Any) -> None:
        now_ms: int = self.env.CLOCK.now_ms()
        match each["at_ms"]:
            case "now":
                self._set_at_ms = now_ms
            case ["in", span_ms]:
                self._set_at_ms = now_ms + span_ms
            case at_ms:
                self._set_at_ms = at_ms
        await target.set_alarm(self._set_at_ms)

    async def _prepare(self) -> None:
        await asyncio.sleep(0)
        self._words.append("prepared")

    async def _do_later(self, body: list[Operation]) -> None:
        await asyncio.sleep(0)
        await self._run_all(body, self.ctx.storage)

    async def _tick(self, word: str) -> None:
        await asyncio.sleep(0)
        self._words.append(word)

    async def _increment(self, each: Operation, _: Any) -> int:
        before: int = await self.ctx.storage.get(each["key"]) or 0
        await self.ctx.storage.put(each["key"], before + 1)
        return before + 1

    async def _increment_slowly(self, each: Operation, _: Any) -> int:
        before: int = await self.ctx.storage.get(each["key"]) or 0
        await asyncio.sleep(0)
        await self.ctx.storage.put(each["key"], before + 1)
        return before + 1

    async def _nest(self, depth: int) -> str:
        if depth == 0:
            return "reached"
        try:
            return await self.ctx.block_concurrency_while(lambda: self._nest(depth - 1))
        except Exception:
            return "refused"

    async def _put_long_key(self, each: Operation, _: Any) -> Any:
        key = "k" * each["times"]
        await self.ctx.storage.put(key, 7)
        return await self.ctx.storage.get(key)

    async def _block_beside(self, each: Operation, _: Any) -> list[Any]:
        self.ctx.block_concurrency_while(lambda: self._run_all(each["body"], self.ctx.storage))
        return to_tagged(None)

    async def _sections(self, each: Operation, _: Any) -> list[Any]:
        def begin(body: list[Operation]) -> asyncio.Future[list[Result]]:
            return self.ctx.block_concurrency_while(lambda: self._run_all(body, self.ctx.storage))

        begun = [begin(body) for body in each["bodies"]]
        return ["list", [["results", await section] for section in begun]]


def step(cursor: SqlCursor, name: str) -> Result:
    """What one step on a cursor says."""
    try:
        return {"value": to_tagged(step_value(cursor, name))}
    except Exception as error:
        return failure(error)


def step_value(cursor: SqlCursor, name: str) -> Any:
    match name:
        case "next":
            return cursor.next()
        case "to_array":
            return cursor.to_array()
        case "one":
            return cursor.one()
        case "columns":
            return list(cursor.column_names)
        case "read":
            return cursor.rows_read
        case "written":
            return cursor.rows_written
        case _:
            raise AssertionError(f"no step {name}")
