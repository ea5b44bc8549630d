"""Views as JSON.

A view's fields are the wire's already; three things are left to do. Every `*_at` that is an
instant becomes ISO text; it is found by the type of its struct, so that a user's own metadata
with such a key stays as it is. A convoy's detail is flattened into its convoy. The status
snapshot keeps the camel case of the reference system's clients.
"""

from __future__ import annotations

from typing import Any, cast

import msgspec

from boomtown.actors.town.views import (
    ConfigView,
    ConvoyDetailView,
    FactsView,
    ListView,
    NothingView,
    PrimeView,
    TownStatusView,
)
from boomtown.wire import iso_from_ms

# Keys of dicts that the town makes itself and that hold instants in milliseconds.
_INSTANTS_OF_STATUS = ("nextFireAt", "openedAt", "probeAt")


def payload(value: object) -> Any:
    """The JSON of what a handler answers."""
    match value:
        case NothingView():
            return None
        case FactsView():
            return value.facts
        case ConfigView():
            return value.config
        case ListView():
            return [payload(item) for item in value.items]
        case ConvoyDetailView():
            rest = _fields(value)
            return {**payload(rest.pop("convoy")), **rest}
        case TownStatusView():
            return _town_status(value)
        case PrimeView():
            prime = _fields(value)
            if value.rework_context is None:
                del prime["rework_context"]
            return prime
        case msgspec.Struct():
            return _fields(value)
        case tuple():
            return [payload(item) for item in cast(tuple[object, ...], value)]
        case _:
            return value


def _fields(value: msgspec.Struct) -> dict[str, Any]:
    """Of any struct; what is nested is turned as well, dicts are the users' and are not."""
    return {
        name: iso_from_ms(field) if _is_instant(name, field) else _nested(field)
        for name, field in msgspec.structs.asdict(value).items()
    }


def _nested(field: object) -> object:
    return payload(field) if _is_ours(field) else field


def _is_ours(field: object) -> bool:
    return isinstance(field, msgspec.Struct | tuple)


def _is_instant(name: str, field: object) -> bool:
    return name.endswith("_at") and isinstance(field, int)


def _town_status(view: TownStatusView) -> dict[str, Any]:
    drain = view.drain_started_at
    return {
        "alarm": _with_iso(view.alarm),
        "agents": view.agents,
        "beads": view.beads,
        "patrol": view.patrol,
        "reconciler": view.reconciler,
        "recentEvents": payload(view.recent_events),
        "draining": view.draining,
        **({} if drain is None else {"drainStartedAt": iso_from_ms(drain)}),
        "paused": view.paused,
        "breaker": _with_iso(view.breaker),
    }


def _with_iso(facts: dict[str, Any]) -> dict[str, Any]:
    return {
        name: iso_from_ms(value) if name in _INSTANTS_OF_STATUS and value is not None else value
        for name, value in facts.items()
    }
