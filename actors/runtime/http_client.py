"""The connections that a host's objects share when they `fetch`: aiohttp's, kept by the host.

Made at the first request, by a task of the host: what an object's turn makes would be cancelled
with the object. Cookies are not kept, since what one object is given is not the next one's.
"""

from __future__ import annotations

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from boomtown.actors.runtime.exchange import Request, Response
from boomtown.limits import RuntimeLimits

_READ_BYTES = 65_536
# Of one connection, or no longer true of a body that was decompressed.
_HEADERS_KEPT_BACK = frozenset(
    {"connection", "content-encoding", "content-length", "keep-alive", "transfer-encoding"}
)


class AiohttpClient:
    """Satisfies HttpClient."""

    def __init__(self, limits: RuntimeLimits) -> None:
        self._body_bytes_max = limits.fetch_body_bytes_max
        self._session: aiohttp.ClientSession | None = None

    async def send(self, request: Request) -> Response:
        """Send it and read the answer."""
        try:
            async with self._open().request(
                request.method,
                URL(request.url),
                headers=CIMultiDict(iter(request.headers)),
                data=await request.bytes() or None,
            ) as answer:
                return Response(await self._read(answer), answer.status, _kept(answer))
        except aiohttp.InvalidURL as error:
            raise ValueError(f"fetch: {request.url!r} is no URL") from error
        except (aiohttp.ClientError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise ConnectionError(f"fetch {request.url}: {reason}") from error

    async def _read(self, answer: aiohttp.ClientResponse) -> bytes:
        parts: list[bytes] = []
        size = 0
        async for part in answer.content.iter_chunked(_READ_BYTES):
            size += len(part)
            if size > self._body_bytes_max:
                raise ValueError(f"fetch: the answer has more than {self._body_bytes_max} bytes")
            parts.append(part)
        return b"".join(parts)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(),
                # The caller's own time limit holds, on the host's clock.
                timeout=aiohttp.ClientTimeout(total=None),
            )
        return self._session

    async def aclose(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def _kept(answer: aiohttp.ClientResponse) -> list[tuple[str, str]]:
    return [
        (name, value)
        for name, value in answer.headers.items()
        if name.lower() not in _HEADERS_KEPT_BACK
    ]
