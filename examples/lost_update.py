"""A durable object with a lost update, its repaired twin, and the simulation that tells them apart.

An object's storage calls never interleave with another request's. A wait for something *outside*
does let other requests in, so what was read before it may be old after it. `HastyWallet` reads,
waits, and writes what it computed from the old value: of two deposits at once, one is lost,
though both were confirmed. `CarefulWallet` waits first and then reads and writes without a wait
between. (Where the wait must stand in the middle: `ctx.block_concurrency_while`.)

Run it with pytest:

    pytest examples/lost_update.py
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import pytest

from boomtown.actors import DurableObject
from boomtown.testing import MachineLost, SimulationFailed, SimulationReport, World


class HastyWallet(DurableObject):
    """Holds a value in memory across a wait: the mistake."""

    async def deposit(self, amount: int) -> int:
        balance: int = await self.ctx.storage.get("balance") or 0
        worth: int = amount * await self.env.RATES.quote()
        await self.ctx.storage.put("balance", balance + worth)
        return worth

    async def balance(self) -> int:
        return await self.ctx.storage.get("balance") or 0


class CarefulWallet(HastyWallet):
    """Reads after the wait, so that nothing comes between reading and writing."""

    async def deposit(self, amount: int) -> int:
        worth: int = amount * await self.env.RATES.quote()
        balance: int = await self.ctx.storage.get("balance") or 0
        await self.ctx.storage.put("balance", balance + worth)
        return worth


class Rates:
    """Stands for a service on the network: an answer takes two milliseconds."""

    async def quote(self) -> int:
        await asyncio.sleep(0.002)
        return 3


def rates(world: World) -> dict[str, object]:
    return {"RATES": Rates()}


async def deposit_from_two_clients(world: World) -> None:
    wallet = world.stub("alice")

    async def client(number: int) -> None:
        await world.sleep_ms(10 * number)
        await world.pause(20)
        with contextlib.suppress(MachineLost):  # then nobody knows, and nothing is noted
            world.acknowledged(await wallet.deposit(10 + number))

    await world.run_clients(2, client)


async def check_that_no_deposit_is_lost(world: World) -> None:
    told = sum(entry for entry in world.ledger if isinstance(entry, int))
    kept = await world.stub("alice").balance()
    assert kept >= told, f"deposits of {told} were confirmed, and {kept} is there"


def run(simulate: Callable[..., SimulationReport], wallet: type[DurableObject]) -> SimulationReport:
    return simulate(
        wallet,
        deposit_from_two_clients,
        seeds=range(50),
        invariant=check_that_no_deposit_is_lost,
        services=rates,
    )


def test_the_lost_update_is_found(simulate: Callable[..., SimulationReport]) -> None:
    with pytest.raises(SimulationFailed) as failed:
        run(simulate, HastyWallet)
    print(failed.value)


def test_the_repaired_wallet_loses_nothing(simulate: Callable[..., SimulationReport]) -> None:
    assert run(simulate, CarefulWallet).digests
