"""The fixtures and options of the plugin, the example, and every block of docs/testing.md."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from boomtown.actors import DurableObject
from boomtown.testing import ManualClock, World
from boomtown.testing.simulation import SimulationReport

# In this process, so that pytester's runs share the modules that are loaded already.
pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "examples" / "lost_update.py"
PAGE = (ROOT / "docs" / "testing.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"\d+")


class Echo(DurableObject):
    """Answers, and tells the time it was given."""

    async def echo(self, value: int) -> list[int]:
        await self.ctx.storage.put("value", value)
        return [value, self.env.CLOCK.now_ms()]


async def test_object_host_runs_on_the_manual_clock_in_a_folder_of_its_own(
    object_host: Any, manual_clock: ManualClock, tmp_path: Path
) -> None:
    async with (
        object_host(Echo, bindings={"CLOCK": manual_clock}) as first,
        object_host(Echo, bindings={"CLOCK": manual_clock}) as second,
    ):
        await manual_clock.advance_ms(5)
        for host in (first, second):
            answer = await host.namespace("Echo").get_by_name("e").echo(1)
            assert answer == [1, manual_clock.now_ms()]
    assert len(list(tmp_path.glob("*/actors/Echo/*/*.sqlite"))) == 2


async def test_object_host_mints_the_same_ids_in_every_run(object_host: Any) -> None:
    minted = [str(object_host(Echo).namespace("Echo").new_unique_id()) for _ in range(2)]
    assert minted[0] == minted[1]


def test_the_plugin_costs_little_to_a_run_that_does_not_use_it() -> None:
    """Neither the runtime nor the simulator is loaded with it."""
    program = (
        "import sys, boomtown.testing.pytest_plugin\n"
        "print([name for name in ('apsw', 'aiohttp', 'boomtown.actors', 'boomtown.sim')"
        " if name in sys.modules])"
    )
    told = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert told.stdout == "[]\n"


def run_inside(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """Another run of pytest, in this process."""
    # Its summary loads a parser of Python, for seconds.
    return pytester.runpytest_inprocess("-p", "no:hypothesispytest", *arguments)


def again_of(output: str) -> list[str]:
    """The arguments of the line that runs a failure again."""
    match = re.search(r"again: pytest (.*)$", output, re.MULTILINE)
    assert match is not None, output
    return shlex.split(match.group(1))


def test_the_example_finds_its_lost_update_and_passes_its_twin(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    pytester.makepyfile(test_lost_update=EXAMPLE.read_text())
    ran = run_inside(pytester, "-s")
    ran.assert_outcomes(passed=2)
    report = ran.stdout.str()
    assert "deposits of 63 were confirmed, and 33 is there" in report
    assert re.search(r"shrunk to \d in \d+ runs\n", report)
    name, *chosen = again_of(report)
    assert name == "test_lost_update.py::test_the_lost_update_is_found"
    # The line shows the failure again, which the test expects; the twin has it not.
    run_inside(pytester, name, *chosen).assert_outcomes(passed=1)
    twin = "test_lost_update.py::test_the_repaired_wallet_loses_nothing"
    run_inside(pytester, twin, *chosen).assert_outcomes(passed=1)
    # Without the choices of the plan there is nothing to find.
    boring = [*chosen[:-1], ""]
    run_inside(pytester, name, *boring).assert_outcomes(failed=1)


def test_a_plan_without_its_seed_is_refused(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    pytester.makepyfile(test_lost_update=EXAMPLE.read_text())
    ran = run_inside(pytester, "--boomtown-plan", "pause.0=1")
    ran.assert_outcomes(errors=2)
    assert "--boomtown-plan needs --boomtown-seed" in ran.stdout.str()


def test_simulate_gives_a_report(simulate: Any) -> None:
    def clock(world: World) -> dict[str, Any]:
        return {"CLOCK": world.clock}

    async def work(world: World) -> None:
        value, at_ms = await world.retry(world.stub("e").echo, 1)
        world.acknowledged(value)
        assert 0 <= world.clock.now_ms() - at_ms < 20

    report = simulate(Echo, work, seeds=[4, 5], bindings=clock)
    assert isinstance(report, SimulationReport)
    assert list(report.digests) == [4, 5]
    assert report.acknowledged == 2
    assert report.outages >= 2


def test_every_block_of_the_page_does_what_it_says(pytester: pytest.Pytester) -> None:
    outputs: list[str] = []
    for kind, block in BLOCK.findall(PAGE):
        first, _, rest = block.partition("\n")
        if kind in ("python", "ini"):
            Path(pytester.path, first.removeprefix("# ")).write_text(rest)
            continue
        assert kind == "console", kind
        pytest_name, *arguments = shlex.split(first.removeprefix("$ "))
        assert pytest_name == "pytest"
        pytester.syspathinsert()
        output = run_inside(pytester, *arguments).stdout.str()
        outputs.append(output)
        told = iter(NUMBER.sub("N", output).splitlines())
        for line in rest.splitlines():
            wanted = " ".join(NUMBER.sub("N", line).split())
            assert any(wanted == " ".join(shown.split()) for shown in told), (line, output)
    assert len(outputs) == 2
    name, *chosen = again_of(outputs[-1])
    run_inside(pytester, name, *chosen).assert_outcomes(failed=1)
