"""An operator's writes past an object's own code: the object is told, and may forget."""

from __future__ import annotations

from pathlib import Path

import pytest

from boomtown.actors import DurableObject, DurableObjectState, Env, Host
from boomtown.actors.runtime.inspection import ObjectInspector
from boomtown.actors.runtime.runtime_errors import SqlError
from boomtown.clock import SystemClock
from boomtown.entropy import SeededEntropy, SystemSecrets


class Remembering(DurableObject):
    """Reads its row once."""

    def __init__(self, ctx: DurableObjectState, env: Env) -> None:
        super().__init__(ctx, env)
        ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS t (a)")
        self._kept: object = None

    def storage_edited(self) -> None:
        self._kept = None

    async def read(self) -> object:
        if self._kept is None:
            self._kept = self.ctx.storage.sql.exec("SELECT sum(a) AS a FROM t").one()["a"]
        return self._kept

    async def add(self, value: int) -> None:
        self.ctx.storage.sql.exec("INSERT INTO t VALUES (?)", value)


@pytest.mark.parametrize("query", ["UPDATE t SET a = 2", "UPDATE t SET a = 2; SELECT no FROM t"])
async def test_what_an_operator_writes_is_seen_by_an_object_that_remembers(
    tmp_path: Path, query: str
) -> None:
    host = Host(
        classes={"Remembering": Remembering},
        data_dir=tmp_path,
        clock=SystemClock(),
        entropy=SeededEntropy(1),
        secrets=SystemSecrets(),
    )
    async with host:
        stub = host.namespace("Remembering").get_by_name("one")
        await stub.add(1)
        assert await stub.read() == 1
        inspector = ObjectInspector(host)

        async def ask(text: str, *, may_write: bool) -> None:
            await inspector.find_rows(
                "Remembering", "one", query=text, bindings=(), may_write=may_write, rows_max=9
            )

        await ask("SELECT a FROM t", may_write=False)
        if ";" in query:
            with pytest.raises(SqlError, match="no such column"):
                await ask(query, may_write=True)
        else:
            await ask(query, may_write=True)
        assert await stub.read() == 2
        with pytest.raises(TypeError, match="handler"):
            await stub.storage_edited()
