"""Rows and structs: every table gives back what was put in; the schema repeats the enums."""

from __future__ import annotations

import enum
import re
from importlib import resources
from typing import Any

import msgspec
import pytest

from boomtown.actors.town.model import (
    Agent,
    BeadKind,
    BeadStatus,
    BeadType,
    DependencyType,
    EffectKind,
    EffectState,
    Employment,
    MergeMode,
    Priority,
    SessionPhase,
    SessionState,
)
from boomtown.actors.town.owner_keys import KeyScope
from boomtown.actors.town.roster_log import RosterVerb
from boomtown.actors.town.store_agents import AGENTS
from boomtown.actors.town.store_beads import BEADS
from boomtown.actors.town.store_roster import ActionOutcome
from boomtown.actors.town.store_satellites import CONVOYS, ESCALATIONS, MAIL, REVIEWS
from boomtown.actors.town.store_sessions import EFFECTS, SESSIONS
from boomtown.actors.town.store_town import RIGS
from boomtown.actors.town.tables import Table
from boomtown.container_sim.model import AgentRole, SessionKind, Verdict
from support.town_database import open_town_transaction

CHECKED: list[tuple[str, str, str, type[enum.StrEnum]]] = [
    ("schema.sql", "beads", "type", BeadType),
    ("schema.sql", "beads", "kind", BeadKind),
    ("schema.sql", "beads", "status", BeadStatus),
    ("schema.sql", "beads", "priority", Priority),
    ("schema.sql", "bead_dependencies", "type", DependencyType),
    ("schema.sql", "convoys", "merge_mode", MergeMode),
    ("schema.sql", "escalations", "severity", Priority),
    ("schema.sql", "agents", "role", AgentRole),
    ("schema.sql", "agents", "employment", Employment),
    ("schema.sql", "sessions", "kind", SessionKind),
    ("schema.sql", "sessions", "state", SessionState),
    ("schema.sql", "sessions", "phase", SessionPhase),
    ("schema.sql", "sessions", "verdict", Verdict),
    ("schema.sql", "effects", "kind", EffectKind),
    ("schema.sql", "effects", "state", EffectState),
    ("roster_schema.sql", "agent_actions", "outcome", ActionOutcome),
    ("roster_schema.sql", "roster_log", "verb", RosterVerb),
    ("owner_schema.sql", "keys", "scope", KeyScope),
]

AGENT = Agent(
    agent_id="a",  # type: ignore[arg-type]
    rig_id=None,
    role=AgentRole.MAYOR,
    name="Mayor",
    identity="mayor-1",
    employment=Employment.HIRED,
    boss_id=None,
    checkpoint={"deep": [1, 2.5, None, "x"]},
    status_message=None,
    status_message_at_ms=None,
    last_activity_at_ms=7,
    stalled_at_ms=None,
    waiting_since_ms=None,
    created_at_ms=1,
    offboarded_at_ms=None,
    offboard_reason=None,
)


@pytest.mark.parametrize(
    ("file", "table", "column", "values"), CHECKED, ids=lambda value: str(value)
)
def test_the_schemas_check_repeats_the_enum(
    file: str, table: str, column: str, values: type[enum.StrEnum]
) -> None:
    schema = resources.files("boomtown.actors.town").joinpath(file).read_text()
    head = rf"CREATE TABLE (?:IF NOT EXISTS )?{table} \("
    body = re.split(head, schema)[1].split(") STRICT")[0]
    found = re.search(rf"^ +{column} .*?CHECK \({column} IN \(([^)]*)\)\)", body, re.MULTILINE)
    assert found is not None
    assert re.findall(r"'([^']*)'", found[1]) == [value.value for value in values]


TABLES: list[Table[Any]] = [
    RIGS, BEADS, REVIEWS, CONVOYS, ESCALATIONS, AGENTS, SESSIONS, EFFECTS, MAIL
]  # fmt: skip


@pytest.mark.parametrize("table", TABLES, ids=lambda table: str(table.select))
def test_every_field_is_a_column(table: Table[Any]) -> None:
    assert table.list_where(open_town_transaction(), f"{table.select} ORDER BY 1") == []


def test_a_row_gives_back_what_was_put_in() -> None:
    tx = open_town_transaction()
    AGENTS.insert(tx, AGENT)
    assert AGENTS.find(tx, "a") == AGENT
    AGENTS.update(tx, "a", {"checkpoint": None, "employment": Employment.OFFBOARDING})
    changed = msgspec.structs.replace(AGENT, checkpoint=None, employment=Employment.OFFBOARDING)
    assert AGENTS.find(tx, "a") == changed


def test_an_unknown_column_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        AGENTS.update(open_town_transaction(), "a", {"mood": "good"})


def test_a_row_that_is_none_is_told() -> None:
    tx = open_town_transaction()
    AGENTS.insert(tx, AGENT)
    tx.run("PRAGMA ignore_check_constraints = ON")
    tx.run("UPDATE agents SET role = 'clown'")
    with pytest.raises(msgspec.ValidationError):
        AGENTS.find(tx, "a")
