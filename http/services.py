"""What the front is given: the host of the objects, its settings, keys, clock and bounds.

`compose` builds one FrontServices and hands it to `make_app`; nothing here is a default. The
protocols say how little of the runtime the front uses, so that a test's host is a small class.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

import msgspec
from aiohttp import web

from boomtown.actors import Request, Response
from boomtown.actors.runtime.inspection import (
    ObjectAlarm,
    ObjectDetail,
    ObjectSummary,
    SqlAnswer,
)
from boomtown.actors.town.commands import CommandRequest
from boomtown.actors.town.owner_registry import LOCAL_OWNER as LOCAL_OWNER
from boomtown.actors.town.questions import QuestionRequest
from boomtown.actors.town.templates import Templates
from boomtown.actors.town.views import Answer
from boomtown.clock import Clock
from boomtown.container_sim.chaos import ArmedFault, ChaosFault
from boomtown.container_sim.forge.addresses import GITHUB, ForgeSite
from boomtown.entropy import Entropy, Secrets
from boomtown.http.tokens import Tokens
from boomtown.ids import TownId
from boomtown.limits import HttpLimits

TOWN_CLASS = "Town"
OWNER_CLASS = "Owner"
PRIVATE_CLASSES = (TOWN_CLASS, OWNER_CLASS)  # never served under /actors


class TownStub(Protocol):
    """A town, from outside."""

    async def execute(self, request: CommandRequest, /) -> Answer: ...

    async def query(self, request: QuestionRequest, /) -> Answer: ...

    async def next_changes(self, request: QuestionRequest, wait_ms: int, /) -> Answer: ...


class ObjectNamespace(Protocol):
    """All objects of one class. A stub is untyped: its methods are the class's own."""

    def get_by_name(self, name: str, /) -> Any: ...


class ObjectHost(Protocol):
    """boomtown.actors.Host, as far as the front needs it."""

    def namespace(self, class_name: str, /) -> ObjectNamespace: ...

    def begin_fetch(
        self, class_name: str, name: str, request: Request, /
    ) -> tuple[bool, Response | asyncio.Future[Response]]: ...


class ObjectsInspected(Protocol):
    """boomtown.actors.runtime.inspection.ObjectInspector."""

    def list_objects(self, class_name: str | None = None) -> list[ObjectSummary]: ...

    def list_alarms(self) -> list[ObjectAlarm]: ...

    async def find_object(
        self, class_name: str, name: str, *, keys_max: int
    ) -> ObjectDetail | None: ...

    async def find_rows(
        self,
        class_name: str,
        name: str,
        *,
        query: str,
        bindings: tuple[str | int | float | None, ...],
        may_write: bool,
        rows_max: int,
    ) -> SqlAnswer | None: ...


class FaultsOnDemand(Protocol):
    """boomtown.container_sim.chaos.Chaos."""

    def arm(
        self,
        town_id: TownId,
        fault: ChaosFault,
        *,
        target: str | None,
        nth: int,
        seed: int | None,
        key: str | None,
    ) -> ArmedFault: ...

    def faults(self, town_id: TownId) -> list[ArmedFault]: ...


class FrontSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a server was told that its front must know."""

    version: str
    no_auth: bool  # whoever brings no credential is the operator; loopback only
    allow_local_git: bool  # file:// and absolute paths as git addresses
    public_classes: tuple[str, ...]  # served under /actors; Town and Owner never are
    allowed_origins: tuple[str, ...]  # "https://example.org": may call from a browser
    templates: Templates
    forge_sites: tuple[ForgeSite, ...] = (ForgeSite(base_url=GITHUB),)  # the first is meant

    def __post_init__(self) -> None:
        assert not set(self.public_classes) & set(PRIVATE_CLASSES)


class FrontServices(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a request may need."""

    host: ObjectHost
    objects: ObjectsInspected  # the same host's, for its administrator
    settings: FrontSettings
    tokens: Tokens
    clock: Clock
    secrets: Secrets
    entropy: Entropy
    shutdown: asyncio.Event  # set by POST /shutdown; compose waits for it and ends the server
    limits: HttpLimits
    chaos: FaultsOnDemand | None  # only a development server has faults on demand

    def town(self, town_id: str) -> TownStub:
        stub: TownStub = self.host.namespace(TOWN_CLASS).get_by_name(town_id)
        return stub


SERVICES = web.AppKey("services", FrontServices)
