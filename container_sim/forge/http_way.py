"""Requests to a forge over HTTP, by aiohttp.

A redirect to another host loses the token (aiohttp's rule), as GitHub's log addresses need. Bodies
are bounded: a longer one is malformed, unless only its end was wanted. A request is sent once:
aiohttp would by itself send GET and PUT again when a connection ends without an answer, and a merge
is a PUT. Its connections are kept for 15 s only, less than any forge keeps them, so that an idle
one that was closed meanwhile is hardly ever used.
"""

from __future__ import annotations

import asyncio

import aiohttp

from boomtown.container_sim.forge.model import FailureKind
from boomtown.container_sim.forge.way import ForgeAnswer, ForgeRequest, NoAnswer

CHUNK_BYTES = 65_536
NO_OTHER_LIMIT = aiohttp.ClientTimeout(total=None)  # the caller's is the only one


class HttpWay:
    """Satisfies ForgeWay. Close it; connections are kept between requests."""

    def __init__(self, *, body_bytes_max: int) -> None:
        self._body_bytes_max = body_bytes_max
        self._http: aiohttp.ClientSession | None = None

    async def send(self, request: ForgeRequest, *, timeout_ms: int) -> ForgeAnswer:
        if self._http is None:
            # Made at the first request: a session belongs to the event loop that runs then.
            self._http = aiohttp.ClientSession(timeout=NO_OTHER_LIMIT, middlewares=(_send_once,))
        try:
            async with (
                asyncio.timeout(timeout_ms / 1000),
                self._http.request(
                    request.method, request.url, data=request.body, headers=request.headers
                ) as answer,
            ):
                body = await self._read(answer.content, request.tail_bytes)
                headers = {name.lower(): value for name, value in answer.headers.items()}
                return ForgeAnswer(status=answer.status, headers=headers, body=body)
        except TimeoutError as error:
            raise NoAnswer(FailureKind.TIMEOUT, f"no answer within {timeout_ms} ms") from error
        except (aiohttp.ClientResponseError, aiohttp.ClientPayloadError) as error:
            raise NoAnswer(FailureKind.MALFORMED, type(error).__name__) from error
        except (aiohttp.ClientError, OSError) as error:
            raise NoAnswer(FailureKind.UNREACHABLE, type(error).__name__) from error

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close()
            self._http = None

    async def _read(self, content: aiohttp.StreamReader, tail_bytes: int | None) -> bytes:
        kept = bytearray()
        async for chunk in content.iter_chunked(CHUNK_BYTES):
            kept += chunk
            if tail_bytes is not None:
                del kept[:-tail_bytes]
            elif len(kept) > self._body_bytes_max:
                raise NoAnswer(FailureKind.MALFORMED, "the answer is too long")
        return bytes(kept)


async def _send_once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Turns what aiohttp would answer by a second try into what it lets pass."""
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise NoAnswer(FailureKind.UNREACHABLE, type(error).__name__) from error
