"""The only mapping from errors to responses (http.md 1).

Every answer that is not 2xx leaves through `error_response`. What a caller is told comes from the
registry of codes; what came from below by accident (a bug, SQLite's words, a path) is logged with
the request id and never shown.
"""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web
from multidict import CIMultiDict

from boomtown.actors import DurableObjectError
from boomtown.error_codes import REGISTRY, ErrorCode, Kind
from boomtown.errors import BoomtownError, Issue, Refusal
from boomtown.wire import encode_json

RETRY_AFTER_S = 1  # a reset object is back at its next call
_RETRIED_STATUSES = (429, 503)
_CODE_OF_STATUS = {
    404: ErrorCode.ROUTE_NOT_FOUND,
    405: ErrorCode.METHOD_NOT_ALLOWED,
    413: ErrorCode.PAYLOAD_TOO_LARGE,
}


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """What will be said, and whether the error behind it is ours to log."""

    refusal: Refusal
    headers: dict[str, str] = {}
    is_fault: bool = False

    @property
    def status(self) -> int:
        return REGISTRY[self.refusal.code].status


def failure_of(error: Exception) -> Failure:
    """What to say of an error, by its class. An aiohttp error is a refusal of its router or body
    reader. A foreign error that was raised from one of ours, and a group of one, is taken for
    what it wraps; but a failed assertion is a bug, whatever it was raised from."""
    match error:
        case BoomtownError():
            return _failure(error.refusal())
        case DurableObjectError():
            return _failure_of_object(error)
        case web.HTTPException():
            return _failure_of_aiohttp(error)
        case _:
            wrapped = _find_wrapped(error)
            return _fault() if wrapped is None else _failure(wrapped.refusal())


def _find_wrapped(error: BaseException | None) -> BoomtownError | None:
    """The first error of ours on the way from wrapper to wrapped."""
    match error:
        case None | AssertionError():
            return None
        case BoomtownError():
            return error
        case BaseExceptionGroup(exceptions=(only,)):
            return _find_wrapped(only)
        case _:
            return _find_wrapped(error.__cause__)


def error_response(failure: Failure, *, request_id: str) -> web.Response:
    """The envelope of a failure."""
    refusal = failure.refusal
    row = REGISTRY[refusal.code]
    envelope: dict[str, Any] = {
        "success": False,
        "error": _one_line(refusal.message),
        "code": refusal.code,
        "kind": row.kind,
        "requestId": request_id,
        "details": refusal.details,
    }
    if refusal.issues:
        envelope["issues"] = refusal.issues
    return web.Response(
        body=encode_json(envelope),
        status=row.status,
        headers=CIMultiDict(failure.headers),
        content_type="application/json",
    )


def issue_of_validation(error: msgspec.ValidationError, *, prefix: str = "") -> Issue:
    """msgspec's one finding, its path told apart: `Expected …  - at `$.tasks[0].title``."""
    text, _, location = str(error).partition(" - at `")
    path = location.removesuffix("`").removeprefix("$").removeprefix(".")
    if text.startswith("Object missing required field `"):
        field = text.split("`")[1]
        path = f"{path}.{field}" if path else field
    if prefix:
        path = f"{prefix}.{path}" if path else prefix
    return Issue(path, text)


def _failure(refusal: Refusal, headers: dict[str, str] | None = None) -> Failure:
    row = REGISTRY[refusal.code]
    named = dict(headers or {})
    if row.status in _RETRIED_STATUSES:
        named["Retry-After"] = str(RETRY_AFTER_S)
    if row.kind is Kind.UNAUTHENTICATED:
        named["WWW-Authenticate"] = "Bearer"
    return Failure(refusal=refusal, headers=named, is_fault=row.kind is Kind.INTERNAL)


def _failure_of_object(error: DurableObjectError) -> Failure:
    if error.overloaded:
        return _failure(_refusal(ErrorCode.OVERLOADED))
    if error.retryable or error.durable_object_reset:
        return _failure(_refusal(ErrorCode.OBJECT_RESET))
    return _fault()


def _failure_of_aiohttp(error: web.HTTPException) -> Failure:
    code = _CODE_OF_STATUS.get(error.status)
    if code is None:
        if 400 <= error.status < 500:
            code = ErrorCode.INVALID_BODY
        else:
            return _fault()
    allow = error.headers.get("Allow")
    return _failure(_refusal(code), {} if allow is None else {"Allow": allow})


def _fault() -> Failure:
    return Failure(refusal=_refusal(ErrorCode.INTERNAL_ERROR), is_fault=True)


def _refusal(code: ErrorCode) -> Refusal:
    return Refusal(code, REGISTRY[code].message)


def _one_line(message: str) -> str:
    return " ".join(message.split())
