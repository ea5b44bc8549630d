"""The requests behind one question to a forge: one token, one span of time, one reading of every
answer that is none.

A status is read once, here: 401 and 403 are about the token, unless the headers speak of a limit;
429 is a limit; 404 and 410 mean that it is not there; 5xx and whatever else was not asked for are
failures. Text is never read. Within a question the first such answer ends it, as `NothingLearnt`,
which the client turns into an outcome; it never leaves the client.
"""

from __future__ import annotations

import re
from typing import Generic, TypeVar
from urllib.parse import urlsplit

import msgspec

from boomtown.clock import Clock
from boomtown.container_sim.forge.model import (
    FailureKind,
    ForgeFailed,
    NotFound,
    NotLearnt,
    RateLimited,
    Unauthorized,
)
from boomtown.container_sim.forge.way import ForgeAnswer, ForgeRequest, ForgeWay, NoAnswer
from boomtown.limits import ForgeLimits
from boomtown.wire import decode_json_as, encode_json

T = TypeVar("T")

HEADERS = {
    "accept": "application/vnd.github+json",
    "content-type": "application/json",
    "user-agent": "boomtown",  # GitHub answers nobody without one
    "x-github-api-version": "2022-11-28",
}
_NEXT = re.compile(r'<([^>]*)>;\s*rel="next"')


class NothingLearnt(Exception):
    """The question is over, with this outcome."""

    def __init__(self, outcome: NotLearnt) -> None:
        super().__init__(repr(outcome))
        self.outcome = outcome


class Pages(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """What the pages of a listing held; `etag` stands for all of them together."""

    pages: tuple[T, ...]
    is_complete: bool
    etag: str | None


class Conversation:
    """One question. Every method raises NothingLearnt."""

    def __init__(
        self, way: ForgeWay, clock: Clock, limits: ForgeLimits, *, token: str, timeout_ms: int
    ) -> None:
        self._way = way
        self._clock = clock
        self._limits = limits
        self._headers = {**HEADERS, "authorization": f"Bearer {token}"}
        self._timeout_ms = timeout_ms
        self._until_ms = clock.monotonic_ms() + timeout_ms

    async def send(
        self,
        method: str,
        url: str,
        body: object = None,
        *,
        etag: str | None = None,
        tail_bytes: int | None = None,
        expected: tuple[int, ...] = (200, 201, 204),
    ) -> ForgeAnswer:
        """An answer with one of the expected statuses, or 304 where an etag was shown."""
        left_ms = self._until_ms - self._clock.monotonic_ms()
        if left_ms <= 0:
            raise failed(FailureKind.TIMEOUT, f"not done within {self._timeout_ms} ms")
        request = ForgeRequest(
            method=method,
            url=url,
            headers=self._headers if etag is None else {**self._headers, "if-none-match": etag},
            body=b"" if body is None else encode_json(body),
            tail_bytes=tail_bytes,
        )
        try:
            answer = await self._way.send(request, timeout_ms=left_ms)
        except NoAnswer as error:
            raise failed(error.kind, str(error)) from error
        if answer.status in expected or (etag is not None and answer.status == 304):
            return answer
        raise NothingLearnt(self._outcome_of(answer))

    async def fetch(self, shape: type[T], url: str) -> T:
        """One thing."""
        return decoded(await self.send("GET", url), shape)

    async def fetch_pages(self, shape: type[T], url: str, *, etag: str | None) -> Pages[T] | None:
        """All pages of a listing whose address has a query already; None when the etag of an
        earlier one still holds.

        Each page has a tag of its own. They are asked for one by one, and any that changed means
        that all are fetched again, so that no two pages are of different times by design.
        """
        if etag is not None and await self._are_unchanged(url, etag.split(" ")):
            return None
        pages: list[T] = []
        tags: list[str | None] = []
        next_url: str | None = _page(url, 1)
        while next_url is not None and len(pages) < self._limits.pages_max:
            shown_url = next_url
            answer = await self.send("GET", shown_url)
            pages.append(decoded(answer, shape))
            tags.append(answer.headers.get("etag"))
            next_url = _next_url(shown_url, answer)
            if next_url == shown_url:
                break  # it leads nowhere
        if next_url is not None:
            return Pages(pages=tuple(pages), is_complete=False, etag=None)
        whole = [tag for tag in tags if tag is not None]
        joined = " ".join(whole) if len(whole) == len(tags) else None
        return Pages(pages=tuple(pages), is_complete=True, etag=joined)

    async def _are_unchanged(self, url: str, tags: list[str]) -> bool:
        for number, tag in enumerate(tags, start=1):
            if (await self.send("GET", _page(url, number), etag=tag)).status != 304:
                return False
        return True

    def retry_at_ms(self, answer: ForgeAnswer) -> int | None:
        """When the answer's headers allow the next call; None where they speak of no limit."""
        now_ms = self._clock.now_ms()
        if (after_s := _number(answer.headers.get("retry-after"))) is not None:
            return now_ms + after_s * 1000
        reset_s = _number(answer.headers.get("x-ratelimit-reset"))
        if answer.headers.get("x-ratelimit-remaining") == "0" and reset_s is not None:
            return max(now_ms, reset_s * 1000)
        return None

    def rate_limited(self, answer: ForgeAnswer) -> RateLimited:
        """For an answer that is known to be about a limit."""
        unnamed_ms = self._clock.now_ms() + self._limits.retry_unnamed_ms
        at_ms = self.retry_at_ms(answer)
        return RateLimited(retry_at_ms=unnamed_ms if at_ms is None else at_ms)

    def _outcome_of(self, answer: ForgeAnswer) -> NotLearnt:
        match answer.status:
            case 401:
                return Unauthorized(is_known=False)
            case 429:
                return self.rate_limited(answer)
            case 403 if self.retry_at_ms(answer) is not None:
                return self.rate_limited(answer)
            case 403:
                return Unauthorized(is_known=True)
            case 404 | 410 | 422:  # 422 where nothing was sent: a commit that is not there
                return NotFound()
            case status if status >= 500:
                return ForgeFailed(kind=FailureKind.SERVER_ERROR, detail=f"status {status}")
            case status:
                return ForgeFailed(kind=FailureKind.MALFORMED, detail=f"status {status}")


def decoded(answer: ForgeAnswer, shape: type[T]) -> T:
    """The answer's body. Raises NothingLearnt."""
    try:
        return decode_json_as(answer.body, shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise failed(FailureKind.MALFORMED, "the answer does not decode") from error


def failed(kind: FailureKind, detail: str) -> NothingLearnt:
    """To be raised."""
    return NothingLearnt(ForgeFailed(kind=kind, detail=detail))


def _next_url(url: str, answer: ForgeAnswer) -> str | None:
    """Where the listing goes on. Raises NothingLearnt where that is another server, which is not
    to have the token."""
    found = _NEXT.search(answer.headers.get("link", ""))
    if found is None:
        return None
    here, there = urlsplit(url), urlsplit(found.group(1))
    if (here.scheme, here.netloc) != (there.scheme, there.netloc):
        raise failed(FailureKind.MALFORMED, "the listing goes on at another server")
    return found.group(1)


def _page(url: str, number: int) -> str:
    return f"{url}&page={number}"


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None
