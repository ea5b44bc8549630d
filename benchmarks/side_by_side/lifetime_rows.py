"""The rows that take a server of their own: start, memory, alarms, recovery, many objects."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from side_by_side.figures import (
    Row,
    at_most,
    no_more_than,
    percentile,
)
from side_by_side.machine import cpu_s, open_files, resident_bytes
from side_by_side.requests_rows import touch
from side_by_side.servers import Server, boomtown, kill
from side_by_side.wrk import drive

LIVE_OBJECTS = 1_000
TOUCH_S = 6
SETTLE_S = 1.0
CLIENTS = 16
EVICTED_S = 14  # after the last event an object is idle for 10 s, and found a second later
MADE_PER_S = 200  # slower than either server makes objects
ALARMS_S_MAX = 90
IDLE_TICK_S = 300  # of a town with nothing to do (decisions 35)

Open = Callable[[Path], AbstractContextManager[Server]]


def pause(seconds: float) -> None:
    """Let the servers be."""
    threading.Event().wait(seconds)


def memory_rows(folder: Path, opens: dict[str, Open]) -> list[Row]:
    """Memory and descriptors for one idle live object, and the time to the first answer."""
    found: dict[str, tuple[float, float, float]] = {}
    for name, open_server in opens.items():
        with open_server(folder / f"memory-{len(found)}") as server:
            memory, files = resident_bytes(server.pid), open_files(server.pid)
            sample = drive(
                server, "read", connections=16, objects=LIVE_OBJECTS, seconds=TOUCH_S, bystanders=()
            )
            # Fewer than all where the machine is slow: each request made one, until all were.
            touched = min(LIVE_OBJECTS, round(sample.rate * TOUCH_S))
            pause(SETTLE_S)
            kib = (resident_bytes(server.pid) - memory) / 1024 / touched
            found[name] = (kib, (open_files(server.pid) - files) / touched, server.started_s)
    theirs, ours = found["workerd"], found["boomtown"]
    return [
        Row(
            name="memory of an idle live object",
            unit="KiB",
            ours=ours[0],
            theirs=theirs[0],
            target=no_more_than(100),
        ),
        Row(name="descriptors of a live object", unit="files", ours=ours[1], theirs=theirs[1]),
        Row(name="start, to the first answer", unit="s", ours=ours[2], theirs=theirs[2]),
    ]


def alarm_rows(folder: Path, opens: dict[str, Open], *, count: int) -> list[Row]:
    """`count` alarms due in the same second, their objects evicted: how late they ring. workerd
    keeps three files open for each object that rings, and evicts none meanwhile: 10,000 take more
    than the 20,000 descriptors that a process gets here, and then it rings no more."""
    lateness: dict[str, list[float]] = {}
    for name, open_server in opens.items():
        with open_server(folder / f"alarms-{len(lateness)}") as server:
            lateness[name] = _lateness_ms(server, count)
    theirs, ours = lateness["workerd"], lateness["boomtown"]
    note = f"rang: {len(ours):,} of {count:,}, workerd {len(theirs):,}"
    what = f"lateness of {count:,} alarms of evicted objects"
    return [
        Row(
            name=f"{what}: p50",
            unit="ms",
            ours=percentile(ours or [0], 50),
            theirs=percentile(theirs or [0], 50),
        ),
        Row(
            name=f"{what}: p99",
            unit="ms",
            ours=percentile(ours or [0], 99),
            theirs=percentile(theirs or [0], 99),
            target=at_most(0.25),
            note=note,
        ),
    ]


def _lateness_ms(server: Server, count: int) -> list[float]:
    due_at_ms = int((time.time() + count / MADE_PER_S + EVICTED_S) * 1_000)
    threads = [
        threading.Thread(
            target=_ask_all,
            args=(server, [f"/actors/Bench/alarm{number}/wake?at={due_at_ms}" for number in each]),
        )
        for each in (range(first, count, CLIENTS) for first in range(CLIENTS))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pause(max(0.0, due_at_ms / 1_000 - time.time()))
    ends = time.monotonic() + ALARMS_S_MAX
    rang: list[float] = []
    while len(rang) < count and time.monotonic() < ends:
        pause(2)
        try:
            rang = json.loads(server.get("/actors/Bench/first/lateness"))
        except OSError:
            break  # it has ended, for want of descriptors: what rang before is known
    return rang


def _ask_all(server: Server, paths: Iterable[str]) -> None:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc)
    for path in paths:
        connection.request("GET", path)
        connection.getresponse().read()
    connection.close()


def many_objects_rows(folder: Path, *, count: int) -> list[Row]:
    """New objects in one process, one after the other, far more than are kept open."""
    with boomtown(folder / "many", loop="asyncio") as server:
        files_max = 0
        ended = threading.Event()

        def watch() -> None:
            nonlocal files_max
            while not ended.wait(0.5):
                files_max = max(files_max, open_files(server.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        made, errors, seconds = touch(server, count, bystanders=())
        ended.set()
        watcher.join()
        return [
            Row(
                name=f"{count:,} objects touched: errors",
                unit="errors",
                ours=errors,
                target=no_more_than(0),
                note=f"{made / seconds:,.0f} a second, {files_max:,} descriptors at most",
            )
        ]


def recovery_rows(folder: Path) -> list[Row]:
    """A commit log as full as it gets, SIGKILL, and the next start."""
    home = folder / "recovery"
    with boomtown(home, loop="asyncio") as server:
        plain_s = server.started_s
        drive(server, "incr", connections=64, objects=LIVE_OBJECTS, seconds=8, bystanders=())
        kill(server)
    log = [file for file in home.rglob("*") if file.is_file() and "log" in file.parent.name]
    megabytes = sum(file.stat().st_size for file in log) / 2**20
    with boomtown(home, loop="asyncio") as server:
        return [
            Row(
                name="recovery after a kill: start, beyond a plain one",
                unit="s",
                ours=max(0.0, server.started_s - plain_s),
                target=no_more_than(5),
                note=f"{megabytes:.0f} MB of commit log",
            )
        ]


@contextmanager
def _town_server(folder: Path) -> Generator[Server]:
    with boomtown(folder, loop="asyncio") as server:
        yield server


def idle_town_rows(folder: Path, *, count: int) -> list[Row]:
    """Towns that nobody asks anything: what they cost."""
    with _town_server(folder / "towns") as server:
        connection = http.client.HTTPConnection(urlsplit(server.url).netloc)
        for number in range(count):
            body = json.dumps({"name": f"town {number}"})
            connection.request(
                "POST", "/api/users/local/towns", body, {"Content-Type": "application/json"}
            )
            answer = connection.getresponse()
            said = answer.read()
            if answer.status != 201:
                raise RuntimeError(f"a town was not made: {said!r}")
        connection.close()
        pause(20)  # until they are evicted, and their first alarms are over
        before, began = cpu_s(server.pid), time.perf_counter()
        pause(IDLE_TICK_S)  # in which each of them ticks once, wherever it began
        spent = (cpu_s(server.pid) - before) / (time.perf_counter() - began)
        return [
            Row(
                name=f"{count:,} idle towns: CPU",
                unit="% of a core",
                ours=spent * 100,
                target=no_more_than(1),
            )
        ]
