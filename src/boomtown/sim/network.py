"""An in-memory network between named ends: it loses, delays, doubles and reorders messages.

Theory of operation. A message is bytes from one end to another. For each one the network chooses
(labels "network.lose", "network.delay", "network.double") what becomes of it and hands it to the
receiver by a timer of the clock, so a message is never delivered within the call that sent it, and
two messages with different delays overtake each other. With a plan that says nothing, every
message arrives once, in order, after the least delay.

An end that is not attached when a message arrives gets nothing, and nobody is told: that is how a
crashed end looks. `partition` cuts a pair of ends in both directions, messages under way included;
`hold` keeps what arrives for an end until `release`, which is how a stopped process (SIGSTOP)
looks. `calm` ends all faults and heals everything, for the quiet phase.

`ask` is one request with one answer over this network, as HTTP would be: no answer in time means
that nobody knows whether the request was carried out. A doubled request is carried out twice; a
second answer goes nowhere. Nothing here is durable.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

from boomtown.clock import Clock
from boomtown.sim.choices import Choices


class LinkQuality(NamedTuple):
    """What may become of a message."""

    lose_per_mille: int = 0
    double_per_mille: int = 0
    delay_ms_min: int = 1
    delay_ms_max: int = 1  # a choice most often takes the least

    @property
    def is_possible(self) -> bool:
        return 0 <= self.delay_ms_min <= self.delay_ms_max


class Envelope(NamedTuple):
    """A message under way."""

    sender: str
    receiver: str
    payload: bytes


class NetworkStatistics(NamedTuple):
    """What became of all messages so far. A doubled message is delivered, or lost, twice."""

    sent: int
    lost: int
    doubled: int
    cut: int  # by a partition, or at an end that was not there
    delivered: int


Receive = Callable[[Envelope], None]
Answer = Callable[[bytes], Awaitable[bytes | None]]  # None: no answer


class Network:
    """All links of one world."""

    def __init__(self, *, clock: Clock, choices: Choices, quality: LinkQuality) -> None:
        assert quality.is_possible
        self._clock = clock
        self._choices = choices
        self._quality = quality
        self._ends: dict[str, Receive] = {}
        self._partitions: set[frozenset[str]] = set()  # membership only, never iterated
        self._unplugged: set[str] = set()  # membership only, never iterated
        self._held: dict[str, list[Envelope]] = {}
        self._counts = NetworkStatistics(0, 0, 0, 0, 0)
        self._call_numbers = itertools.count(1)

    def attach(self, name: str, receive: Receive) -> None:
        """Deliver what arrives for `name` to `receive`, which replaces an earlier one."""
        self._ends[name] = receive

    def detach(self, name: str) -> None:
        """The end is gone; what arrives for it, or is held for it, vanishes."""
        self._ends.pop(name, None)
        self._held.pop(name, None)

    def send(self, envelope: Envelope) -> None:
        """Hand a message to the network; it may arrive, later."""
        self._count(sent=1)
        if _host(envelope.sender) in self._unplugged:
            self._count(cut=1)
            return
        copies = 1
        if self._choices.chance(self._quality.double_per_mille, label="network.double"):
            copies = 2
            self._count(doubled=1)
        for _ in range(copies):
            if self._choices.chance(self._quality.lose_per_mille, label="network.lose"):
                self._count(lost=1)
                continue
            spread_ms = self._quality.delay_ms_max - self._quality.delay_ms_min
            delay_ms = self._quality.delay_ms_min + self._choices.pick(
                spread_ms + 1, label="network.delay"
            )
            self._clock.call_at_ms(self._clock.now_ms() + delay_ms, lambda: self._arrive(envelope))

    def unplug(self, name: str) -> None:
        """The host of this name is off: nothing it sends goes out, its ends are gone, and what
        was held for it is lost."""
        self._unplugged.add(name)
        for end in sorted(self._ends):
            if _host(end) == name:
                self.detach(end)

    def plug(self, name: str) -> None:
        """The host is on again; its ends are to be attached anew."""
        self._unplugged.discard(name)

    def partition(self, first: str, second: str) -> None:
        """Cut the link of two ends, both ways."""
        self._partitions.add(frozenset((first, second)))

    def repair(self, first: str, second: str) -> None:
        """Mend the link of two ends; what was cut stays lost."""
        self._partitions.discard(frozenset((first, second)))

    def hold(self, name: str) -> None:
        """Keep what arrives for an end until it is released."""
        self._held.setdefault(name, [])

    def release(self, name: str) -> None:
        """Deliver what was held, in the order of arrival, and all that comes from now on."""
        for envelope in self._held.pop(name, []):
            self._arrive(envelope)

    def calm(self) -> None:
        """No faults from here on: every message arrives once, after the least delay."""
        self._quality = LinkQuality(
            delay_ms_min=self._quality.delay_ms_min, delay_ms_max=self._quality.delay_ms_min
        )
        self._partitions.clear()
        for name in sorted(self._held):
            self.release(name)

    def statistics(self) -> NetworkStatistics:
        """A snapshot."""
        return self._counts

    @asynccontextmanager
    async def answering_at(self, name: str, answer: Answer) -> AsyncGenerator[None]:
        """Attach an end that answers requests by `answer`, each in a task, while the block lasts.
        Without an answer the caller runs into its timeout, and so it does with a request that
        comes while the last answers are being given or broken off."""
        async with asyncio.TaskGroup() as tasks:

            def receive(envelope: Envelope) -> None:
                tasks.create_task(
                    self._send_answer(envelope, answer),
                    name=f"answer of {name} to {envelope.sender}",
                )

            self.attach(name, receive)
            try:
                yield
            finally:
                self.detach(name)

    async def ask(self, *, sender: str, receiver: str, payload: bytes, timeout_ms: int) -> bytes:
        """Send a request and wait for its answer. Raises TimeoutError after `timeout_ms`: then
        the request may have been carried out, may be still, or never will be."""
        # An end of its own for each call, so that late answers find nobody.
        return_end = f"{sender}#{next(self._call_numbers)}"
        answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        def receive(envelope: Envelope) -> None:
            if not answered.done():
                answered.set_result(envelope.payload)

        def give_up() -> None:
            if not answered.done():
                answered.set_exception(TimeoutError(f"{receiver} did not answer {sender}"))

        self.attach(return_end, receive)
        timer = self._clock.call_at_ms(self._clock.now_ms() + timeout_ms, give_up)
        try:
            self.send(Envelope(return_end, receiver, payload))
            return await answered
        finally:
            timer.cancel()
            self.detach(return_end)

    async def _send_answer(self, envelope: Envelope, answer: Answer) -> None:
        reply = await answer(envelope.payload)
        if reply is not None:
            self.send(Envelope(envelope.receiver, envelope.sender, reply))

    def _arrive(self, envelope: Envelope) -> None:
        link = frozenset((_host(envelope.sender), _host(envelope.receiver)))
        held = self._held.get(_host(envelope.receiver))
        receive = self._ends.get(envelope.receiver)
        if link in self._partitions or receive is None:  # an unplugged host has no ends
            self._count(cut=1)
        elif held is not None:
            held.append(envelope)
        else:
            self._count(delivered=1)
            receive(envelope)

    def _count(
        self, *, sent: int = 0, lost: int = 0, doubled: int = 0, cut: int = 0, delivered: int = 0
    ) -> None:
        now = self._counts
        self._counts = NetworkStatistics(
            now.sent + sent,
            now.lost + lost,
            now.doubled + doubled,
            now.cut + cut,
            now.delivered + delivered,
        )


def _host(end: str) -> str:
    """The end that a call's own return end belongs to."""
    return end.partition("#")[0]
