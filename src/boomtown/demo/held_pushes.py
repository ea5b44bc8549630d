"""Holds one push to the demo's origin in the middle, so that something can be killed meanwhile.

Two hooks of the bare repository look for a file `hold` that names what to wait for. The first push
of that kind renames it to `held` and stands still: before origin's branch moves (pre-receive) or
after it has moved and before the pusher hears of it (post-receive). So a kill between a merge and
its report is a matter of order, not of luck. Whoever is held is of the container, and dies with
it; a hold that nobody ends is given up after HOLD_S_MAX, and the push goes on.
"""

from __future__ import annotations

import enum
from pathlib import Path

HOLD_S_MAX = 60

HOOK = f"""#!/bin/sh
# Stand still in the push that the file `hold` asks for, until `held` is gone.
stage=$(basename "$0")
while read -r old new ref; do
    case "$ref" in
        */gt/*) kind=work ;;
        *) kind=other ;;
    esac
    if git rev-parse --quiet --verify "$new^2" > /dev/null; then
        kind=merge
    fi
    if [ "$(cat hold 2> /dev/null)" = "$stage $kind" ] && mv hold held 2> /dev/null; then
        seconds=0
        while [ -e held ] && [ "$seconds" -lt {HOLD_S_MAX} ]; do
            sleep 1
            seconds=$((seconds + 1))
        done
    fi
done
exit 0
"""


class Moment(enum.StrEnum):
    """Where a push is held; the values are what the hooks compare."""

    BEFORE_PUSH = "pre-receive work"
    AFTER_PUSH = "post-receive work"
    BEFORE_MERGE = "pre-receive merge"
    AFTER_MERGE = "post-receive merge"


class HeldPushes:
    """The hooks of one bare repository; at most one push is waited for at a time."""

    def __init__(self, origin: Path) -> None:
        self._hold = origin / "hold"
        self._held = origin / "held"
        self._hooks = origin / "hooks"

    def install(self) -> None:
        """Write the hooks; without a wish they cost a look at a missing file."""
        self._hooks.mkdir(exist_ok=True)
        for stage in ("pre-receive", "post-receive"):
            hook = self._hooks / stage
            hook.write_text(HOOK)
            hook.chmod(0o755)

    def hold_next(self, moment: Moment) -> None:
        """Hold the next push of that kind."""
        draft = self._hold.with_suffix(".draft")
        draft.write_text(moment)
        draft.rename(self._hold)

    @property
    def is_held(self) -> bool:
        """A push stands still now."""
        return self._held.exists()

    def release(self) -> None:
        """Let the held push go on, if its process still lives."""
        self._held.unlink(missing_ok=True)
