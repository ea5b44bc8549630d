"""What is kept of an agent's output."""

from __future__ import annotations

import os

from boomtown.container_sim.output_ring import OutputRing
from boomtown.testing import ManualClock


async def test_newest_output_is_kept_within_the_bound() -> None:
    clock = ManualClock()
    ring = OutputRing(clock, bytes_max=10)
    assert ring.last_at_ms is None
    os.write(ring.write_descriptor, b"0123456789")
    os.write(ring.write_descriptor, b"abcd")
    ring.close()
    assert ring.text() == "456789abcd"
    assert ring.last_at_ms == clock.now_ms()


async def test_closing_takes_what_is_left_in_the_pipe_and_repeats_safely() -> None:
    ring = OutputRing(ManualClock(), bytes_max=100)
    os.write(ring.write_descriptor, b"last words")
    ring.close()
    ring.close()
    assert ring.text() == "last words"
