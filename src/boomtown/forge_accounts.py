"""The forges of the settings, and their tokens: where a server's towns may look and post.

A token is read anew for every question, from the environment or from a file, so that one that is
added or exchanged is used without a restart; it is kept nowhere. A setting that names neither, or
what is not there, is no token. GitHub is always known, with the token of BOOMTOWN_GITHUB_TOKEN.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from boomtown.actors.town.forge_access import ForgeAccess
from boomtown.clock import Clock
from boomtown.container_sim.forge.addresses import GITHUB, ForgeSite
from boomtown.container_sim.forge.client import FindToken, ForgeClient
from boomtown.container_sim.forge.forge_clients import ForgeAccount, ForgeClients
from boomtown.container_sim.forge.http_way import HttpWay
from boomtown.limits import ForgeLimits

GITHUB_TOKEN_ENV = "BOOMTOWN_GITHUB_TOKEN"


class TokenSetting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a token is: the environment's word before the file's."""

    token_env: str | None = None
    token_file: str | None = None  # relative to the present folder

    def find(self, environment: Mapping[str, str]) -> str | None:
        token = environment.get(self.token_env, "") if self.token_env is not None else ""
        if not token and self.token_file is not None and (file := Path(self.token_file)).is_file():
            token = file.read_text("utf-8")
        return token.strip() or None


class ForgeSetting(TokenSetting, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[forges."https://…"]`: the token of all owners, but of those that have one of their own;
    and further beginnings of git addresses that are its repositories."""

    owners: dict[str, TokenSetting] = {}
    git_prefixes: tuple[str, ...] = ()


GITHUB_SETTING = ForgeSetting(token_env=GITHUB_TOKEN_ENV)


def sites_of(settings: Mapping[str, ForgeSetting]) -> tuple[ForgeSite, ...]:
    """GitHub first: what is called `owner/name` alone is there, unless the settings name one
    forge only, which is then meant."""
    named = tuple(
        ForgeSite(base_url=url, git_prefixes=setting.git_prefixes)
        for url, setting in settings.items()
    )
    others = tuple(site for site in named if site.key != GITHUB)
    github = next((site for site in named if site.key == GITHUB), ForgeSite(base_url=GITHUB))
    return (*others, github) if len(named) == 1 and others else (github, *others)


class ForgeAccounts:
    """The clients of one server; close them."""

    def __init__(
        self,
        settings: Mapping[str, ForgeSetting],
        clock: Clock,
        limits: ForgeLimits,
        *,
        environment: Mapping[str, str],
    ) -> None:
        self._sites = sites_of(settings)
        by_key = {ForgeSite(base_url=url).key: setting for url, setting in settings.items()}
        self._way = HttpWay(body_bytes_max=limits.body_bytes_max)
        self._booted_at_ms = clock.now_ms()
        accounts: dict[str, ForgeAccount] = {}
        for site in self._sites:
            setting = by_key.get(site.key, GITHUB_SETTING)
            find_token = _finder(setting, environment)
            client = ForgeClient(site, self._way, clock, limits, find_token=find_token)
            accounts[site.key] = ForgeAccount(client, tuple(sorted(setting.owners)))
        self.clients = ForgeClients(accounts)

    @property
    def access(self) -> ForgeAccess:
        return ForgeAccess(sites=self._sites, booted_at_ms=self._booted_at_ms)

    async def close(self) -> None:
        await self._way.close()


def _finder(setting: ForgeSetting, environment: Mapping[str, str]) -> FindToken:
    own = {owner.lower(): token for owner, token in setting.owners.items()}

    def find(owner: str) -> str | None:
        source = own.get(owner.lower())
        token = None if source is None else source.find(environment)
        return token or setting.find(environment)

    return find
