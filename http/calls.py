"""One request on its way: the row of the table that it matched, who sent it, what it asks.

A handler gets a Call, reads body and query from it, asks the town once and returns what the town
answered; status, envelope and encoding follow from the row. A handler that must answer something
else than the envelope (the page at `/`, an object's own response) returns a response of aiohttp.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from boomtown.actors import DataCloneError
from boomtown.actors.town.commands import Caller, Command, CommandRequest
from boomtown.actors.town.questions import Question, QuestionRequest
from boomtown.actors.town.views import View
from boomtown.error_codes import ErrorCode
from boomtown.errors import BoomtownError, InvalidRequest, Issue
from boomtown.http.bodies import Body
from boomtown.http.error_responses import issue_of_validation
from boomtown.http.operator_keys import OperatorKeys
from boomtown.http.owner_calls import view_of
from boomtown.http.principals import Principal
from boomtown.http.services import FrontServices
from boomtown.http.tickets import TicketKind
from boomtown.ids import AgentId, BeadId, RigId, TownId
from boomtown.wire import decode_json_as, ms_from_iso

Shape = TypeVar("Shape")
INSTANT_MS_MAX = 253_402_300_799_999  # the last one that ISO text can say
IDEMPOTENCY_KEY_CHARACTERS_MAX = 255  # what a header of a sane client holds


class Credential(enum.StrEnum):
    """Who may call a route (routes.tsv)."""

    NONE = "none"
    OPERATOR = "operator"
    SESSION = "session"
    CONTAINER = "container"
    MAYOR = "mayor"
    TICKET = "ticket"


class Lateness(enum.StrEnum):
    """What a route does for a session that has ended (decisions 55)."""

    REFUSED = "refused"  # 401 SESSION_ENDED
    TOLD_STALE = "told_stale"  # the usual status with `stale: true`: the town decides
    REFRESHED = "refreshed"  # a token over for less than a day may be shown; the town decides


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the contract."""

    method: str
    path: str  # aiohttp's pattern
    status: int  # of success
    credentials: tuple[Credential, ...]
    group: str
    handler: Handler
    body: Any = Body  # its shape; `dict` for a merge patch
    answer: Any = None  # the shape of `data`, for the OpenAPI document
    lateness: Lateness = Lateness.REFUSED
    ticket: TicketKind | None = None  # of a socket: what `?ticket=` must be for

    @property
    def takes_idempotency_key(self) -> bool:
        """Creating posts (decisions 53), and those that put an event into the inbox."""
        return self.method == "POST" and self.status in (201, 202)

    @property
    def operation_id(self) -> str:
        """Unique in the table: the group, the method and the handler's name."""
        return f"{self.group}.{self.method.lower()}.{self.handler.__name__}"


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What a handler returns whose status is, this time, not the row's."""

    view: object
    status: int


class Call:
    """A request that was let in."""

    def __init__(
        self,
        *,
        request: web.Request,
        route: Route,
        services: FrontServices,
        keys: OperatorKeys,
        principal: Principal,
        caller: Caller,
    ) -> None:
        self.request = request
        self.route = route
        self.services = services
        self.keys = keys
        self.principal = principal
        self.caller = caller
        self.path = request.match_info

    @property
    def town_id(self) -> TownId:
        return TownId(self.path["town"])

    @property
    def rig_id(self) -> RigId:
        return RigId(self.path["rig"])

    @property
    def bead_id(self) -> BeadId:
        return BeadId(self.path["bead"])

    @property
    def agent_id(self) -> AgentId:
        return AgentId(self.path["agent"])

    @property
    def convoy_id(self) -> BeadId:
        return BeadId(self.path["convoy"])

    async def body(self, shape: type[Shape]) -> Shape:
        """The body, which must be of the row's shape; empty counts as `{}`. Raises
        InvalidRequest: INVALID_JSON, or INVALID_BODY with its issue."""
        assert shape is self.route.body, "the table names the body that the handler reads"
        return await read_body(self.request, shape)

    async def json_object(self) -> dict[str, Any]:
        """The body as a JSON object of no fixed shape."""
        return await read_body(self.request, dict[str, Any])

    async def execute(self, command: Command, *, town_id: TownId | None = None) -> View:
        """Have the path's town do it. Raises what it refuses."""
        key = self.idempotency_key() if self.route.takes_idempotency_key else None
        request = CommandRequest(command=command, caller=self.caller, idempotency_key=key)
        town = self.services.town(town_id or self.town_id)
        try:
            return view_of(await town.execute(request))
        except DataCloneError as error:
            # Only a value of the caller's own can be one that does not cross: too deep a nesting.
            raise invalid_body("", "The body is nested too deeply") from error

    async def query(self, question: Question, *, town_id: TownId | None = None) -> View:
        """Ask the path's town. Raises what it refuses."""
        request = QuestionRequest(question=question, caller=self.caller)
        return view_of(await self.services.town(town_id or self.town_id).query(request))

    def idempotency_key(self) -> str | None:
        """The header of that name."""
        key = self.request.headers.get("Idempotency-Key")
        if key is not None and not 1 <= len(key) <= IDEMPOTENCY_KEY_CHARACTERS_MAX:
            raise invalid_body("Idempotency-Key", "must have between 1 and 255 characters")
        return key


Handler = Callable[[Call], Coroutine[Any, Any, object]]


async def read_content(request: web.Request) -> bytes:
    """The body as it came, no longer than the bound of the application. Raises InvalidRequest for
    one that breaks off or is not encoded as it says."""
    try:
        return await request.read()
    except (web.RequestPayloadError, ConnectionError) as error:
        raise invalid_body("", "The body did not arrive whole") from error


async def read_body(request: web.Request, shape: type[Shape]) -> Shape:
    """The body as `shape`; see Call.body."""
    data = await read_content(request)
    try:
        return decode_json_as(data if data.strip() else b"{}", shape)
    except msgspec.ValidationError as error:
        issue = issue_of_validation(error)
        raise invalid_body(issue.path, issue.message) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(ErrorCode.INVALID_JSON) from error


def invalid_body(path: str, message: str) -> BoomtownError:
    """A finding that a body's type cannot express."""
    said = f"{path}: {message}" if path else message
    return InvalidRequest(ErrorCode.INVALID_BODY, said, issues=(Issue(path, message),))


def instant_ms(value: str | int, *, field: str) -> int:
    """An instant of a body: ISO text, or milliseconds."""
    try:
        at_ms = value if isinstance(value, int) else ms_from_iso(value)
    except (ValueError, OverflowError) as error:
        raise invalid_body(field, "must be an ISO-8601 time") from error
    if not 0 <= at_ms <= INSTANT_MS_MAX:
        raise invalid_body(field, "must be an instant between 1970 and 9999")
    return at_ms


def instant_ms_or_none(value: str | int | None, *, field: str) -> int | None:
    """The same, keeping None."""
    return None if value is None else instant_ms(value, field=field)
