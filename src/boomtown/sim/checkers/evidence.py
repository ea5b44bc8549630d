"""What the checkers are shown at one instant."""

from __future__ import annotations

import msgspec

from boomtown.container_sim.sim_repositories import SimRepositories
from boomtown.sim.checkers.bodies import BodyLife
from boomtown.sim.checkers.town_rows import TownRows


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Everything outside a town's own word."""

    rows: TownRows | None  # None: no town is on the disk
    acknowledged: tuple[tuple[str, str], ...]  # (kind, id), in the order of the answers
    bodies: tuple[BodyLife, ...]
    asked: tuple[str, ...]  # sessions whose start has left the server, in that order
    spoke: tuple[str, ...]  # sessions whose body has sent a result, heard or not
    told: dict[int, str]  # by a feed's reader: seq -> topic and entity
    told_up_to: int  # the reader's cursor
    told_twice: int | None
    repositories: SimRepositories
    origin_url: str
    now_ms: int
    is_final: bool  # after the quiet phase: nothing may be under way
