"""Objects and their alarms, for the administrator of this server: what is there, what it holds.

Every class is shown, towns and owners too, so only an admin key of the owner `local` opens these
routes: it is the server's own.
"""

from __future__ import annotations

from typing import Any

import msgspec

from boomtown.actors import SqlError
from boomtown.actors.runtime.inspection import ObjectAlarm, ObjectSummary
from boomtown.error_codes import ErrorCode
from boomtown.errors import AccessDenied, NotFound
from boomtown.http.bodies import SqlBody
from boomtown.http.calls import Call, invalid_body
from boomtown.http.principals import Operator
from boomtown.http.query_parameters import find_count, page_size
from boomtown.http.services import LOCAL_OWNER
from boomtown.wire import iso_from_ms, iso_from_ms_or_none

_KEYS_SHOWN_MAX = 100


async def list_objects(call: Call) -> object:
    """The objects that have a file or are in memory, by class and id."""
    _check_local(call)
    query = call.request.query
    start = find_count(query, "offset") or 0
    found = call.services.objects.list_objects(query.get("class"))
    return [_summary(one) for one in found[start : start + page_size(query)]]


async def get_object(call: Call) -> object:
    """One object, by its name or its id; it is woken, and asked itself."""
    _check_local(call)
    detail = await call.services.objects.find_object(
        call.path["class"], call.path["name"], keys_max=_KEYS_SHOWN_MAX
    )
    if detail is None:
        raise NotFound(ErrorCode.OBJECT_NOT_FOUND)
    fields = msgspec.structs.asdict(detail)
    fields["class"] = fields.pop("class_name")
    fields["alarm_at"] = iso_from_ms_or_none(fields.pop("alarm_at_ms"))
    return fields


async def query_object(call: Call) -> object:
    """A query in an object's database; one that writes says so."""
    _check_local(call)
    body = await call.body(SqlBody)
    try:
        answer = await call.services.objects.find_rows(
            call.path["class"],
            call.path["name"],
            query=body.query,
            bindings=body.bindings,
            may_write=body.write,
            rows_max=page_size(call.request.query),
        )
    except SqlError as error:
        raise invalid_body("query", str(error)) from error
    if answer is None:
        raise NotFound(ErrorCode.OBJECT_NOT_FOUND)
    return msgspec.structs.asdict(answer)


async def list_alarms(call: Call) -> object:
    """Every alarm that is set, the earliest first."""
    _check_local(call)
    query = call.request.query
    start = find_count(query, "offset") or 0
    found = call.services.objects.list_alarms()
    return [_alarm(one) for one in found[start : start + page_size(query)]]


def _check_local(call: Call) -> None:
    principal = call.principal
    assert isinstance(principal, Operator), "the rows of these routes name operators only"
    if principal.owner not in (None, LOCAL_OWNER):
        raise AccessDenied(ErrorCode.FORBIDDEN_SCOPE)


def _summary(one: ObjectSummary) -> dict[str, Any]:
    return {"class": one.class_name, "id": one.id, "name": one.name, "is_live": one.is_live}


def _alarm(one: ObjectAlarm) -> dict[str, Any]:
    return {
        "class": one.class_name,
        "id": one.id,
        "name": one.name,
        "scheduled_at": iso_from_ms(one.scheduled_at_ms),
    }
