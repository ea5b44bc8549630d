"""How much memory SQLite sets aside for each connection, for a process that opens thousands.

By default every connection reserves some 40 KB for small allocations (sqlite.org/malloc.html,
lookaside). An object's connection needs few of them: 8 KB leave about 31 KiB less for each open
object, and cost nothing that can be measured. The setting is the process's, and can be made only
while SQLite is at rest.
"""

from __future__ import annotations

import apsw

LOOKASIDE_BYTES = 256  # of one slot
LOOKASIDE_SLOTS = 32


def reserve_little() -> bool:
    """Have later connections of this process reserve little; to be called by a program before it
    opens any. False, and nothing is changed, where some are open already."""
    if apsw.connections():
        return False
    apsw.shutdown()  # safe only now: nothing of SQLite is in use
    apsw.config(apsw.SQLITE_CONFIG_LOOKASIDE, LOOKASIDE_BYTES, LOOKASIDE_SLOTS)
    apsw.initialize()
    return True
