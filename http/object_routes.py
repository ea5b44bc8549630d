"""Objects of the classes that a server was started with: `fetch`, sockets and RPC from outside.

Town and Owner are never served here: their callers go through the routes that know who may do
what. A class that is not served is 404, like a route that does not exist.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web
from multidict import CIMultiDict

from boomtown.actors import NoSuchMethod, Request, Response
from boomtown.error_codes import ErrorCode
from boomtown.errors import NotFound
from boomtown.http.calls import Call, invalid_body, read_body, read_content
from boomtown.http.object_sockets import is_upgrade, join_socket
from boomtown.http.plain_requests import HEADERS_KEPT_BACK
from boomtown.http.services import PRIVATE_CLASSES


async def fetch_object(call: Call) -> object:
    """Pass the request on; the object sees its own part of the path."""
    request = call.request
    # Quoted as it came: /actors/CLASS/NAME/ is ours, the rest is the object's.
    path = request.rel_url.raw_path.split("/", 4)[4]
    query = request.rel_url.raw_query_string
    url = f"http://{request.host}/{path}" + (f"?{query}" if query else "")
    asked = Request(
        request.method, url, _kept(request.headers.items()), await read_content(request)
    )
    if is_upgrade(request):
        asked.headers.set("Upgrade", "websocket")
    try:
        answer: Response = await _stub(call).fetch(asked)
    except NoSuchMethod as error:
        raise NotFound(ErrorCode.ROUTE_NOT_FOUND) from error
    headers = CIMultiDict(_kept(iter(answer.headers)))
    if answer.web_socket is not None:
        services = call.services
        return await join_socket(
            request, asked, answer, headers, clock=services.clock, limits=services.limits
        )
    if isinstance(answer.body, bytes):
        return web.Response(body=answer.body, status=answer.status, headers=headers)
    response = web.StreamResponse(status=answer.status, headers=headers)
    await response.prepare(request)
    async for part in answer.body:
        await response.write(part)
    await response.write_eof()
    return response


async def call_object(call: Call) -> object:
    """One RPC: a JSON array gives positional arguments, an object gives named ones."""
    positional, named = await _arguments(call)
    name = call.path["method"]
    if name.startswith("_") or not name.isidentifier():
        raise NotFound(ErrorCode.ROUTE_NOT_FOUND)
    try:
        return await getattr(_stub(call), name)(*positional, **named)
    except NoSuchMethod as error:
        raise NotFound(ErrorCode.ROUTE_NOT_FOUND) from error
    except TypeError as error:
        if is_from_within(error):
            raise
        raise invalid_body("", str(error)) from error


def is_from_within(error: Exception) -> bool:
    """Whether the object's own code raised it, rather than the call did not fit."""
    return bool(getattr(error, "remote", False))


async def _arguments(call: Call) -> tuple[list[Any], dict[str, Any]]:
    if (await read_content(call.request)).lstrip().startswith(b"["):
        return await read_body(call.request, list[Any]), {}
    return [], await read_body(call.request, dict[str, Any])


def _stub(call: Call) -> Any:
    class_name = call.path["class"]
    is_served = class_name in call.services.settings.public_classes
    if not is_served or class_name in PRIVATE_CLASSES:
        raise NotFound(ErrorCode.ROUTE_NOT_FOUND)
    return call.services.host.namespace(class_name).get_by_name(call.path["name"])


def _kept(pairs: Any) -> list[tuple[str, str]]:
    # As plain text: aiohttp's names are of a type that cannot be encoded.
    return [(str(name), value) for name, value in pairs if name.lower() not in HEADERS_KEPT_BACK]
