"""Which forges a town may use, as a value: what its rows and its callers name is read with it."""

from __future__ import annotations

import msgspec

from boomtown.container_sim.forge.addresses import (
    ForgeSite,
    RepositoryAddress,
    find_repository,
)


class ForgeAccess(msgspec.Struct, frozen=True, kw_only=True):
    """`sites` empty: the server knows no forge, and its towns do not patrol."""

    sites: tuple[ForgeSite, ...] = ()
    booted_at_ms: int = 0  # when this server started

    def find(self, git_url: str) -> RepositoryAddress | None:
        """The repository that a rig's address is at one of these forges."""
        return find_repository(git_url, self.sites)
