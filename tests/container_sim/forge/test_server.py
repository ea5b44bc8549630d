"""What only our server has: its folder, its keys, the routes below /_forge."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from boomtown.clock import SystemClock
from boomtown.container_sim.forge.server import OPERATOR, RunningForge, open_forge
from boomtown.entropy import SystemSecrets
from boomtown.limits import ForgeLimits
from boomtown.wire import decode_json


@asynccontextmanager
async def serving(root: Path, limits: ForgeLimits) -> AsyncGenerator[RunningForge]:
    async with open_forge(root, 0, SystemClock(), SystemSecrets(), limits, os.environ) as forge:
        yield forge


async def call(
    forge: RunningForge, method: str, path: str, body: Any = None, *, key: str | None = None
) -> tuple[int, Any]:
    shown = forge.folder.admin_key_file.read_text().strip() if key is None else key
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {shown}"}) as http,
        http.request(method, URL(forge.base_url + path, encoded=True), json=body) as answer,
    ):
        content = await answer.read()
        return answer.status, decode_json(content) if content else None


async def test_keys_are_made_once_and_for_the_user_only(tmp_path: Path) -> None:
    seen: list[tuple[str, str]] = []
    for _ in range(2):
        async with serving(tmp_path, ForgeLimits()) as forge:
            files = (forge.folder.token_file, forge.folder.admin_key_file)
            assert [path.stat().st_mode & 0o777 for path in files] == [0o600, 0o600]
            assert files[0].parent.stat().st_mode & 0o777 == 0o700
            assert forge.folder.address_file.read_text().strip() == forge.base_url
            seen.append((files[0].read_text().strip(), files[1].read_text().strip()))
            status, _ = await call(forge, "GET", "/api/v3/rate_limit", key=seen[-1][0])
            assert status == 200
        assert not forge.folder.address_file.exists()
    assert seen[0] == seen[1]
    assert seen[0][0].encode() not in (tmp_path / "journal.jsonl").read_bytes()


async def test_tokens_are_granted_and_revoked(tmp_path: Path) -> None:
    async with serving(tmp_path, ForgeLimits()) as forge:
        wish = {"login": "robot", "is_bot": True}
        status, granted = await call(forge, "POST", "/_forge/tokens", wish)
        assert (status, granted["login"]) == (201, "robot")
        ask = ("GET", "/api/v3/rate_limit")
        assert (await call(forge, *ask, key=granted["token"]))[0] == 200
        assert (await call(forge, "DELETE", "/_forge/tokens/robot"))[0] == 204
        assert (await call(forge, *ask, key=granted["token"]))[0] == 401
        assert forge.desk.grant_token(OPERATOR, is_bot=False) != granted["token"]


async def test_faults_are_armed_counted_and_cleared(tmp_path: Path) -> None:
    async with serving(tmp_path, ForgeLimits(faults_armed_max=1)) as forge:
        token = forge.folder.token_file.read_text().strip()
        wish = {"kind": "too_many", "operation": "rate-limit/get"}
        status, report = await call(forge, "POST", "/_forge/faults", wish)
        assert (status, report["fired"]) == (201, 0)
        assert (await call(forge, "POST", "/_forge/faults", wish))[0] == 429
        assert (await call(forge, "GET", "/api/v3/rate_limit", key=token))[0] == 429
        status, reports = await call(forge, "GET", "/_forge/faults")
        assert [(known["reached"], known["fired"]) for known in reports] == [(1, 1)]
        assert (await call(forge, "DELETE", "/_forge/faults"))[0] == 204
        assert await call(forge, "GET", "/_forge/faults") == (200, [])


@pytest.mark.parametrize("path", ["/_forge/faults", "/_forge/tokens", "/_forge/nothing"])
async def test_admin_needs_the_admin_key(tmp_path: Path, path: str) -> None:
    async with serving(tmp_path, ForgeLimits()) as forge:
        token = forge.folder.token_file.read_text().strip()
        assert (await call(forge, "POST", path, {}, key=token))[0] == 401
        expected = 404 if path.endswith("nothing") else 422
        assert (await call(forge, "POST", path, {}))[0] == expected


@pytest.mark.parametrize(
    "path",
    [
        "/api/v3/repos/../keys/pulls",
        "/api/v3/repos/%2e%2e/keys/pulls",
        "/api/v3/repos/acme/%2e%2e%2fkeys/pulls",
        "/api/v3/repos/acme/none/pulls",
        "/keys/token",
        "/",
    ],
)
async def test_nothing_but_repositories_is_reached(tmp_path: Path, path: str) -> None:
    async with serving(tmp_path, ForgeLimits()) as forge:
        token = forge.folder.token_file.read_text().strip()
        (tmp_path / "keys.git").mkdir()
        assert (await call(forge, "GET", path, key=token))[0] == 404
