"""What our forge can be told to do wrong, and how often it did.

A fault is armed for an operation (GitHub's own names: `pulls/list`, `pulls/create-review`, or
`graphql`), or for all of them, from the nth request that it fits, `times` in a row. It is counted
as fired only when an answer was really changed, held or lost by it. Faults are in memory: a
restarted forge is a healthy one.
"""

from __future__ import annotations

import asyncio
import enum

import msgspec


class ForgeFaultKind(enum.StrEnum):
    # instead of the operation
    UNAUTHORIZED = "unauthorized"  # 401
    RATE_LIMIT = "rate_limit"  # 403 with no calls left
    TOO_MANY = "too_many"  # 429
    SERVER_ERROR = "server_error"  # 502
    # before it
    HELD = "held"  # stands still until the faults are cleared, then it is carried out
    # after it
    LOST = "lost"  # it was carried out, and the connection ends without an answer
    MALFORMED = "malformed"  # the answer ends in the middle
    TRUNCATED = "truncated"  # a listing shows its first item, and leads nowhere for the rest


class ArmForgeFault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The wish for a fault."""

    kind: ForgeFaultKind
    operation: str | None = None  # None: any
    nth: int = 1  # counted from when it is armed
    times: int = 1
    retry_after_s: int = 60  # of the two about limits


class ForgeFaultReport(msgspec.Struct, frozen=True, kw_only=True):
    fault_id: int
    wanted: ArmForgeFault
    reached: int  # requests that it fits
    fired: int


class ArmedFault:
    """One fault while it waits for its requests."""

    def __init__(self, fault_id: int, wanted: ArmForgeFault) -> None:
        self.fault_id = fault_id
        self.wanted = wanted
        self.reached = 0
        self.fired = 0
        self.released = asyncio.Event()

    def report(self) -> ForgeFaultReport:
        return ForgeFaultReport(
            fault_id=self.fault_id, wanted=self.wanted, reached=self.reached, fired=self.fired
        )


class ForgeFaults:
    """All faults of one forge."""

    def __init__(self) -> None:
        self._armed: list[ArmedFault] = []
        self._last_id = 0

    def arm(self, wanted: ArmForgeFault) -> ForgeFaultReport:
        self._last_id += 1
        fault = ArmedFault(self._last_id, wanted)
        self._armed.append(fault)
        return fault.report()

    def reports(self) -> list[ForgeFaultReport]:
        return [fault.report() for fault in self._armed]

    def clear(self) -> None:
        """Disarm all; requests that were held go on."""
        for fault in self._armed:
            fault.released.set()
        self._armed.clear()

    def take(self, operation: str) -> ArmedFault | None:
        """Come by with one request; the first fault that is due for it. All that fit count it."""
        due: ArmedFault | None = None
        for fault in self._armed:
            wanted = fault.wanted
            if wanted.operation not in (None, operation):
                continue
            fault.reached += 1
            if due is None and wanted.nth <= fault.reached < wanted.nth + wanted.times:
                due = fault
        return due
