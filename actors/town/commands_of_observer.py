"""What may be asked of a town's observer of the forges, and of who owns a pull request."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from boomtown.ids import SessionId


class RecheckObserver(
    msgspec.Struct, frozen=True, kw_only=True, tag="recheck_observer", tag_field="command"
):
    """Check the credentials anew, whatever was concluded before; answers before the check."""


class PollForges(msgspec.Struct, frozen=True, kw_only=True, tag="poll_forges", tag_field="command"):
    """Look at all repositories as soon as each may be asked. SCM_UNAVAILABLE when disabled."""


class ClaimPr(msgspec.Struct, frozen=True, kw_only=True, tag="claim_pr", tag_field="command"):
    """Give a session's agent an existing pull request of its rig. `pr` is an address, `o/n#7`,
    `#7` or `7`. With `takeover` another agent that works on it loses it."""

    session_id: SessionId
    pr: Annotated[str, Meta(max_length=2_048)]
    takeover: bool = False


ObserverCommand = RecheckObserver | PollForges | ClaimPr
