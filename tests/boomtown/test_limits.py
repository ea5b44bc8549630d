"""The relations between bounds are asserted where they are made."""

from __future__ import annotations

import pytest

from boomtown.limits import ContainerLimits, RuntimeLimits, TownLimits


def test_the_defaults_hold() -> None:
    TownLimits()
    RuntimeLimits()
    ContainerLimits()


def test_a_lease_shorter_than_three_heartbeats_is_refused() -> None:
    with pytest.raises(AssertionError):
        TownLimits(heartbeat_ms=30_001)


def test_a_start_that_may_outlast_its_deadline_is_refused() -> None:
    with pytest.raises(AssertionError):
        TownLimits(start_timeout_ms=180_000)
