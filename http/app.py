"""The front as an aiohttp application: what happens to every request, whatever it asks.

From the outside in: a request id, the envelope of failures, one log line; then the check of the
Origin header; then, for a route of the table, who sends it (authentication.py), whether they may
(authorization.py), the handler, and the encoding of what it answers. The application holds no
state but the operator keys it has verified (operator_keys.py) and the owners and towns that it
found (owner_directory.py): a crash loses nothing.

Start and end: the application may be served as soon as the host is open. On POST /shutdown it
sets `services.shutdown` and goes on serving, because agents still report while their containers
drain; compose then drains the containers, stops listening, and closes the host last.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from boomtown.error_codes import ErrorCode
from boomtown.errors import AccessDenied
from boomtown.http.actor_lane import LANE, ActorLane
from boomtown.http.authentication import identify
from boomtown.http.authorization import authorize
from boomtown.http.calls import Answered, Call, Route
from boomtown.http.error_responses import error_response, failure_of
from boomtown.http.feed_streams import FEED_END, end_streams
from boomtown.http.object_sockets import OPEN_SOCKETS, close_open_sockets
from boomtown.http.operator_keys import OperatorKeys
from boomtown.http.owner_directory import OwnerDirectory
from boomtown.http.payloads import payload
from boomtown.http.request_log import REQUEST_ID_HEADER, choose_request_id, log_request
from boomtown.http.route_table import ROUTES
from boomtown.http.services import SERVICES, FrontServices
from boomtown.http.tickets import TICKETS, Tickets
from boomtown.wire import encode_json

logger = logging.getLogger("boomtown.http")

_REQUEST_ID = web.RequestKey("request_id", str)  # where a request keeps its own
_CORS_MAX_AGE_S = 600
_CORS_METHODS = "GET, POST, PUT, PATCH, DELETE"
_CORS_HEADERS = "Authorization, Content-Type, Idempotency-Key, X-Api-Key, X-Request-Id"

Endpoint = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(services: FrontServices) -> web.Application:
    """The application; it is served by compose, or by a test's server."""
    app = web.Application(
        client_max_size=services.limits.body_bytes_max,
        middlewares=[answer_every_request, check_origin],
    )
    app[SERVICES] = services
    app[OPEN_SOCKETS] = {}
    app.on_shutdown.append(close_open_sockets)
    app.on_response_prepare.append(_write_headers)
    app[TICKETS] = Tickets(clock=services.clock, secrets=services.secrets, limits=services.limits)
    app[FEED_END] = asyncio.Event()
    app.on_shutdown.append(end_streams)
    directory = OwnerDirectory(services.host, services.limits)
    keys = OperatorKeys(services.host, directory, services.limits)
    app[LANE] = ActorLane(services, keys)
    for route in ROUTES:
        endpoint = _endpoint(services, directory, keys, route)
        app.router.add_route(route.method, route.path, endpoint)
    return app


@web.middleware
async def answer_every_request(request: web.Request, handler: Endpoint) -> web.StreamResponse:
    """Give the request its id, its envelope when it fails, and its line in the log."""
    services = request.config_dict[SERVICES]
    given = request.headers.get(REQUEST_ID_HEADER)
    request_id = request[_REQUEST_ID] = choose_request_id(services, given)
    began_ms = services.clock.monotonic_ms()
    try:
        response = await handler(request)
    except Exception as error:
        failure = failure_of(error)
        if failure.is_fault:
            logger.error("request_failed request_id=%s", request_id, exc_info=error)
        response = error_response(failure, request_id=request_id)
    log_request(
        request.method,
        request.rel_url.raw_path,
        status=response.status,
        elapsed_ms=services.clock.monotonic_ms() - began_ms,
        request_id=request_id,
    )
    return response


@web.middleware
async def check_origin(request: web.Request, handler: Endpoint) -> web.StreamResponse:
    """Refuse pages of other sites, unless they are allowed by name (http.md 4)."""
    origin = request.headers.get("Origin")
    if origin is None or _is_same_host(request, origin):
        return await handler(request)
    if origin not in request.config_dict[SERVICES].settings.allowed_origins:
        raise AccessDenied(ErrorCode.FORBIDDEN_ORIGIN)
    if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
        return web.Response(
            status=204,
            headers={
                "Access-Control-Allow-Methods": _CORS_METHODS,
                "Access-Control-Allow-Headers": _CORS_HEADERS,
                "Access-Control-Max-Age": str(_CORS_MAX_AGE_S),
            },
        )
    return await handler(request)


def _endpoint(
    services: FrontServices, directory: OwnerDirectory, keys: OperatorKeys, route: Route
) -> Endpoint:
    async def serve(request: web.Request) -> web.StreamResponse:
        principal = await identify(services, keys, route, request)
        caller = await authorize(
            services, directory, route, principal, path=request.match_info, headers=request.headers
        )
        call = Call(
            request=request,
            route=route,
            services=services,
            keys=keys,
            principal=principal,
            caller=caller,
        )
        answer = await route.handler(call)
        if isinstance(answer, web.StreamResponse):
            return answer
        if isinstance(answer, Answered):
            return success_response(answer.view, status=answer.status)
        return success_response(answer, status=route.status)

    return serve


def success_response(answer: object, *, status: int) -> web.Response:
    """The envelope of a success; 204 has no body."""
    if status == 204:
        return web.Response(status=204)
    body = encode_json({"success": True, "data": payload(answer)})
    return web.Response(body=body, status=status, content_type="application/json")


def _is_same_host(request: web.Request, origin: str) -> bool:
    return origin in (f"http://{request.host}", f"https://{request.host}")


async def _write_headers(request: web.Request, response: web.StreamResponse) -> None:
    """What every response carries, just before its headers leave: streamed ones too."""
    response.headers[REQUEST_ID_HEADER] = request[_REQUEST_ID]
    origin = request.headers.get("Origin")
    if origin is not None and origin in request.config_dict[SERVICES].settings.allowed_origins:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = REQUEST_ID_HEADER
        response.headers["Vary"] = "Origin"
