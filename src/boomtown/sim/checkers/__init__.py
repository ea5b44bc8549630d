"""Independent checks of a simulated town: what must be so, told from outside.

They import nothing of the town but know its tables (schema.sql): a checker that shared the town's
code would share its mistakes. What they read is the database file through the simulated disk, the
log of bodies that the containers keep, the origin's history, and the ledger of what people were
told. Each answers the first thing that is wrong, in words, or None.
"""

from __future__ import annotations

from boomtown.sim.checkers.evidence import Evidence as Evidence
from boomtown.sim.checkers.findings import find_violation as find_violation
