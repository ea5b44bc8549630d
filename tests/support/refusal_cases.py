"""Every refusal that a real request can provoke: the request, and the code that it meets.

A case is a function: it prepares a town of its own and returns the request, which has changed
nothing when it was refused. Where a code guards more than one way in, each way that writes before
it can know has a case.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from boomtown.error_codes import ErrorCode
from support.refusal_cases_of_pull_requests import CLAIM_CASES, DEED_CASES
from support.refusal_cases_of_requests import REQUEST_CASES, an_action_that_no_template_allows
from support.refusal_cases_of_sessions import SESSION_CASES
from support.refusal_cases_of_the_roster import ROSTER_CASES, a_memory_that_was_never_put
from support.refusal_cases_of_work import WORK_CASES
from support.refusal_scene import Scene
from support.refusal_server import Sent

Case = Callable[[Scene], Sent]

CASES: Mapping[Case, ErrorCode] = {
    **REQUEST_CASES,
    **ROSTER_CASES,
    **SESSION_CASES,
    **WORK_CASES,
    **CLAIM_CASES,
    **DEED_CASES,
}

# The gateway records what it decided, a denial and a failed deed too (roster.md 4.4).
RECORDED: tuple[Case, ...] = (
    an_action_that_no_template_allows,
    *DEED_CASES,
    a_memory_that_was_never_put,
)
TABLES_OF_A_DECISION = ("agent_actions", "feed_log", "feed_speaker", "sqlite_sequence")

# Met by a server without git, or by one that ends (test_server_faults.py).
OTHER_SERVERS = frozenset({ErrorCode.GIT_NOT_FOUND, ErrorCode.SHUTTING_DOWN})
# Said by a command before there is a server to ask (test_command_line.py).
COMMANDS_ONLY = frozenset({ErrorCode.AGENT_COMMAND_NOT_FOUND, ErrorCode.STARTING_UP})
