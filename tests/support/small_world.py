"""A whole world of the simulator's parts: clients, a lossy network, a host that crashes.

The host keeps a counter per account in one database through the runtime's commit path. Adding
reads, waits (as a handler does), and writes. Defects can be planted, to prove that a seed finds
them and that the finding shrinks.
"""

from __future__ import annotations

import asyncio
import enum
from pathlib import Path
from typing import NamedTuple

from boomtown.actors.runtime.commit_path import FileCommitPath, FlushThread
from boomtown.actors.runtime.database import Database, DatabaseOptions, database_path
from boomtown.actors.runtime.ports import Durability, ObjectKey, SilentInstrument
from boomtown.limits import RuntimeLimits
from boomtown.sim.choices import Choices, Plan
from boomtown.sim.disk import Disk
from boomtown.sim.faults import ChosenFaults, FaultKind, FaultRate
from boomtown.sim.fences import fenced
from boomtown.sim.machine import Machine
from boomtown.sim.network import LinkQuality, Network
from boomtown.sim.run_trace import Trace
from boomtown.sim.vfs import DiskFlush, folder_maker, virtual_sqlite
from boomtown.sim.virtual_loop import VirtualClock, VirtualLoop, run_virtually

DATA_DIR = Path("/data")
KEY = ObjectKey("Account", "ab" * 32)
CLIENTS = 3
ADDS_PER_CLIENT = 12
BAD_NETWORK = LinkQuality(lose_per_mille=50, double_per_mille=50, delay_ms_max=30)
CRASHES = {"disk.op": FaultRate(8, (FaultKind.POWER_CUT, FaultKind.KILL))}


class Planted(enum.StrEnum):
    """A defect of the host."""

    NOTHING = "nothing"
    NO_LOCK = "no_lock"  # two adds interleave between reading and writing
    NO_SYNC = "no_sync"  # replies do not wait for the disk


class Outcome(NamedTuple):
    """How a run ended."""

    violation: str  # "" when every invariant held
    digest: str
    lives: int
    taken: Plan


class Account:
    """The program of the host, in one of its lives."""

    def __init__(self, world: World, database: Database, path: FileCommitPath) -> None:
        self._world = world
        self._database = database
        self._path = path
        self._lock = asyncio.Lock()

    async def answer(self, payload: bytes) -> bytes:
        if self._world.planted is Planted.NO_LOCK:
            return await self._add(payload.decode())
        async with self._lock:
            return await self._add(payload.decode())

    async def _add(self, token: str) -> bytes:
        read = self._database.read_int("SELECT coalesce(sum(value), 0) FROM total")
        await asyncio.sleep(0.002)
        known = self._database.rows("SELECT 1 FROM add_ WHERE token = ?", (token,))
        self._database.run("BEGIN")
        if not known:
            self._database.run("INSERT INTO add_ VALUES (?, zeroblob(600))", (token,))
            self._database.run("UPDATE total SET value = ?", (read + 1,))
        self._database.run("COMMIT")
        durable = self._path.submit(self._database.commit_of(KEY))
        if durable is not None:
            await durable
        return token.encode()


class World:
    """One run."""

    def __init__(self, loop: VirtualLoop, choices: Choices, planted: Planted) -> None:
        self.planted = planted
        self.acknowledged: list[str] = []
        self.clock = VirtualClock(loop)
        self.choices = choices
        self.trace = Trace(self.clock.now_ms)
        self.faults = ChosenFaults(choices, CRASHES)
        self.network = Network(clock=self.clock, choices=choices, quality=BAD_NETWORK)
        self.machine = Machine(
            "host",
            self._host,
            clock=self.clock,
            choices=choices,
            faults=self.faults,
            network=self.network,
            trace=self.trace,
            reboot_ms=200,
        )

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            host = tasks.create_task(self.machine.run(), name="machine")
            async with asyncio.TaskGroup() as clients:
                for number in range(CLIENTS):
                    clients.create_task(self._client(number), name=f"client {number}")
                await self.clock.sleep_until_ms(self.clock.now_ms() + 3_000)
                self.faults.stop()  # the quiet phase: from here on everybody must come to rest
                self.network.calm()
            self.machine.shut_down()
            await host

    async def _client(self, number: int) -> None:
        for nth in range(ADDS_PER_CLIENT):
            token = f"{number}.{nth}"
            while token not in self.acknowledged:
                try:
                    await self.network.ask(
                        sender=f"client {number}",
                        receiver="host",
                        payload=token.encode(),
                        timeout_ms=100,
                    )
                except TimeoutError:
                    continue
                self.acknowledged.append(token)
                self.trace.record("acknowledged", token=token)

    async def _host(self, disk: Disk) -> None:
        with virtual_sqlite(disk, now_ms=self.clock.now_ms, choices=self.choices) as vfs:
            if not disk.exists(str(DATA_DIR)):
                disk.mkdir(str(DATA_DIR))
            disk.sync_dir("/")
            path = FileCommitPath(
                flush=DiskFlush(disk),
                runner=FlushThread(),
                durability=(
                    Durability.PROCESS if self.planted is Planted.NO_SYNC else Durability.FULL
                ),
                data_dir=DATA_DIR,
                instrument=SilentInstrument(),
                on_broken=lambda _: None,
            )
            database = open_account(vfs.name, disk)
            try:
                found = path.submit(database.commit_of(KEY))
                if found is not None:
                    await found
                account = Account(self, database, path)
                async with self.network.answering_at("host", account.answer):
                    await asyncio.Event().wait()
            finally:
                database.close()

    def violation(self) -> str:
        """What the outside was told and the disk does not hold."""
        disk = self.machine.disk
        with virtual_sqlite(disk, now_ms=self.clock.now_ms, choices=self.choices) as vfs:
            database = open_account(vfs.name, disk)
            tokens = {token for (token,) in database.rows("SELECT token FROM add_")}
            total = database.read_int("SELECT value FROM total")
            database.close()
        lost = [token for token in self.acknowledged if token not in tokens]
        if lost:
            return f"lost acknowledged {lost[0]}"
        return "" if total == len(tokens) else "lost update"


def open_account(vfs: str, disk: Disk) -> Database:
    options = DatabaseOptions(vfs=vfs, make_folders=folder_maker(disk))
    database = Database(database_path(DATA_DIR, KEY), options, RuntimeLimits())
    database.run("BEGIN")
    database.run("CREATE TABLE IF NOT EXISTS add_ (token TEXT PRIMARY KEY, filler)")
    database.run("CREATE TABLE IF NOT EXISTS total (id INTEGER PRIMARY KEY, value)")
    database.run("INSERT OR IGNORE INTO total VALUES (1, 0)")
    database.run("COMMIT")
    return database


def run_world(choices: Choices, planted: Planted = Planted.NOTHING) -> Outcome:
    """One run to its end, fenced. Raises Hang where somebody never comes to rest."""

    async def main(loop: VirtualLoop) -> Outcome:
        with fenced(VirtualClock(loop)):
            world = World(loop, choices, planted)
            await world.run()
            return Outcome(
                world.violation(), world.trace.digest, world.machine.lives, dict(choices.taken)
            )

    return run_virtually(main, choices)
