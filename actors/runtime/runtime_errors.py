"""What callers of durable objects may catch, and the signal that ends a reset object's code.

An error that comes out of a handler reaches the caller as the same builtin type, with
`remote = True`; any other class arrives as RemoteError. Failures of the object itself (reset,
overload, broken storage) are DurableObjectError, whose flags follow durable-actors 1.4 and tell
what to do: `retryable`, try again on a fresh stub; `overloaded`, do not; `durable_object_reset`,
the memory of the object is gone and its committed writes are not.
"""

from __future__ import annotations


class DurableObjectError(Exception):
    """The object could not serve the call. The flags are instance attributes."""

    def __init__(
        self,
        message: str,
        *,
        remote: bool = False,
        retryable: bool = False,
        overloaded: bool = False,
        durable_object_reset: bool = False,
        durable_object_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.remote = remote
        self.retryable = retryable
        self.overloaded = overloaded
        self.durable_object_reset = durable_object_reset
        self.durable_object_id = durable_object_id

    def copy(self) -> DurableObjectError:
        """The same failure for one more caller, so that tracebacks do not pile up on one."""
        twin = type(self).__new__(type(self), *self.args)
        twin.args = self.args
        twin.__dict__.update(self.__dict__)
        twin.__cause__ = self.__cause__
        return twin


class RemoteError(DurableObjectError):
    """A handler raised an exception of a class of its own; `type_name` is the class's name."""

    def __init__(
        self, type_name: str, message: str, *, durable_object_id: str | None = None
    ) -> None:
        super().__init__(message, remote=True, durable_object_id=durable_object_id)
        self.type_name = type_name
        self.message = message

    def __str__(self) -> str:
        return f"{self.type_name}: {self.message}"


class CallCycleError(DurableObjectError):
    """A call would wait for ever: a critical section holds the gate of the object that it calls,
    and that section waits for this very call. `cycle` names the objects, the first one twice."""

    def __init__(self, cycle: tuple[str, ...]) -> None:
        super().__init__(
            "The call would wait for ever: each of these waits for the next, and the first in a "
            f"critical section: {' -> '.join(cycle)}"
        )
        self.cycle = cycle


class DataCloneError(TypeError):
    """A value cannot cross between objects, or into storage; the message names its path."""


class NoSuchMethod(TypeError):
    """The class has no public method, or no `fetch`, of the name that a stub was asked for."""


class SqlError(Exception):
    """SQLite refused a statement; the message ends with its code. The object is not reset."""


class OutsideTurnError(RuntimeError):
    """The storage or the state of an object was used by code that is not its turn: a raw loop
    callback, a thread, another object."""


class ObjectReset(BaseException):
    """Ends the code of an object that is reset; raised where `abort` is called.

    Not an Exception, so that `except Exception` cannot hold it up. Never seen by callers.
    """


def reset_error(
    message: str, *, overloaded: bool = False, retryable: bool = False
) -> DurableObjectError:
    """The failure of an object that was reset."""
    return DurableObjectError(
        message, durable_object_reset=True, overloaded=overloaded, retryable=retryable
    )


def describe(error: BaseException) -> str:
    """`ValueError: boom`, or only the class where there is no text."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def as_reset(reason: Exception) -> DurableObjectError:
    """`reason` as callers of a reset object see it: flagged, with its text."""
    if isinstance(reason, DurableObjectError):
        reason.durable_object_reset = True
        return reason
    broken = reset_error(describe(reason))
    broken.__cause__ = reason
    return broken


def for_caller(error: Exception, *, object_id: str) -> Exception:
    """`error`, which came out of an object, as its caller sees it.

    Exceptions do not travel as values: the caller gets a new one of the same builtin type (or of
    our own), and the traceback, which is for people. `remote` is set on it.
    """
    arrived = _rebuilt(error, object_id)
    arrived.__cause__ = error.__cause__
    arrived.__suppress_context__ = True
    return arrived.with_traceback(error.__traceback__)


def _rebuilt(error: Exception, object_id: str) -> Exception:
    if isinstance(error, DurableObjectError):
        twin = error.copy()
        twin.remote = True
        twin.durable_object_id = twin.durable_object_id or object_id
        return twin
    kind: type[Exception] = type(error)
    parts: tuple[object, ...] = error.args
    is_known = kind.__module__ == "builtins" or kind in (DataCloneError, SqlError)
    if is_known and all(isinstance(part, str | int | float | bytes) for part in parts):
        return _with_remote(kind(*error.args), object_id)
    if is_known and not issubclass(kind, ExceptionGroup | UnicodeError):
        return _with_remote(kind(str(error)), object_id)
    return RemoteError(kind.__name__, str(error), durable_object_id=object_id)


def _with_remote(error: Exception, object_id: str) -> Exception:
    error.__dict__["remote"] = True
    error.__dict__["durable_object_id"] = object_id
    return error
