"""Does what the gateway allowed and the town cannot do by itself: actions at the forge.

Theory of operation. The decision is a row of `agent_actions`, written by the command. What does
the deed is one function per action, given by whoever wires the town; it reaches the world through
service bindings only, whose calls begin when everything that the object wrote is durable. So no
deed is ever done without its decision, and a crash in between leaves a decision without a deed:
the agent gets no answer and asks again, which is a decision of its own. Deeds are not repeated
here; one that must not happen twice sees to that itself.

What came of it is written in a second transaction: a review that was posted becomes its row of
`reviewed_prs`, also when the session has ended meanwhile, because it is a fact by then. Nothing
else writes that table.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from boomtown.actors.town.commands import CommandRequest
from boomtown.actors.town.commands_of_roster import UseGateway
from boomtown.actors.town.gateway_actions import GatewayAction
from boomtown.actors.town.roster_views import GatewayView
from boomtown.actors.town.store_roster import ReviewedPr, keep_reviewed_pr
from boomtown.actors.town.transaction import TownTransaction
from boomtown.actors.town.views import Answer
from boomtown.error_codes import ErrorCode
from boomtown.errors import BoomtownError, Unavailable
from boomtown.ids import AgentId, SessionId


class PostedReview(msgspec.Struct, frozen=True, kw_only=True):
    """Of which head of which pull request a review stands at the forge now."""

    forge: str
    repo_owner: str
    repo_name: str
    number: int
    head_sha: str


class Deed(msgspec.Struct, frozen=True, kw_only=True):
    """An allowed action, to be done outside."""

    action_id: str  # of the decision
    action: GatewayAction
    agent_id: AgentId
    session_id: SessionId | None
    args: dict[str, Any]  # as the agent sent them


class DeedOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What the agent is told, and what the town keeps."""

    result: Any
    posted_review: PostedReview | None = None


# Raises BoomtownError for what the agent is to be told; anything else is a fault of ours.
OutsideAction = Callable[[Deed], Awaitable[DeedOutcome]]


class GatewayDesk:
    """Belongs to one live Town object; holds nothing of its own."""

    def __init__(
        self,
        *,
        begin: Callable[[], TownTransaction],
        actions: Mapping[GatewayAction, OutsideAction],
    ) -> None:
        self._begin = begin  # a transaction of the present turn, at the present instant
        self._actions = actions

    async def finish(self, request: CommandRequest, decided: GatewayView) -> Answer:
        """The answer of a pending action, when it is done. An action that nobody wired is
        refused with SCM_UNAVAILABLE."""
        command, caller = request.command, request.caller
        assert isinstance(command, UseGateway), "only the gateway's command is pending"
        assert caller.agent_id is not None, "the gateway serves agents only"
        deed = Deed(
            action_id=decided.action_id,
            action=GatewayAction(decided.action),
            agent_id=caller.agent_id,
            session_id=caller.session_id,
            args=command.args,
        )
        done = msgspec.structs.replace(decided, is_pending=False)
        try:
            outcome = await self._perform(deed)
        except BoomtownError as error:
            return Answer(view=msgspec.structs.replace(done, refusal=error.refusal()))
        self._keep(deed, outcome)
        return Answer(view=msgspec.structs.replace(done, result=outcome.result))

    async def _perform(self, deed: Deed) -> DeedOutcome:
        action = self._actions.get(deed.action)
        if action is None:
            raise Unavailable(ErrorCode.SCM_UNAVAILABLE, "No forge is configured for this town")
        return await action(deed)

    def _keep(self, deed: Deed, outcome: DeedOutcome) -> None:
        posted = outcome.posted_review
        if posted is None:
            return
        tx = self._begin()
        reviewed = ReviewedPr(
            agent_id=deed.agent_id,
            forge=posted.forge,
            repo_owner=posted.repo_owner,
            repo_name=posted.repo_name,
            number=posted.number,
            head_sha=posted.head_sha,
            reviewed_at_ms=tx.now_ms,
        )
        tx.in_savepoint(lambda: keep_reviewed_pr(tx, reviewed))
