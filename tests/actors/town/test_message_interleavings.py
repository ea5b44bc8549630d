"""Any interleaving of delivered, dropped, repeated and delayed messages keeps the invariants, and
leaves a town that comes to its end once the messages arrive again (town.md 11.4 c)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from support.message_mill import MessageMill, Step, Verb
from support.town_world import TownWorld

REPAIRS = "SELECT name, value FROM counters WHERE name LIKE 'repairs.%' ORDER BY name"
BUGS = "SELECT name, value FROM counters WHERE name IN ('actions.failed', 'inbox.dead')"
MERGED_TWICE = (
    "SELECT subject FROM beads WHERE kind = 'review' AND status = 'closed'"
    " GROUP BY subject HAVING count(*) > 1 ORDER BY subject"
)
# Changes that the audit lays to a session which was over by then: the fence did not hold.
WORDS_OF_THE_DEAD = (
    "SELECT e.seq, e.event_type FROM bead_events e JOIN sessions s ON s.session_id = e.session_id"
    " WHERE s.ended_at_ms < e.created_at_ms ORDER BY e.seq"
)

# What is said and passed on often, and what goes wrong now and then.
_OFTEN = (Verb.PASS_TIME, Verb.SAY, Verb.SAY, Verb.DELIVER, Verb.DELIVER, Verb.DUPLICATE) * 4
_VERBS = (*_OFTEN, Verb.SLING, *Verb)
_STEPS = st.builds(Step, st.sampled_from(_VERBS), st.integers(0, 99))
_BEGINNING = (Step(Verb.SLING, 0), Step(Verb.SLING_CONVOY, 0), Step(Verb.PASS_TIME, 0))


@given(st.lists(_STEPS, min_size=60, max_size=70))
# A failure names its steps; shrinking whole towns would take minutes.
@settings(max_examples=15, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
def test_any_interleaving_of_messages_keeps_the_invariants(steps: list[Step]) -> None:
    with TemporaryDirectory() as folder:
        asyncio.run(_play(Path(folder), steps))


async def _play(data_dir: Path, steps: list[Step]) -> None:
    async with TownWorld(data_dir) as world:
        mill = MessageMill(world)
        for step in (*_BEGINNING, *steps):
            await mill.play(step)
            assert await mill.broken() == [], step
        await mill.heal()
        assert await mill.broken() == []
        assert await world.rows(REPAIRS) == []
        assert await world.rows(BUGS) == []
        assert await world.rows(MERGED_TWICE) == []
        assert await world.rows(WORDS_OF_THE_DEAD) == []
        assert world.containers.peak_live_count <= 1
