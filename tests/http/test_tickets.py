"""Tickets: one use, within a minute, for what they were made for."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from boomtown.actors.town.owner_keys import KeyScope
from boomtown.entropy import SystemSecrets
from boomtown.errors import AccessDenied
from boomtown.http.principals import Operator, TicketBearer
from boomtown.http.tickets import TicketKind, Tickets
from boomtown.ids import AgentId, TownId
from boomtown.limits import HttpLimits
from boomtown.testing import ManualClock
from support.fake_town import AGENT, OTHER, TOWN
from support.front_world import FrontWorld, Reply, open_front

ANN = Operator(owner="ann", scope=KeyScope.READ)
LIMITS = HttpLimits(tickets_max=2)


class World:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.tickets = Tickets(clock=self.clock, secrets=SystemSecrets(), limits=LIMITS)

    def issue(self, kind: TicketKind = TicketKind.FEED, agent: str | None = None) -> str:
        agent_id = None if agent is None else AgentId(agent)
        return self.tickets.issue(kind, ANN, town_id=TownId(TOWN), agent_id=agent_id)[0]

    def redeem(self, ticket: str, *, kind: TicketKind = TicketKind.FEED, **path: str) -> bool:
        try:
            bearer = self.tickets.redeem(ticket, kind=kind, path={"town": TOWN, **path})
        except AccessDenied as error:
            return error.code != "TICKET_INVALID"
        assert bearer == TicketBearer(ANN)
        return True


@pytest.fixture
def world() -> World:
    return World()


def test_a_ticket_is_used_once(world: World) -> None:
    ticket = world.issue()
    assert world.redeem(ticket)
    assert not world.redeem(ticket)
    assert not world.redeem("made up")


async def test_a_ticket_is_good_for_a_minute(world: World) -> None:
    first, second = world.issue(), world.issue()
    await world.clock.advance_ms(LIMITS.ticket_ms - 1)
    assert world.redeem(first)
    await world.clock.advance_ms(1)
    assert not world.redeem(second)


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        (TicketKind.STATUS, {}),
        (TicketKind.FEED, {"town": OTHER}),
        (TicketKind.FEED, {"agent": AGENT}),
    ],
)
def test_a_ticket_for_something_else_is_none_and_is_used_up(
    world: World, kind: TicketKind, path: dict[str, str]
) -> None:
    ticket = world.issue()
    assert not world.redeem(ticket, kind=kind, **path)
    assert not world.redeem(ticket)


def test_a_ticket_for_an_agent_is_for_that_agent(world: World) -> None:
    assert world.redeem(world.issue(TicketKind.STREAM, AGENT), kind=TicketKind.STREAM, agent=AGENT)
    assert not world.redeem(
        world.issue(TicketKind.STREAM, AGENT), kind=TicketKind.STREAM, agent=OTHER
    )


def test_of_too_many_tickets_the_oldest_go_first(world: World) -> None:
    first, second, third = world.issue(), world.issue(), world.issue()
    assert not world.redeem(first)
    assert world.redeem(second)
    assert world.redeem(third)


@pytest.fixture
async def front() -> AsyncIterator[FrontWorld]:
    async with open_front() as made:
        yield made


async def ask(front: FrontWorld, body: dict[str, object], scope: str = "admin") -> Reply:
    return await front.call("POST", "/api/tickets", body, credential=front.operator_key(scope))


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "status", "town": TOWN},
        {"kind": "pty", "town": TOWN, "agent": AGENT},
        {"kind": "feed"},
        {"kind": "feed", "town": TOWN, "agent": AGENT},
        {"kind": "nonsense", "town": TOWN},
    ],
)
async def test_a_ticket_for_no_socket_of_ours_is_not_made(
    front: FrontWorld, body: dict[str, object]
) -> None:
    reply = await ask(front, body)
    assert (reply.status, reply.code) == (400, "INVALID_BODY")


async def test_a_reader_may_have_a_ticket_and_acknowledge_nothing(front: FrontWorld) -> None:
    reply = await ask(front, {"kind": "feed", "town": TOWN}, "read")
    assert reply.status == 201
    assert reply.data["expires_at"] == "2027-01-15T08:01:00.000Z"
    path = f"/api/towns/{TOWN}/feed/ws?cursor=c1&ticket={reply.data['ticket']}"
    refused = await front.call("GET", path)
    assert (refused.status, refused.code) == (403, "FORBIDDEN_SCOPE")


async def test_a_socket_takes_tickets_and_no_keys(front: FrontWorld) -> None:
    path = f"/api/towns/{TOWN}/feed/ws"
    with_key = await front.call("GET", path, credential=front.operator_key())
    assert (with_key.status, with_key.code) == (403, "FORBIDDEN_SCOPE")
    used = await front.call("GET", path + "?ticket=used")
    assert (used.status, used.code) == (401, "TICKET_INVALID")


async def test_a_ticket_opens_no_town_of_another_owner(front: FrontWorld) -> None:
    made = await front.call(
        "POST",
        "/api/tickets",
        {"kind": "feed", "town": TOWN},
        credential=front.operator_key("admin", owner="ann"),
    )
    path = f"/api/towns/{TOWN}/feed/ws?ticket={made.data['ticket']}"
    reply = await front.call("GET", path)
    assert (reply.status, reply.code) == (404, "TOWN_NOT_FOUND")
