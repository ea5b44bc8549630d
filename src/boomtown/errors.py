"""The error tree of everything above the runtime.

Each class answers by its place whose fault it is and by `retryable` whether to try again; what
state is left is always the same: a call that raises has changed nothing, unless the code says so.
The code comes from the registry (error_codes.py); `details` carries the facts for programs, the
message one line for people. Only http/error_responses.py turns errors into responses, and only
adapters wrap foreign exceptions.

The runtime has errors of its own (boomtown.actors: DurableObjectError and its family), because it
knows no domain.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from boomtown.error_codes import REGISTRY, ErrorCode, Kind


class Issue(msgspec.Struct, frozen=True):
    """One finding of a validation."""

    path: str  # "tasks[0].title", "" for the whole body
    message: str


class Refusal(msgspec.Struct, frozen=True):
    """An error as a value: what an actor answers instead of raising across its border."""

    code: ErrorCode
    message: str
    details: dict[str, Any] = {}
    issues: tuple[Issue, ...] = ()


class BoomtownError(Exception):
    """Anything that a caller is told by code; `retryable` says whether the same call may succeed
    later. Of the server and its towns: durable objects have DurableObjectError."""

    retryable: ClassVar[bool] = False

    def __init__(
        self,
        code: ErrorCode,
        message: str | None = None,
        *,
        details: Mapping[str, Any] | None = None,
        issues: tuple[Issue, ...] = (),
    ) -> None:
        self.code = code
        self.message: str = message or REGISTRY[code].message
        self.details: dict[str, Any] = dict(details or {})
        self.issues = issues
        super().__init__(self.message)

    @property
    def http_status(self) -> int:
        """The status that a front answers with; the registry has one for each code."""
        return REGISTRY[self.code].status

    def refusal(self) -> Refusal:
        """This error as a value, which may cross between objects and be kept."""
        return Refusal(self.code, self.message, self.details, self.issues)


class InvalidRequest(BoomtownError):
    """The caller sent something that can never work."""


class AccessDenied(BoomtownError):
    """The caller is nobody we know, or may not do this."""


class NotFound(BoomtownError):
    """The caller named something that is not there, or that they may not see."""


class Conflict(BoomtownError):
    """The request is well formed, and something that is there stands in its way."""


class Unavailable(BoomtownError):
    """We, or what we rest on, cannot do it now; nothing was changed."""

    retryable: ClassVar[bool] = True


class InternalFault(BoomtownError):
    """A bug of ours. The cause is logged, never shown."""


_CLASS_OF_KIND: dict[Kind, type[BoomtownError]] = {
    Kind.BAD_REQUEST: InvalidRequest,
    Kind.TOO_LARGE: InvalidRequest,
    Kind.UNPROCESSABLE: InvalidRequest,
    Kind.UNAUTHENTICATED: AccessDenied,
    Kind.FORBIDDEN: AccessDenied,
    Kind.NOT_FOUND: NotFound,
    Kind.METHOD_NOT_ALLOWED: NotFound,
    Kind.CONFLICT: Conflict,
    Kind.GONE: Conflict,
    Kind.BAD_GATEWAY: Unavailable,
    Kind.UNAVAILABLE: Unavailable,
    Kind.INTERNAL: InternalFault,
}


def error_for(
    code: ErrorCode,
    message: str | None = None,
    *,
    details: Mapping[str, Any] | None = None,
    issues: tuple[Issue, ...] = (),
) -> BoomtownError:
    """The error of the right class for `code`."""
    return _CLASS_OF_KIND[REGISTRY[code].kind](code, message, details=details, issues=issues)


def error_from_refusal(refusal: Refusal) -> BoomtownError:
    """The same error again, on the caller's side of the border."""
    return error_for(refusal.code, refusal.message, details=refusal.details, issues=refusal.issues)
