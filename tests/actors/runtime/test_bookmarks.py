"""Bookmarks, as far as a runtime without point-in-time restore has them (durable-actors 4.6)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from boomtown.actors import DurableObject, DurableObjectError, Host
from boomtown.entropy import SeededEntropy, SystemSecrets
from boomtown.testing import ManualClock

SHAPE = re.compile(r"[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{32}")


class Marked(DurableObject):
    async def mark(self) -> str:
        return await self.ctx.storage.get_current_bookmark()

    async def wait_for(self, bookmark: str) -> None:
        await self.ctx.storage.wait_for_bookmark(bookmark)

    async def at(self, at_ms: int) -> str:
        return await self.ctx.storage.get_bookmark_for_time(at_ms)

    async def restore(self, bookmark: str) -> str:
        return await self.ctx.storage.on_next_session_restore_bookmark(bookmark)


def new_host(folder: Path) -> Host:
    return Host(
        classes={"Marked": Marked},
        data_dir=folder,
        clock=ManualClock(),
        entropy=SeededEntropy(1),
        secrets=SystemSecrets(),
    )


def stub_of(host: Host) -> Any:
    return host.namespace("Marked").get_by_name("m")


async def test_later_bookmarks_compare_greater_also_after_a_restart(tmp_path: Path) -> None:
    marks: list[str] = []
    for _ in range(2):
        async with new_host(tmp_path) as host:
            marks += [await stub_of(host).mark() for _ in range(12)]
    assert all(SHAPE.fullmatch(mark) for mark in marks)
    assert marks == sorted(set(marks))


async def test_waiting_for_a_bookmark_ends_at_once_and_restoring_is_refused(
    tmp_path: Path,
) -> None:
    async with new_host(tmp_path) as host:
        await stub_of(host).wait_for(await stub_of(host).mark())
        with pytest.raises(DurableObjectError, match="point-in-time"):
            await stub_of(host).at(1_000)
        with pytest.raises(DurableObjectError, match="point-in-time"):
            await stub_of(host).restore("x")
