"""Beads and the edges between them.

`A blocks-depends on B` means that A waits for B; `issue tracks convoy`, `review tracks source`.
Statuses are written by transitions.py alone; everything else about a bead by `update_bead`.
"""

from __future__ import annotations

import uuid

from boomtown.actors.town.model import Bead, BeadKind, BeadStatus, BeadType, Dependency
from boomtown.actors.town.model import DependencyType as Edge
from boomtown.actors.town.tables import Table
from boomtown.actors.town.transaction import TownTransaction
from boomtown.error_codes import ErrorCode
from boomtown.errors import NotFound
from boomtown.ids import AgentId, BeadId, RigId

BEADS = Table("beads", Bead, key="bead_id", json=frozenset({"labels", "metadata"}))

_ID_STEP_MAX = 1 << 20  # keeps short ids of neighbours apart; far from the end of the 62 bits

_SELECT_TARGETS = BEADS.select.replace("SELECT ", "SELECT b.", 1).replace(", ", ", b.")
_LIST_RIG_BEADS = (
    f"{BEADS.select} WHERE rig_id = ? AND status = coalesce(?, status) AND type = coalesce(?, type)"
    " AND (? IS NULL OR assignee_agent_id = ?) ORDER BY created_at_ms, bead_id LIMIT ? OFFSET ?"
)
_LIST_BY_TYPE = f"{BEADS.select} WHERE type = ? ORDER BY created_at_ms, bead_id"
_LIST_BY_SUBJECT = f"{BEADS.select} WHERE subject = ? AND kind = ? ORDER BY created_at_ms, bead_id"
_LIST_LIVE_OF_RIG = (
    f"{BEADS.select} WHERE rig_id = ? AND status IN ('open', 'in_progress', 'in_review')"
    " ORDER BY created_at_ms, bead_id"
)
_LIST_DEPENDED_ON = (
    f"{_SELECT_TARGETS} b JOIN bead_dependencies d ON d.depends_on_bead_id = b.bead_id"
    " WHERE d.bead_id = ? AND d.type = ? ORDER BY b.created_at_ms, b.bead_id"
)
_LIST_DEPENDENTS = (
    f"{_SELECT_TARGETS} b JOIN bead_dependencies d ON d.bead_id = b.bead_id"
    " WHERE d.depends_on_bead_id = ? AND d.type = ? ORDER BY b.created_at_ms, b.bead_id"
)
_INSERT_DEPENDENCY = (
    "INSERT INTO bead_dependencies (bead_id, depends_on_bead_id, type) VALUES (?, ?, ?)"
    " ON CONFLICT DO NOTHING"
)
_DELETE_DEPENDENCY = (
    "DELETE FROM bead_dependencies WHERE bead_id = ? AND depends_on_bead_id = ? AND type = ?"
)
_LIST_ALL_DEPENDENCIES = (
    "SELECT bead_id, depends_on_bead_id, type FROM bead_dependencies WHERE type = ?"
    " ORDER BY bead_id, depends_on_bead_id"
)
_NEWEST_ID = "SELECT max(bead_id) FROM beads"
_MOVE_DEPENDENTS = (
    "UPDATE OR IGNORE bead_dependencies SET depends_on_bead_id = ?"
    " WHERE depends_on_bead_id = ? AND type = 'blocks'"
)
_DELETE_DEPENDENTS = (
    "DELETE FROM bead_dependencies WHERE depends_on_bead_id = ? AND type = 'blocks'"
)


def find_bead(tx: TownTransaction, bead_id: BeadId) -> Bead | None:
    return BEADS.find(tx, bead_id)


def get_bead(tx: TownTransaction, bead_id: BeadId) -> Bead:
    """BEAD_NOT_FOUND when there is none."""
    bead = find_bead(tx, bead_id)
    if bead is None:
        raise NotFound(ErrorCode.BEAD_NOT_FOUND)
    return bead


def get_rig_bead(tx: TownTransaction, rig_id: RigId, bead_id: BeadId) -> Bead:
    """A bead of this rig; another rig's bead, or one without a rig, is BEAD_NOT_FOUND."""
    bead = get_bead(tx, bead_id)
    if bead.rig_id != rig_id:
        raise NotFound(ErrorCode.BEAD_NOT_FOUND)
    return bead


def next_bead_id(tx: TownTransaction) -> BeadId:
    """An id past all others, so that beads made in one millisecond (a convoy's tasks, two mails)
    keep the order in which they were made."""
    candidate = tx.new_id()
    row = tx.find_row(_NEWEST_ID)
    newest: str | None = None if row is None else row[0]
    if newest is None or newest < candidate:
        return BeadId(candidate)
    step = 1 + tx.entropy.below(_ID_STEP_MAX, label="town.id_step")
    return BeadId(str(uuid.UUID(int=uuid.UUID(newest).int + step)))


def insert_bead(tx: TownTransaction, bead: Bead) -> None:
    BEADS.insert(tx, bead)


def update_bead(tx: TownTransaction, bead_id: BeadId, **columns: object) -> None:
    """Anything but the status, which is transitions.py's."""
    assert "status" not in columns, "a status changes in transitions.py"
    BEADS.update(tx, bead_id, columns)


def delete_bead(tx: TownTransaction, bead_id: BeadId) -> None:
    """With its edges and its satellites; its audit and its sessions stay."""
    BEADS.delete(tx, bead_id)


def list_rig_beads(
    tx: TownTransaction,
    rig_id: RigId,
    *,
    status: BeadStatus | None = None,
    bead_type: BeadType | None = None,
    assignee_agent_id: AgentId | None = None,
    limit: int,
    offset: int = 0,
) -> list[Bead]:
    """In the order of creation."""
    assignee = assignee_agent_id
    return BEADS.list_where(
        tx, _LIST_RIG_BEADS, rig_id, status, bead_type, assignee, assignee, limit, offset
    )


def list_live_beads_of_rig(tx: TownTransaction, rig_id: RigId) -> list[Bead]:
    return BEADS.list_where(tx, _LIST_LIVE_OF_RIG, rig_id)


def list_beads_of_type(tx: TownTransaction, bead_type: BeadType) -> list[Bead]:
    return BEADS.list_where(tx, _LIST_BY_TYPE, bead_type)


def list_beads_about(tx: TownTransaction, subject: BeadId, kind: BeadKind) -> list[Bead]:
    """A source's reviews, a convoy's landings, a review's reworks; oldest first."""
    return BEADS.list_where(tx, _LIST_BY_SUBJECT, subject, kind)


def list_blockers(tx: TownTransaction, bead_id: BeadId) -> list[Bead]:
    """What a bead waits for, resolved or not."""
    return BEADS.list_where(tx, _LIST_DEPENDED_ON, bead_id, Edge.BLOCKS)


def list_dependents(tx: TownTransaction, bead_id: BeadId) -> list[Bead]:
    """What waits for a bead."""
    return BEADS.list_where(tx, _LIST_DEPENDENTS, bead_id, Edge.BLOCKS)


def list_tracked(tx: TownTransaction, bead_id: BeadId) -> list[Bead]:
    """What a convoy counts; of a source: the reviews that track it."""
    return BEADS.list_where(tx, _LIST_DEPENDENTS, bead_id, Edge.TRACKS)


def find_convoy_of(tx: TownTransaction, bead_id: BeadId) -> Bead | None:
    """The convoy that counts this issue."""
    for target in BEADS.list_where(tx, _LIST_DEPENDED_ON, bead_id, Edge.TRACKS):
        if target.type == BeadType.CONVOY:
            return target
    return None


def list_dependencies(tx: TownTransaction, edge: Edge) -> list[Dependency]:
    """All edges of one type, in the town."""
    return [
        Dependency(bead_id=bead_id, depends_on_bead_id=target, type=Edge(kind))
        for bead_id, target, kind in tx.rows(_LIST_ALL_DEPENDENCIES, edge.value)
    ]


def insert_dependency(tx: TownTransaction, dependency: Dependency) -> None:
    """Idempotent: unique by both ends and type, so a second relation of a pair is kept
    (row 85). Whoever adds a `blocks` edge has looked for cycles first."""
    tx.run(
        _INSERT_DEPENDENCY,
        dependency.bead_id,
        dependency.depends_on_bead_id,
        dependency.type.value,
    )


def delete_dependency(tx: TownTransaction, dependency: Dependency) -> None:
    tx.run(
        _DELETE_DEPENDENCY,
        dependency.bead_id,
        dependency.depends_on_bead_id,
        dependency.type.value,
    )


def move_dependents(tx: TownTransaction, *, old: BeadId, new: BeadId) -> None:
    """Have everything that waits for `old` wait for `new`."""
    tx.run(_MOVE_DEPENDENTS, new, old)
    tx.run(_DELETE_DEPENDENTS, old)
