"""The tables of a town, as text: one file per concern, all created in one transaction."""

from __future__ import annotations

from importlib import resources

# In this order: later files refer to tables of earlier ones.
SCHEMA_FILES = ("schema.sql", "roster_schema.sql", "observer_schema.sql")


def town_schema() -> str:
    """Every statement of a new town's database."""
    folder = resources.files("boomtown.actors.town")
    return "\n".join(folder.joinpath(name).read_text("utf-8") for name in SCHEMA_FILES)
