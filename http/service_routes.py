"""The service itself: what it is, how it is, its contract, its end."""

from __future__ import annotations

from html import escape

from aiohttp import web

from boomtown.error_codes import ErrorCode
from boomtown.errors import AccessDenied, Unavailable
from boomtown.http.authentication import is_peer_loopback
from boomtown.http.calls import Call

_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>boomtown</title></head>
<body>
<h1>boomtown {version}</h1>
<p>Durable actors for Python, and the town of coding agents that lives on them.</p>
<p>This server is up. Its calls are described in <a href="/openapi.json">/openapi.json</a>;
<a href="/health">/health</a> says how it is.</p>
</body>
</html>
"""


async def get_page(call: Call) -> object:
    text = _PAGE.format(version=escape(call.services.settings.version))
    headers = {"Content-Security-Policy": "default-src 'none'", "Cache-Control": "no-store"}
    return web.Response(text=text, content_type="text/html", headers=headers)


async def get_health(call: Call) -> object:
    """The process answers; nothing more is asked."""
    return {"status": "ok", "version": call.services.settings.version}


async def get_liveness(call: Call) -> object:
    """The same under the name that probes use."""
    return await get_health(call)


async def get_readiness(call: Call) -> object:
    """Whether to send work here: not while the server ends."""
    if call.services.shutdown.is_set():
        raise Unavailable(ErrorCode.SHUTTING_DOWN)
    return {"status": "ready"}


async def post_shutdown(call: Call) -> object:
    """End the server; only from this machine, and never from a page in a browser."""
    if "Origin" in call.request.headers or not is_peer_loopback(call.request):
        raise AccessDenied(ErrorCode.LOCAL_ONLY)
    call.services.shutdown.set()
    return {"shutting_down": True}
