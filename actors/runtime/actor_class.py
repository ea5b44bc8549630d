"""What the runtime knows of a class of durable objects: its callable methods and handlers."""

from __future__ import annotations

import inspect
from typing import Any

from boomtown.actors.runtime.durable_object import DurableObject
from boomtown.actors.runtime.rpc_values import RpcMethod
from boomtown.actors.runtime.runtime_errors import NoSuchMethod

# Delivered by the runtime; `fetch` has its own way in, the rest cannot be called from outside.
HANDLERS = (
    "alarm",
    "connect",
    "fetch",
    "on_schedule",
    "storage_edited",
    "web_socket_close",
    "web_socket_error",
    "web_socket_message",
)


class ActorClass:
    """One registered class."""

    def __init__(
        self, name: str, python_class: type[DurableObject], *, prevents_eviction: bool
    ) -> None:
        assert DurableObject in python_class.__mro__, f"{name} must extend DurableObject"
        self.name = name
        self.python_class = python_class
        self.prevents_eviction = prevents_eviction
        alarm = getattr(python_class, "alarm", None)
        self.has_alarm: bool = alarm is not None
        self.alarm_takes_info: bool = (
            alarm is not None and len(inspect.signature(alarm).parameters) > 1
        )
        self._methods: dict[str, RpcMethod] = {}
        for method_name, function in inspect.getmembers(python_class, inspect.isfunction):
            is_public = not method_name.startswith("_") and method_name not in HANDLERS
            if is_public:
                self._methods[method_name] = RpcMethod(method_name, function)
        fetch = getattr(python_class, "fetch", None)
        self._fetch = None if fetch is None else RpcMethod("fetch", fetch)

    def get_method(self, name: str) -> RpcMethod:
        """A method that stubs may call; TypeError where there is none of that name."""
        method = self._methods.get(name)
        if method is None:
            why = "is a handler" if name in HANDLERS else "is no public method"
            raise NoSuchMethod(f"{name!r} {why} of {self.name}")
        return method

    def get_fetch(self) -> RpcMethod:
        """The handler of requests; TypeError where the class has none."""
        if self._fetch is None:
            raise NoSuchMethod(f"{self.name} has no fetch handler")
        return self._fetch

    def check_scheduled(self, method: str | None) -> None:
        """TypeError unless a schedule can call it: a method of any name, `on_schedule` for None."""
        name = method or "on_schedule"
        function = inspect.getattr_static(self.python_class, name, None)
        is_ours = name.startswith("__") or (name in HANDLERS and method is not None)
        if is_ours or not inspect.isfunction(function):
            raise TypeError(f"{self.name} has no method {name!r} that a schedule can call")

    def construct(self, ctx: Any, env: Any) -> DurableObject:
        """A new instance; runs the class's constructor."""
        return self.python_class(ctx, env)
