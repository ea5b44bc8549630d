"""Each way out of a simulation is tried, and ends in an error that names it, or is virtual."""

from __future__ import annotations

import asyncio
import concurrent.futures
import datetime
import logging
import os
import random
import secrets
import socket
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from boomtown import wire
from boomtown.sim.choices import Choices
from boomtown.sim.escapes import Escape
from boomtown.sim.fences import fenced
from boomtown.sim.virtual_loop import START_MS, VirtualClock, VirtualLoop, run_virtually
from boomtown.testing import ManualClock


def start_pool() -> None:
    with concurrent.futures.ThreadPoolExecutor() as pool:
        pool.submit(print)


ESCAPES: list[tuple[str, Callable[[], object]]] = [
    ("thread start", lambda: threading.Thread(target=print).start()),
    ("thread start", start_pool),
    ("socket", lambda: socket.socket()),
    ("socket.getaddrinfo", lambda: socket.create_connection(("127.0.0.1", 9))),
    ("socket.socketpair", lambda: socket.socketpair()),
    ("socket.getaddrinfo", lambda: socket.getaddrinfo("localhost", 80)),
    ("socket.gethostbyname", lambda: socket.gethostbyname("localhost")),
    ("subprocess", lambda: subprocess.run(["true"], check=True)),
    ("os.system", lambda: getattr(os, "system")("true")),  # noqa: B009 - deprecated
    ("os.posix_spawn", lambda: os.posix_spawn("/bin/true", ["true"], {})),
    ("os.fork", lambda: os.fork()),
    ("time.sleep", lambda: time.sleep(0)),
    ("time.clock_gettime", lambda: time.clock_gettime(0)),
    ("datetime.now", lambda: datetime.datetime.now(datetime.UTC)),
    ("datetime.utcnow", lambda: getattr(datetime.datetime, "utcnow")()),  # noqa: B009
    ("datetime.today", lambda: datetime.datetime.today()),  # noqa: DTZ002
    ("datetime.now", lambda: wire.datetime.now(datetime.UTC)),
    ("os.urandom", lambda: os.urandom(4)),
    ("os.urandom", lambda: secrets.token_bytes(4)),
    ("os.urandom", lambda: secrets.randbelow(4)),
    ("os.urandom", lambda: random.SystemRandom().random()),
    ("uuid.uuid4", lambda: uuid.uuid4()),
    ("uuid.uuid1", lambda: uuid.uuid1()),
    ("random.random", lambda: random.random()),
    ("random.randrange", lambda: random.randrange(3)),
    ("random.shuffle", lambda: random.shuffle([1, 2])),
    ("random.seed", lambda: random.seed(1)),
    ("random.Random without a seed", lambda: random.Random()),
    ("open for writing (x)", lambda: Path("/nowhere/x").write_text("x")),
    ("open for writing (x)", lambda: os.open("/nowhere/x", os.O_CREAT | os.O_WRONLY)),
    ("os.mkdir", lambda: Path("/nowhere/x").mkdir()),
    ("os.mkdir", lambda: tempfile.mkdtemp(dir="/nowhere", prefix="")),
    ("os.rename", lambda: Path("/nowhere/x").rename("/nowhere/y")),
    ("os.remove", lambda: Path("/nowhere/x").unlink()),
]


@pytest.mark.parametrize(
    ("what", "escape"), ESCAPES, ids=[f"{nth} {row[0]}" for nth, row in enumerate(ESCAPES)]
)
def test_an_escape_is_an_error_that_names_it(what: str, escape: Callable[[], object]) -> None:
    with fenced(ManualClock()) as fences:
        with pytest.raises(Escape) as caught:
            escape()
        assert caught.value.what == what
        assert what in fences.escapes
        fences.escapes.clear()


def test_a_swallowed_escape_still_fails_the_run() -> None:
    with pytest.raises(Escape, match=r"os\.urandom, time\.sleep \(raised before, and swallowed\)"):
        swallow_two()


def swallow_two() -> None:
    with fenced(ManualClock()):
        for escape in (lambda: os.urandom(4), lambda: time.sleep(0)):
            try:
                escape()
            except Escape as error:
                logging.getLogger(__name__).debug("swallowed", exc_info=error)


def test_an_error_of_the_run_passes_as_it_is() -> None:
    with pytest.raises(KeyError), fenced(ManualClock()):
        raise KeyError("mine")


def test_time_inside_is_the_clock_s() -> None:
    async def main(loop: VirtualLoop) -> None:
        clock = VirtualClock(loop)
        with fenced(clock):
            assert time.time_ns() == START_MS * 1_000_000
            await asyncio.sleep(86_400)
            assert time.time() == START_MS / 1000 + 86_400
            assert time.monotonic() == time.perf_counter() == 86_400
            assert time.monotonic_ns() == time.perf_counter_ns() == 86_400 * 10**9
            assert time.gmtime().tm_mday == time.gmtime(time.time()).tm_mday == 16
            assert datetime.date.today() == datetime.date(2027, 1, 16)  # noqa: DTZ011
            record = logging.LogRecord("n", logging.INFO, "p", 1, "m", None, None)
            assert record.created == START_MS / 1000 + 86_400

    run_virtually(main, Choices(seed=1))


def test_datetimes_work_inside_as_far_as_they_are_values() -> None:
    with fenced(ManualClock()):
        made = datetime.datetime(2027, 1, 15, tzinfo=datetime.UTC)
        assert isinstance(made, datetime.datetime)
        assert datetime.datetime.fromisoformat("2027-01-15T00:00:00+00:00") == made
        assert datetime.datetime.fromtimestamp(made.timestamp(), tz=datetime.UTC) == made
        assert wire.iso_from_ms(START_MS) == "2027-01-15T08:00:00.000Z"
        assert random.Random(5).random() == random.Random(5).random()
    assert type(made) is datetime.datetime


def test_everything_is_real_again_afterwards(tmp_path: Path) -> None:
    with fenced(ManualClock()):
        assert time.time() == START_MS / 1000
    assert time.time() != START_MS / 1000
    assert len(os.urandom(4)) == 4
    assert uuid.uuid4() != uuid.uuid4()
    assert random.random() < 1
    (tmp_path / "x").write_text("x")
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()
    assert datetime.datetime.now(datetime.UTC).tzinfo is datetime.UTC


def test_reading_a_real_file_is_allowed() -> None:
    with fenced(ManualClock()):
        assert "fenced" in Path(__file__).read_text()


def test_work_that_asyncio_offloads_is_virtual_inside_the_fence() -> None:
    async def main(loop: VirtualLoop) -> int:
        with fenced(VirtualClock(loop)):
            return await asyncio.to_thread(lambda: 41 + 1)

    assert run_virtually(main, Choices(seed=1)) == 42


def test_one_fence_at_a_time() -> None:
    second = fenced(ManualClock())
    with fenced(ManualClock()), pytest.raises(AssertionError, match="inside"):
        second.__enter__()
