"""Fixtures for tests of durable objects; pytest finds them where boomtown is installed.

`manual_clock` is a clock that the test moves, `object_host` starts hosts on it, `simulate` runs
`boomtown.testing.simulate` so that its report names the test: with `--boomtown-seed` and
`--boomtown-plan` the test runs that one run again. This module is imported at the start of every
test run, so it imports nothing of the runtime itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from boomtown.testing.manual_clock import ManualClock

if TYPE_CHECKING:
    from boomtown.actors.runtime.durable_object import DurableObject
    from boomtown.actors.runtime.host import Host
    from boomtown.actors.runtime.ports import Durability
    from boomtown.limits import SimulationLimits
    from boomtown.sim.choices import Plan
    from boomtown.testing.simulated_world import World
    from boomtown.testing.simulation import SimulationReport

HOST_SEED = 1  # of the ids and jitters of object_host


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("boomtown", "simulations of durable objects")
    group.addoption(
        "--boomtown-seed",
        type=int,
        default=None,
        metavar="N",
        help="let `simulate` run this seed only",
    )
    group.addoption(
        "--boomtown-plan",
        default=None,
        metavar="PLAN",
        help="with --boomtown-seed: the choices of a report, instead of those of the seed",
    )


@pytest.fixture
def manual_clock() -> ManualClock:
    """A clock that stands still until the test moves it (`await manual_clock.advance_ms(...)`)."""
    return ManualClock()


class NewHost(Protocol):
    """What `object_host` gives."""

    def __call__(
        self,
        *classes: type[DurableObject],
        services: Mapping[str, object] | None = None,
        bindings: Mapping[str, Any] | None = None,
    ) -> Host:
        """A host of these classes under their own names, with the services and bindings of Host.
        Each has a folder of its own below `tmp_path`."""
        ...


@pytest.fixture
def object_host(tmp_path: Path, manual_clock: ManualClock) -> NewHost:
    """Makes hosts on `manual_clock`: `async with object_host(Counter) as host:` starts one, and
    closes it at the end.

    Replies wait for the process only, not for the disk (durability "process"); ids and jitters
    are the same in every run. It needs a running asyncio loop and no certain plugin for it.
    """
    from boomtown.actors.runtime.host import Host
    from boomtown.actors.runtime.ports import Durability
    from boomtown.entropy import SeededEntropy, SystemSecrets

    folders = itertools.count(1)

    def new_host(
        *classes: type[DurableObject],
        services: Mapping[str, object] | None = None,
        bindings: Mapping[str, Any] | None = None,
    ) -> Host:
        return Host(
            classes={kind.__name__: kind for kind in classes},
            data_dir=tmp_path / f"objects-{next(folders)}",
            clock=manual_clock,
            entropy=SeededEntropy(HOST_SEED),
            secrets=SystemSecrets(),
            durability=Durability.PROCESS,
            services=services,
            bindings=bindings,
        )

    return new_host


class Simulate(Protocol):
    """What `simulate` gives."""

    def __call__(
        self,
        classes: type[DurableObject] | Mapping[str, type[DurableObject]],
        workload: Callable[[World], Awaitable[None]],
        *,
        seeds: Iterable[int],
        invariant: Callable[[World], Awaitable[None]] | None = None,
        services: Callable[[World], Mapping[str, object]] | None = None,
        bindings: Callable[[World], Mapping[str, Any]] | None = None,
        durability: Durability | None = None,
        limits: SimulationLimits | None = None,
    ) -> SimulationReport:
        """As boomtown.testing.simulate."""
        ...


@pytest.fixture
def simulate(request: pytest.FixtureRequest) -> Simulate:
    """`boomtown.testing.simulate`, whose report says how pytest runs a failure again. For tests
    that are plain functions: each run has a loop of its own."""
    seed: int | None = request.config.getoption("--boomtown-seed")
    plan: str | None = request.config.getoption("--boomtown-plan")
    if plan is not None and seed is None:
        raise pytest.UsageError("--boomtown-plan needs --boomtown-seed")
    test = request.node.nodeid

    def replay_line(seed: int, plan: Plan) -> str:
        from boomtown.sim.choices import format_plan

        chosen = f"--boomtown-seed {seed} --boomtown-plan '{format_plan(plan)}'"
        return f"pytest '{test}' {chosen}"

    def run(
        classes: type[DurableObject] | Mapping[str, type[DurableObject]],
        workload: Callable[[World], Awaitable[None]],
        *,
        seeds: Iterable[int],
        invariant: Callable[[World], Awaitable[None]] | None = None,
        services: Callable[[World], Mapping[str, object]] | None = None,
        bindings: Callable[[World], Mapping[str, Any]] | None = None,
        durability: Durability | None = None,
        limits: SimulationLimits | None = None,
    ) -> SimulationReport:
        from boomtown.actors.runtime import ports
        from boomtown.testing import simulation

        return simulation.simulate(
            classes,
            workload,
            seeds=seeds if seed is None else [seed],
            invariant=invariant or simulation.nothing_to_check,
            services=services or simulation.nothing_outside,
            bindings=bindings or simulation.nothing_outside,
            durability=durability or ports.Durability.FULL,
            limits=limits,
            plan=plan,
            replay=replay_line,
        )

    return run
