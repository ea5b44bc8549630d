"""The feed's rows of the route table, and the tickets' that open its socket."""

from __future__ import annotations

from typing import Any

from boomtown.actors.town.feed_views import FeedCursorView, FeedPageView
from boomtown.http import feed_routes, feed_streams, ticket_routes
from boomtown.http.bodies import Body
from boomtown.http.calls import Credential, Handler, Route
from boomtown.http.tickets import TicketKind

TOWN = "/api/towns/{town}"
CURSORS = TOWN + "/feed/cursors"
ONE_CURSOR = CURSORS + "/{name}"
FACTS = dict  # a small JSON object


def _row(
    method: str, path: str, handler: Handler, answer: Any, *, status: int = 200, body: Any = Body
) -> Route:
    return Route(
        method=method,
        path=path,
        status=status,
        credentials=(Credential.OPERATOR,),
        group="feed",
        handler=handler,
        body=body,
        answer=answer,
    )


FEED_ROUTES: tuple[Route, ...] = (
    Route(
        method="POST",
        path="/api/tickets",
        status=201,
        credentials=(Credential.OPERATOR,),
        group="service",
        handler=ticket_routes.post_ticket,
        body=ticket_routes.TicketBody,
        answer=FACTS,
    ),
    _row("GET", TOWN + "/feed", feed_routes.get_feed, FeedPageView),
    _row("GET", TOWN + "/feed/stream", feed_streams.stream_events, None),
    # Ours, beside the contract's: a command line lists them.
    _row("GET", CURSORS, feed_routes.list_cursors, list[FeedCursorView]),
    _row("GET", ONE_CURSOR, feed_routes.get_cursor, FeedCursorView),
    _row("PUT", ONE_CURSOR, feed_routes.put_cursor, FeedCursorView, body=feed_routes.CursorBody),
    _row("DELETE", ONE_CURSOR, feed_routes.delete_cursor, None, status=204),
    Route(
        method="GET",
        path=TOWN + "/feed/ws",
        status=101,
        credentials=(Credential.TICKET,),
        group="sockets",
        handler=feed_streams.open_feed_socket,
        ticket=TicketKind.FEED,
    ),
)
