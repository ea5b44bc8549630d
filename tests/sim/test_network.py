"""The network does to messages what networks do, by choice."""

from __future__ import annotations

import asyncio

import pytest

from boomtown.sim.choices import Choices, Plan
from boomtown.sim.network import Envelope, LinkQuality, Network, NetworkStatistics
from boomtown.sim.virtual_loop import VirtualClock, VirtualLoop, run_virtually

BAD = LinkQuality(lose_per_mille=150, double_per_mille=150, delay_ms_min=1, delay_ms_max=40)


def new_network(loop: VirtualLoop, quality: LinkQuality) -> tuple[Network, list[bytes]]:
    network = Network(clock=VirtualClock(loop), choices=loop.choices, quality=quality)
    received: list[bytes] = []
    network.attach("b", lambda envelope: received.append(envelope.payload))
    return network, received


def send_numbers(network: Network, count: int) -> None:
    for number in range(count):
        network.send(Envelope("a", "b", bytes([number])))


def delivered_of_100(seed: int, plan: Plan | None = None) -> tuple[list[bytes], NetworkStatistics]:
    async def main(loop: VirtualLoop) -> tuple[list[bytes], NetworkStatistics]:
        network, received = new_network(loop, BAD)
        send_numbers(network, 100)
        assert received == []
        await asyncio.sleep(1)
        return received, network.statistics()

    return run_virtually(main, Choices(seed=seed, plan=plan))


def test_messages_are_lost_doubled_and_reordered() -> None:
    received, counts = delivered_of_100(1)
    assert counts.sent == 100
    assert 5 < counts.lost < 30
    assert 5 < counts.doubled < 30
    assert counts.delivered == 100 + counts.doubled - counts.lost == len(received)
    assert len(set(received)) < len(received)
    assert received != sorted(received)


def test_the_seed_decides() -> None:
    assert delivered_of_100(1) == delivered_of_100(1)
    assert delivered_of_100(1) != delivered_of_100(2)


def test_with_an_empty_plan_all_arrive_once_and_in_order() -> None:
    received, _ = delivered_of_100(1, plan={})
    assert received == [bytes([number]) for number in range(100)]


def test_one_choice_of_a_plan_loses_one_message() -> None:
    received, counts = delivered_of_100(1, plan={("network.lose", 3): 1})
    assert counts.lost == 1
    assert received == [bytes([number]) for number in range(100) if number != 3]


def test_a_partition_cuts_what_is_under_way_until_it_is_repaired() -> None:
    async def main(loop: VirtualLoop) -> tuple[list[bytes], int]:
        network, received = new_network(loop, LinkQuality())
        network.send(Envelope("a", "b", b"1"))
        network.partition("b", "a")
        await asyncio.sleep(1)
        network.repair("a", "b")
        network.send(Envelope("a", "b", b"2"))
        await asyncio.sleep(1)
        return received, network.statistics().cut

    assert run_virtually(main, Choices(seed=1)) == ([b"2"], 1)


def test_a_held_end_gets_everything_later() -> None:
    async def main(loop: VirtualLoop) -> list[bytes]:
        network, received = new_network(loop, LinkQuality())
        network.hold("b")
        send_numbers(network, 3)
        await asyncio.sleep(1)
        assert received == []
        network.release("b")
        return received

    assert run_virtually(main, Choices(seed=1)) == [b"\0", b"\1", b"\2"]


def test_an_unplugged_host_neither_sends_nor_gets() -> None:
    async def main(loop: VirtualLoop) -> list[bytes]:
        network, received = new_network(loop, LinkQuality())
        network.send(Envelope("a", "b", b"1"))
        network.unplug("b")
        await asyncio.sleep(1)
        network.plug("b")
        network.attach("b", lambda envelope: received.append(envelope.payload))
        network.unplug("a")
        network.send(Envelope("a", "b", b"2"))
        network.send(Envelope("a#1", "b", b"3"))
        network.plug("a")
        network.send(Envelope("a", "b", b"4"))
        await asyncio.sleep(1)
        return received

    assert run_virtually(main, Choices(seed=1)) == [b"4"]


def test_calm_ends_every_fault() -> None:
    async def main(loop: VirtualLoop) -> list[bytes]:
        network, received = new_network(loop, BAD._replace(lose_per_mille=900))
        network.partition("a", "b")
        network.hold("b")
        network.calm()
        send_numbers(network, 50)
        await asyncio.sleep(1)
        return received

    assert run_virtually(main, Choices(seed=1)) == [bytes([number]) for number in range(50)]


async def ask_doubling_server(
    loop: VirtualLoop, quality: LinkQuality, *, timeout_ms: int = 500
) -> tuple[str, list[bytes]]:
    network = Network(clock=VirtualClock(loop), choices=loop.choices, quality=quality)
    carried_out: list[bytes] = []

    async def answer(payload: bytes) -> bytes | None:
        carried_out.append(payload)
        return None if payload == b"silence" else payload * 2

    async with network.answering_at("server", answer):
        try:
            reply = await network.ask(
                sender="client", receiver="server", payload=b"hi", timeout_ms=timeout_ms
            )
        except TimeoutError as error:
            reply = str(error).encode()
        await asyncio.sleep(1)
    return reply.decode(), carried_out


async def ask_leaving_server(loop: VirtualLoop) -> list[str]:
    """A request arrives while the end's last answer is still being broken off."""
    network = Network(clock=VirtualClock(loop), choices=loop.choices, quality=LinkQuality())
    carried_out: list[bytes] = []
    unhandled: list[str] = []
    loop.set_exception_handler(lambda _, context: unhandled.append(str(context["exception"])))

    async def answer(payload: bytes) -> bytes | None:
        carried_out.append(payload)
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(1)
        return payload

    async def serve() -> None:
        async with network.answering_at("server", answer):
            await asyncio.Event().wait()

    serving = asyncio.create_task(serve(), name="server")
    await asyncio.sleep(0.1)
    network.send(Envelope("client", "server", b"early"))
    await asyncio.sleep(0.1)
    serving.cancel()
    await asyncio.sleep(0.1)
    network.send(Envelope("client", "server", b"late"))
    await asyncio.wait({serving})
    assert carried_out == [b"early"]
    return unhandled


def test_a_request_to_an_end_that_leaves_finds_nobody() -> None:
    assert run_virtually(ask_leaving_server, Choices(seed=1)) == []


def test_a_question_is_answered() -> None:
    outcome = run_virtually(lambda loop: ask_doubling_server(loop, LinkQuality()), Choices(seed=1))
    assert outcome == ("hihi", [b"hi"])


@pytest.mark.parametrize(
    ("plan", "carried_out"),
    [
        pytest.param({("network.lose", 0): 1}, [], id="the request is lost"),
        pytest.param({("network.lose", 1): 1}, [b"hi"], id="the answer is lost"),
    ],
)
def test_no_answer_says_nothing_about_the_request(plan: Plan, carried_out: list[bytes]) -> None:
    quality = LinkQuality(lose_per_mille=1)
    outcome = run_virtually(
        lambda loop: ask_doubling_server(loop, quality), Choices(seed=1, plan=plan)
    )
    assert outcome == ("server did not answer client", carried_out)


def test_an_answer_after_the_timeout_finds_nobody() -> None:
    quality = LinkQuality(delay_ms_min=300, delay_ms_max=300)
    outcome = run_virtually(lambda loop: ask_doubling_server(loop, quality), Choices(seed=1))
    assert outcome == ("server did not answer client", [b"hi"])


def test_a_doubled_request_is_carried_out_twice_and_answered_once() -> None:
    quality = LinkQuality(double_per_mille=1)
    plan = {("network.double", 0): 1}
    outcome = run_virtually(
        lambda loop: ask_doubling_server(loop, quality), Choices(seed=1, plan=plan)
    )
    assert outcome == ("hihi", [b"hi", b"hi"])
