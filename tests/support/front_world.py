"""A front on loopback, over fake objects or real ones, and a client that keeps what it got."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Any

import msgspec
from aiohttp import ClientSession
from yarl import URL

from boomtown.actors import Host
from boomtown.actors.runtime.inspection import ObjectInspector
from boomtown.actors.town.templates import load_templates
from boomtown.entropy import SeededEntropy, SystemSecrets
from boomtown.http.app import make_app
from boomtown.http.services import FaultsOnDemand, FrontServices, FrontSettings, ObjectHost
from boomtown.http.serving import serve_app
from boomtown.http.tokens import Tokens
from boomtown.ids import AgentId, InstanceId, RigId, SessionId, TownId
from boomtown.limits import HttpLimits
from boomtown.testing import ManualClock
from boomtown.wire import encode_json
from support.fake_chaos import FakeChaos
from support.fake_inspection import FakeInspection
from support.fake_town import AGENT, AT_MS, INSTANCE, RIG, SESSION, TOWN, FakeHost

LOOPBACK = "127.0.0.1"
SIGNING_KEY = "k" * 43
FAKE_CHAOS = FakeChaos()
SETTINGS = FrontSettings(
    version="9.9.9",
    no_auth=False,
    allow_local_git=False,
    public_classes=("Counter",),
    allowed_origins=("https://friend.example",),
    templates=load_templates(None),
)


class Reply(msgspec.Struct, frozen=True):
    """A response, read whole."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.content)

    @property
    def data(self) -> Any:
        return self.json["data"]

    @property
    def code(self) -> str:
        return str(self.json["code"])


class FrontWorld:
    """One front; made by `open_front`."""

    def __init__(self, services: FrontServices, port: int, http: ClientSession) -> None:
        self.services = services
        self.port = port
        self.http = http
        self.tokens = services.tokens

    @property
    def origin(self) -> str:
        """As a browser would say it: no slash at the end."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def fakes(self) -> FakeHost:
        assert isinstance(self.services.host, FakeHost)
        return self.services.host

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        credential: str | None = None,
        headers: Mapping[str, str] | None = None,
        data: bytes | None = None,
    ) -> Reply:
        """One request; `data` is sent as it is, `body` as JSON."""
        named = dict(headers or {})
        if credential is not None:
            named["Authorization"] = f"Bearer {credential}"
        if body is not None:
            data = encode_json(body)
        url = URL(self.origin + path, encoded=True)
        # A stream, because aiohttp warns of large bodies given as bytes.
        content = None if data is None else BytesIO(data)
        async with self.http.request(method, url, data=content, headers=named) as response:
            return Reply(response.status, response.headers, await response.read())

    async def send_raw(self, sent: bytes) -> bytes:
        """Send bytes as they are; answers all that comes until the server hangs up."""
        reader, writer = await asyncio.open_connection(LOOPBACK, self.port)
        writer.write(sent)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer

    def operator_key(self, scope: str = "admin", *, owner: str = "local") -> str:
        """A key of the fake owner."""
        self.fakes.owner("local").owners.setdefault(owner, AT_MS)
        return self.fakes.owner(owner).add_key(scope)

    def session_token(
        self,
        *,
        town: str = TOWN,
        rig: str = RIG,
        agent: str = AGENT,
        session: str = SESSION,
        now_ms: int | None = None,
    ) -> str:
        return self.tokens.mint_session_token(
            town_id=TownId(town),
            rig_id=RigId(rig),
            agent_id=AgentId(agent),
            session_id=SessionId(session),
            user_id="local",
            now_ms=self.services.clock.now_ms() if now_ms is None else now_ms,
        )

    def container_token(self, *, town: str = TOWN, instance: str = INSTANCE) -> str:
        return self.tokens.mint_container_token(
            town_id=TownId(town),
            instance_id=InstanceId(instance),
            user_id="local",
            now_ms=self.services.clock.now_ms(),
        )


@asynccontextmanager
async def open_front(
    *,
    host: ObjectHost | None = None,
    clock: ManualClock | None = None,
    settings: FrontSettings = SETTINGS,
    limits: HttpLimits | None = None,
    tokens: Tokens | None = None,
    chaos: FaultsOnDemand | None = FAKE_CHAOS,
) -> AsyncGenerator[FrontWorld]:
    """Serve on a free port of loopback for as long as the block lasts."""
    limits = limits or HttpLimits()
    services = FrontServices(
        host=host or FakeHost(),
        objects=ObjectInspector(host) if isinstance(host, Host) else FakeInspection(),
        settings=settings,
        tokens=tokens or Tokens(SIGNING_KEY, limits),
        clock=clock or ManualClock(),
        secrets=SystemSecrets(),
        entropy=SeededEntropy(3),
        shutdown=asyncio.Event(),
        limits=limits,
        chaos=chaos,
    )
    listener = socket.create_server((LOOPBACK, 0))
    listener.setblocking(False)
    port = listener.getsockname()[1]
    async with serve_app(make_app(services), listener), ClientSession() as http:
        yield FrontWorld(services, port, http)
