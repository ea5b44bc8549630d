"""The caller's side of durable objects: namespaces make ids, ids make stubs, stubs make calls.

A stub connects with its first call and is pinned to the instance that it found: after a reset
every later call of it raises the reset's reason, while a fresh stub finds a fresh instance. An
eviction is not a reset: the stub goes on with the next instance. Calls of one stub are delivered
in the order in which they are begun.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from boomtown.actors.runtime.actor_class import ActorClass
from boomtown.actors.runtime.exchange import Body, HeaderSource, Request, Response
from boomtown.actors.runtime.instance import LiveObject
from boomtown.actors.runtime.object_ids import DurableObjectId, IdMint
from boomtown.actors.runtime.ports import ObjectKey
from boomtown.actors.runtime.rpc_values import RpcMethod
from boomtown.entropy import Entropy

NAMES_KEPT_MAX = 10_000  # ids of names; making one takes two HMACs


class Connection:
    """What one stub knows of its object."""

    __slots__ = ("actor_class", "key", "name", "pinned")

    def __init__(self, actor_class: ActorClass, key: ObjectKey, name: str | None) -> None:
        self.actor_class: ActorClass = actor_class
        self.key: ObjectKey = key
        self.name: str | None = name
        self.pinned: LiveObject | None = None  # the instance that the stub found last

    @property
    def label(self) -> str:
        """The object, for people."""
        return f"{self.key.class_name}/{self.name or self.key.object_id}"


class Router(Protocol):
    """How a stub reaches its object (host.py)."""

    async def call(
        self,
        connection: Connection,
        method: RpcMethod,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any: ...

    async def fetch(
        self, connection: Connection, method: RpcMethod, request: Request
    ) -> Response: ...


class DurableObjectStub:
    """Calls one object: every other attribute is a method of it, to be awaited.

    `await stub.increment(2)` returns a copy of what the method returned. A handler's error
    arrives as the same builtin type, with `remote = True`, or as RemoteError; a failure of the
    object itself as DurableObjectError. Cancelling the caller does not cancel the work.
    """

    def __init__(self, router: Router, actor_class: ActorClass, object_id: DurableObjectId) -> None:
        self.id = object_id
        self.name: str | None = object_id.name
        self._router = router
        key = ObjectKey(actor_class.name, str(object_id))
        self._connection = Connection(actor_class, key, object_id.name)

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        if name.startswith("_"):
            raise AttributeError(name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            connection = self._connection
            method = connection.actor_class.get_method(name)
            return await self._router.call(connection, method, args, kwargs)

        return call

    async def fetch(
        self,
        request: Request | str,
        *,
        method: str = "GET",
        headers: HeaderSource | None = None,
        body: Body | str = b"",
    ) -> Response:
        """Send a request; the options serve a URL. TypeError where the class has no `fetch`."""
        if isinstance(request, str):
            request = Request(method, request, headers, body)
        else:
            request = Request(request.method, request.url, request.headers, request.body)
        connection = self._connection
        return await self._router.fetch(connection, connection.actor_class.get_fetch(), request)

    def __repr__(self) -> str:
        class_name = self._connection.actor_class.name
        return f"<DurableObjectStub {class_name} {self.name or self.id}>"


class Namespace:
    """The objects of one class. An object exists by being called."""

    def __init__(
        self, router: Router, actor_class: ActorClass, *, unique_key: str, entropy: Entropy
    ) -> None:
        self._router = router
        self._actor_class = actor_class
        self._mint = IdMint(unique_key)
        self._entropy = entropy
        self._ids: dict[str, DurableObjectId] = {}
        self._keys: dict[str, ObjectKey] = {}

    @property
    def class_name(self) -> str:
        """The name under which the class was registered: a key of Host's `classes`."""
        return self._actor_class.name

    def id_from_name(self, name: str) -> DurableObjectId:
        """The id that `name` always has in this class; the object is not touched."""
        object_id = self._ids.get(name)
        if object_id is None:
            object_id = self._mint.from_name(name)
            if len(self._ids) >= NAMES_KEPT_MAX:
                del self._ids[next(iter(self._ids))]
            self._ids[name] = object_id
        return object_id

    def key_of_name(self, name: str) -> ObjectKey:
        """What the host knows the object of that name by."""
        key = self._keys.get(name)
        if key is None:
            key = ObjectKey(self._actor_class.name, str(self.id_from_name(name)))
            if len(self._keys) >= NAMES_KEPT_MAX:
                del self._keys[next(iter(self._keys))]
            self._keys[name] = key
        return key

    def new_unique_id(self, *, jurisdiction: str | None = None) -> DurableObjectId:
        """A new id without a name. ValueError for any jurisdiction: there are none here."""
        if jurisdiction is not None:
            raise ValueError("Jurisdiction restrictions are not implemented")
        return self._mint.from_random(self._entropy.random_bytes(16, label="object-id"))

    def id_from_string(self, text: str) -> DurableObjectId:
        """The id that `str(id)` gave, without its name. TypeError for any other text."""
        return self._mint.from_string(text)

    def get(
        self, object_id: DurableObjectId, *, location_hint: str | None = None
    ) -> DurableObjectStub:
        """A stub, at once. TypeError for an id of another namespace; the hint is ignored."""
        self._mint.from_string(str(object_id))
        return DurableObjectStub(self._router, self._actor_class, object_id)

    def get_by_name(self, name: str, *, location_hint: str | None = None) -> DurableObjectStub:
        """A stub of the object of that name, at once: it is reached by the first call."""
        return DurableObjectStub(self._router, self._actor_class, self.id_from_name(name))


# Functions, because every public attribute of a stub is a method of its object.


def router_of(place: Namespace | DurableObjectStub) -> Router:
    """Whom a namespace's stubs, or one stub, call through; for boomtown.testing."""
    return place._router  # pyright: ignore[reportPrivateUsage]


def connection_of(stub: DurableObjectStub) -> Connection:
    """What a stub knows of its object; for boomtown.testing."""
    return stub._connection  # pyright: ignore[reportPrivateUsage]
