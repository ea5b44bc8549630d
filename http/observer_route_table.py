"""The observer's rows of the route table, and the claim of a pull request by a session."""

from __future__ import annotations

from typing import Any

from boomtown.actors.town.observer_views import ObserverView, PrView
from boomtown.http import observer_routes
from boomtown.http.bodies import Body
from boomtown.http.calls import Credential, Handler, Route

TOWN = "/api/towns/{town}"
SCM = TOWN + "/observers/scm"
FACTS = dict  # a small JSON object


def _row(
    group: str,
    method: str,
    path: str,
    status: int,
    handler: Handler,
    body: type[Body],
    answer: Any,
) -> Route:
    return Route(
        method=method,
        path=path,
        status=status,
        credentials=(Credential.OPERATOR,),
        group=group,
        handler=handler,
        body=body,
        answer=answer,
    )


OBSERVER_ROUTES: tuple[Route, ...] = (
    _row(
        "observers",
        "GET",
        TOWN + "/observers",
        200,
        observer_routes.list_observers,
        Body,
        list[ObserverView],
    ),
    _row("observers", "POST", SCM + "/recheck", 200, observer_routes.recheck, Body, ObserverView),
    _row("observers", "POST", SCM + "/poll", 202, observer_routes.poll, Body, FACTS),
    _row("observers", "GET", TOWN + "/prs", 200, observer_routes.list_prs, Body, list[PrView]),
    _row(
        "sessions",
        "POST",
        TOWN + "/sessions/{session}/claim-pr",
        200,
        observer_routes.claim_pr,
        observer_routes.ClaimBody,
        PrView,
    ),
)
