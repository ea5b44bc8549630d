"""The names that a town makes up: agents, identities, branches.

Branch names hold for `git check-ref-format` whatever a title or a name says: what people typed
goes through `slug`, which leaves a-z, 0-9 and single inner hyphens only. A git ref cannot be both
a file and a directory, so the branches of a convoy's agents are siblings of its `head`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

from boomtown.container_sim.model import AgentRole
from boomtown.ids import BeadId, RigId, TownId, short_id

SLUG_CHARACTERS_MAX = 40

_NOT_SLUG = re.compile(r"[^a-z0-9]+")
_CONVOY_PREFIX = "convoy/"
_CONVOY_HEAD = "/head"

# One word each, told apart at a glance in a terminal, and no word that means something in git.
POLECAT_NAMES: tuple[str, ...] = (
    "Alder",
    "Basalt",
    "Cedar",
    "Dune",
    "Ember",
    "Fennel",
    "Granite",
    "Hazel",
    "Indigo",
    "Juniper",
    "Kelp",
    "Larch",
    "Marlin",
    "Nutmeg",
    "Obsidian",
    "Pepper",
    "Quartz",
    "Rowan",
    "Saffron",
    "Tansy",
    "Umber",
    "Violet",
    "Willow",
    "Yarrow",
    "Zephyr",
    "Agate",
    "Birch",
    "Clover",
    "Dahlia",
    "Elder",
    "Flint",
    "Ginger",
    "Heron",
    "Iris",
    "Jasper",
    "Kestrel",
    "Linden",
    "Maple",
    "Nettle",
    "Onyx",
    "Poplar",
    "Quince",
    "Raven",
    "Sorrel",
    "Thistle",
    "Wren",
)


def slug(text: str, *, fallback: str) -> str:
    """At most 40 of a-z, 0-9 and hyphens; accents are dropped, everything else collapses to one
    hyphen. `fallback` where nothing is left."""
    plain = unicodedata.normalize("NFKD", text.casefold()).encode("ascii", "ignore").decode("ascii")
    words = _NOT_SLUG.sub("-", plain).strip("-")
    return words[:SLUG_CHARACTERS_MAX].rstrip("-") or fallback


def feature_branch(title: str, convoy_id: BeadId) -> str:
    """The branch that a convoy's beads are merged into, and that lands."""
    return f"{_CONVOY_PREFIX}{slug(title, fallback='untitled')}/{short_id(convoy_id)}{_CONVOY_HEAD}"


def work_branch(*, agent_name: str, bead_id: BeadId, feature_branch: str | None) -> str:
    """An agent's branch for a bead: beside the head of the convoy's own branch, and by itself
    without a convoy or with a feature branch that a person named."""
    own = f"gt/{slug(agent_name, fallback='agent')}/{short_id(bead_id)}"
    if feature_branch is None or not feature_branch.endswith(_CONVOY_HEAD):
        return own
    return f"{feature_branch.removesuffix(_CONVOY_HEAD)}/{own}"


def next_polecat_name(taken: Collection[str]) -> str:
    """The first name of the list that nobody in the rig has; past the list, the lowest free
    number. Never derived from a count, which repeats after a deletion (row 78)."""
    for name in POLECAT_NAMES:
        if name not in taken:
            return name
    number = len(POLECAT_NAMES) + 1
    while f"Polecat-{number}" in taken:
        number += 1
    return f"Polecat-{number}"


def free_numbered_name(role: AgentRole, taken: Collection[str], *, first: int) -> str:
    """`architect-2`, and so on: the lowest number from `first` that nobody has."""
    number = first
    while f"{role.value}-{number}" in taken:
        number += 1
    return f"{role.value}-{number}"


def identity_of(*, name: str, role: AgentRole, rig_id: RigId | None, town_id: TownId) -> str:
    """What an agent is called for ever. The caller numbers it when it was somebody's before."""
    if rig_id is None and role == AgentRole.MAYOR:
        return f"{role.value}-{short_id(town_id)}"
    if rig_id is None:
        return f"{name}-{role.value}@{short_id(town_id)}"
    return f"{name}-{role.value}-{short_id(rig_id)}@{short_id(town_id)}"
