"""How an agent's program ends other than by running to its last line."""

from __future__ import annotations


class SessionOver(Exception):
    """The town says that this session is no longer the bead's: stop at once, without a word."""


class AgentFailed(Exception):
    """The session cannot do what it was started for; the text goes to the log, exit code 1."""


class CallRefused(AgentFailed):
    """The town refused a call, for this reason; trying again changes nothing."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code
