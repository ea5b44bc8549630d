"""`env`: what an object finds outside itself, by name.

A namespace per class under the class's name in UPPER_SNAKE, variables as they were given, and
*service bindings*: ports of the host, whose calls leave through the object's output gate.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Callable, Coroutine
from typing import Any, Protocol


class Env:
    """The bindings of a host, as attributes; AttributeError names those that exist."""

    def __init__(self, bindings: dict[str, Any]) -> None:
        self.__dict__.update(bindings)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"no binding {name!r}; env has {', '.join(sorted(self.__dict__))}")


class OutgoingCalls(Protocol):
    """How a call leaves an object (host.py)."""

    def is_in_turn(self) -> bool:
        """Whether an object's code runs now."""
        ...

    def hold_and_run(self, call: Callable[[], Coroutine[Any, Any, Any]]) -> asyncio.Future[Any]:
        """Run `call` as a task of the host, once what the present object wrote is durable."""
        ...


class ServiceBinding:
    """A port of the host, as objects see it.

    A method called in an object's turn begins only when everything the object wrote before is
    durable, and never if that fails; it runs as a task of the host, so a reset of the object does
    not cancel it. Called from host code, it is the method itself.
    """

    def __init__(self, service: object, outgoing: OutgoingCalls) -> None:
        self._service = service
        self._outgoing = outgoing

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        method: Any = getattr(self._service, name)
        if not callable(method):
            return method
        outgoing = self._outgoing

        async def call(*args: Any, **kwargs: Any) -> Any:
            def begin() -> Coroutine[Any, Any, Any]:
                return _completed(method, args, kwargs)

            if not outgoing.is_in_turn():
                return await begin()
            return await outgoing.hold_and_run(begin)

        return call


async def _completed(
    method: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    answer = method(*args, **kwargs)
    return await answer if inspect.isawaitable(answer) else answer


def binding_name(class_name: str) -> str:
    """`TownObject` is bound as TOWN_OBJECT."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", class_name)
    return spaced.upper()
