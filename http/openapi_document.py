"""The OpenAPI document: made from the route table and the shapes of bodies and views.

Each operation names the codes that it may fail with, by status (route_codes.py); the words of
all codes are in the schema of failures. The shapes of answers are the views' own, with their
instants as date-times, as payloads.py writes them. The document is the same for every caller and
for every server of one version.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, cast

import msgspec

from boomtown.error_codes import REGISTRY, ErrorCode, Kind
from boomtown.http.bodies import Body
from boomtown.http.calls import Credential, Route
from boomtown.http.route_codes import codes_of

_PARAMETER = re.compile(r"\{(\w+)(?::[^}]*)?\}")
_REFERENCE = "#/components/schemas/{name}"
_FAILURE = {"$ref": _REFERENCE.format(name="Failure")}
_WITH_BODY = ("POST", "PUT", "PATCH")


def openapi_document(routes: Sequence[Route], *, version: str) -> dict[str, Any]:
    """The whole document, as JSON-able values; routes in the order of the table."""
    shapes = [route.body for route in routes] + [route.answer for route in routes]
    # In order of first appearance, each once.
    known = list(dict.fromkeys(shape for shape in shapes if shape not in (None, dict)))
    schemas, components = msgspec.json.schema_components(known, ref_template=_REFERENCE)
    schema_of = dict(zip(known, schemas, strict=True))
    for component in components.values():
        _write_instants(component)
    _flatten_convoy(components)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = _PARAMETER.sub(r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {"title": "boomtown", "version": version},
        "paths": paths,
        "components": {
            "schemas": {**components, "Failure": _failure_schema()},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
            },
        },
    }


def _operation(route: Route, schema_of: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.operation_id,
        "tags": [route.group],
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in _PARAMETER.findall(route.path)
        ],
        "responses": {
            str(route.status): _success(route, schema_of),
            **_failures(codes_of(route)),
            "default": {"description": "A failure", "content": _json(_FAILURE)},
        },
        "x-credentials": list(route.credentials),
    }
    if Credential.NONE not in route.credentials:
        operation["security"] = [{"bearer": []}, {"apiKey": []}]
    if route.method in _WITH_BODY and route.body is not Body:
        operation["requestBody"] = {"content": _json(_schema(route.body, schema_of))}
    return operation


def _failures(codes: Sequence[ErrorCode]) -> dict[str, Any]:
    """The codes of each status, the lowest status first; codes in the registry's order."""
    statuses = sorted({REGISTRY[code].status for code in codes})
    return {str(status): _failure_of(status, codes) for status in statuses}


def _failure_of(status: int, codes: Sequence[ErrorCode]) -> dict[str, Any]:
    named = [code.value for code in codes if REGISTRY[code].status == status]
    only = {"type": "object", "properties": {"code": {"enum": named}}}
    return {"description": ", ".join(named), "content": _json({"allOf": [_FAILURE, only]})}


def _success(route: Route, schema_of: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    if route.status == 204:
        return {"description": "Done; no body"}
    data = _schema(route.answer, schema_of)
    envelope = {
        "type": "object",
        "required": ["success", "data"],
        "properties": {"success": {"const": True}, "data": data},
    }
    return {"description": "Success", "content": _json(envelope)}


def _schema(shape: Any, schema_of: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    if shape is None:
        return {}
    return {"type": "object"} if shape is dict else schema_of[shape]


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _failure_schema() -> dict[str, Any]:
    issue = {
        "type": "object",
        "properties": {"path": {"type": "string"}, "message": {"type": "string"}},
    }
    return {
        "type": "object",
        "required": ["success", "error", "code", "kind", "requestId", "details"],
        "properties": {
            "success": {"const": False},
            "error": {"type": "string"},
            "code": {"enum": [code.value for code in ErrorCode]},
            "kind": {"enum": [kind.value for kind in Kind]},
            "requestId": {"type": "string"},
            "details": {"type": "object"},
            "issues": {"type": "array", "items": issue},
        },
        "x-codes": {
            code.value: {"status": row.status, "kind": row.kind.value, "message": row.message}
            for code, row in REGISTRY.items()
        },
    }


def _flatten_convoy(components: dict[str, Any]) -> None:
    """A convoy's detail is its convoy with two more fields (payloads.py)."""
    detail = components.get("ConvoyDetailView")
    if detail is not None:
        convoy = detail["properties"].pop("convoy")
        detail["required"].remove("convoy")
        components["ConvoyDetailView"] = {"allOf": [convoy, detail]}


def _write_instants(component: dict[str, Any]) -> None:
    """Turn a struct's `*_at` integers into date-times, and drop the views' inner tag."""
    properties = cast(dict[str, dict[str, Any]], component.get("properties", {}))
    properties.pop("view", None)
    component["required"] = [name for name in component.get("required", ()) if name != "view"]
    moment = {"type": "string", "format": "date-time"}
    for name, schema in properties.items():
        if not name.endswith("_at"):
            continue
        if schema.get("type") == "integer":
            properties[name] = moment
        elif "anyOf" in schema:
            properties[name] = {"anyOf": [moment, {"type": "null"}]}
