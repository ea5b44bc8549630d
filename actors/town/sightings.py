"""What was seen of the outside before a transaction: values, because no transaction awaits."""

from __future__ import annotations

import msgspec

from boomtown.container_sim.forge.model import Fetched, NotLearnt, PullRequest
from boomtown.container_sim.model import LookOutcome
from boomtown.ids import RigId


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """Gathered by outside_looks.py; true at the moment of the look only."""

    looked: LookOutcome | None = None  # None: the rows were reason enough
    swept_rigs: tuple[RigId, ...] = ()  # of which nothing is kept now but what is spared
    pull_request: Fetched[PullRequest] | NotLearnt | None = None  # None: nobody was asked
