"""The town's stand-in keeps the rules of the port that it stands in for."""

from __future__ import annotations

from boomtown.actors.town.ports import Containers
from boomtown.container_sim.model import (
    BodyState,
    Conflict,
    Known,
    NoContainer,
    NotFound,
    Started,
    StartSession,
    Stopped,
    Unknown,
)
from boomtown.ids import SessionId
from boomtown.testing import ManualClock
from support.container_orders import TOWN, work_order
from support.scripted_containers import Reply, ScriptedContainers


def satisfies_the_port(containers: ScriptedContainers) -> Containers:
    return containers


async def start(containers: ScriptedContainers, order: StartSession) -> object:
    return await containers.start_session(order, timeout_ms=1)


async def test_same_session_is_started_once_and_another_of_the_agent_conflicts() -> None:
    containers = ScriptedContainers(ManualClock())
    order = work_order(session_id="s1")
    first = await start(containers, order)
    again = await start(containers, order)
    other = await start(containers, work_order(session_id="s2"))
    assert isinstance(first, Started)
    assert first.is_new
    assert again == Started(report=first.report, is_new=False)
    assert other == Conflict(holder_session_id=SessionId("s1"))
    assert containers.peak_live_count == 1


async def test_lost_answer_leaves_a_live_body_that_a_probe_finds() -> None:
    containers = ScriptedContainers(ManualClock())
    lost = Unknown(reason="timeout")
    containers.start_replies.append(Reply(outcome=lost, is_effective=True))
    assert await start(containers, work_order(session_id="s1")) == lost
    probed = await containers.probe_session(TOWN, SessionId("s1"), timeout_ms=1)
    assert isinstance(probed, Known)
    assert probed.report.state is BodyState.STARTING


async def test_probe_tells_no_container_from_unknown_session() -> None:
    containers = ScriptedContainers(ManualClock())
    none = await containers.probe_session(TOWN, SessionId("s1"), timeout_ms=1)
    assert none == NoContainer(ended_instance_id=None)
    await start(containers, work_order(session_id="s1"))
    missing = await containers.probe_session(TOWN, SessionId("other"), timeout_ms=1)
    assert isinstance(missing, NotFound)
    gone = containers.end_instance(TOWN)
    assert gone is not None
    after = await containers.probe_session(TOWN, SessionId("s1"), timeout_ms=1)
    assert after == NoContainer(ended_instance_id=gone.instance_id)


async def test_stop_ends_the_body_and_repeats_its_report() -> None:
    containers = satisfies_the_port(ScriptedContainers(ManualClock()))
    order = work_order(session_id="s1")
    await containers.start_session(order, timeout_ms=1)
    stops = [
        await containers.stop_session(TOWN, order.session_id, grace_ms=1, timeout_ms=1)
        for _ in range(2)
    ]
    assert stops[0] == stops[1]
    assert isinstance(stops[0], Stopped)
    assert stops[0].report.state is BodyState.EXITED
