"""The work that both servers do, for boomtown; worker.js is its twin."""

from __future__ import annotations

import time
from urllib.parse import parse_qs, urlsplit

from boomtown.actors import AlarmInfo, DurableObject, DurableObjectState, Env, Request, Response

_lateness_ms: list[int] = []  # of the alarms of this process


class Bench(DurableObject):
    """A counter, a key, and a table that grows."""

    def __init__(self, ctx: DurableObjectState, env: Env) -> None:
        super().__init__(ctx, env)
        self.sql = ctx.storage.sql
        self._puts = 0
        self.sql.exec("CREATE TABLE IF NOT EXISTS counter (id INTEGER PRIMARY KEY, value INTEGER)")
        self.sql.exec("CREATE TABLE IF NOT EXISTS entry (id INTEGER PRIMARY KEY, value TEXT)")

    def _value(self) -> int:
        row = self.sql.exec("SELECT value FROM counter WHERE id = 0").next()
        value = row["value"] if row else 0
        assert isinstance(value, int)
        return value

    async def fetch(self, request: Request) -> Response:
        match request.path[1:]:
            case "noop":
                return Response("0")
            case "read":
                return Response(str(self._value()))
            case "incr":
                value = self._value() + 1
                self.sql.exec("INSERT OR REPLACE INTO counter (id, value) VALUES (0, ?)", value)
                return Response(str(value))
            case "kvput":
                self._puts += 1  # the same value again would change no page
                await self.ctx.storage.put("key", f"value {self._puts}")
                return Response("0")
            case "txn":
                self.ctx.storage.transaction_sync(self._insert_ten)
                return Response("10")
            case "wake":
                at = parse_qs(urlsplit(request.url).query)["at"][0]
                await self.ctx.storage.set_alarm(int(at))
                return Response("0")
            case "lateness":
                return Response.json(_lateness_ms)
            case _:
                return Response("no such work", status=404)

    def _insert_ten(self) -> None:
        for _ in range(10):
            self.sql.exec("INSERT INTO entry (value) VALUES (?)", "text of an entry")

    async def alarm(self, info: AlarmInfo) -> None:
        _lateness_ms.append(time.time_ns() // 1_000_000 - info.scheduled_time)
