"""Actions outside the town: done after the decision stands, and kept when they were done."""

from __future__ import annotations

import re
from pathlib import Path

from boomtown.actors.town.commands import CommandRequest
from boomtown.actors.town.commands_of_roster import UseGateway
from boomtown.actors.town.gateway_actions import GatewayAction
from boomtown.actors.town.gateway_desk import Deed, DeedOutcome, GatewayDesk, PostedReview
from boomtown.actors.town.model import Session
from boomtown.actors.town.roster_views import GatewayView
from boomtown.container_sim.model import SessionKind
from boomtown.error_codes import ErrorCode
from boomtown.errors import Unavailable
from support.roster_desk import FORGE, RosterDesk
from support.town_desk import RIG, session_caller

_TOWN = Path(__file__).resolve().parents[3] / "actors" / "town"


class ReviewDesk(RosterDesk):
    """A reviewer at work, and a forge that posts what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.rex = self.hire(template="code-review-engineer", rig_id=RIG, name="rex")
        self.at_work: Session = self.start(self.rex, self.add_bead(), kind=SessionKind.WORK)
        self.deeds: list[Deed] = []
        self.decisions_at_deed: list[int] = []
        self.is_forge_down = False
        self.gateway = GatewayDesk(
            begin=lambda: self.tx, actions={GatewayAction.PR_REVIEW: self._post}
        )

    async def _post(self, deed: Deed) -> DeedOutcome:
        self.deeds.append(deed)
        self.decisions_at_deed.append(len(self.tx.rows("SELECT * FROM agent_actions")))
        if self.is_forge_down:
            raise Unavailable(ErrorCode.SCM_UNAVAILABLE, "The forge does not answer")
        number, head_sha = int(deed.args["number"]), str(deed.args["head_sha"])
        posted = PostedReview(
            forge=FORGE, repo_owner="acme", repo_name="app", number=number, head_sha=head_sha
        )
        return DeedOutcome(result={"review_id": "r1"}, posted_review=posted)

    async def ask(self, action: str) -> GatewayView:
        command = UseGateway(action=action, args={"number": 7, "head_sha": "c0ffee"})
        decided = self.get(command, GatewayView, caller=session_caller(self.at_work))
        assert decided.is_pending
        assert decided.refusal is None
        request = CommandRequest(command=command, caller=session_caller(self.at_work))
        answer = await self.gateway.finish(request, decided)
        assert isinstance(answer.view, GatewayView)
        assert answer.view.is_pending is False
        return answer.view

    def reviewed(self) -> list[tuple[object, ...]]:
        return self.tx.rows("SELECT agent_id, repo_name, number, head_sha FROM reviewed_prs")


async def test_a_posted_review_is_kept_once_per_head_and_after_its_decision() -> None:
    desk = ReviewDesk()
    for _ in range(2):
        view = await desk.ask("pr.review")
        assert (view.allowed, view.result, view.refusal) == (True, {"review_id": "r1"}, None)
    assert desk.reviewed() == [(desk.rex, "app", 7, "c0ffee")]
    assert desk.decisions_at_deed == [1, 2]
    assert desk.deeds[0].agent_id == desk.rex


async def test_a_review_that_was_not_posted_leaves_its_decision_and_no_row() -> None:
    desk = ReviewDesk()
    desk.is_forge_down = True
    view = await desk.ask("pr.review")
    assert view.refusal is not None
    assert view.refusal.code == ErrorCode.SCM_UNAVAILABLE
    assert desk.reviewed() == []
    assert len(desk.tx.rows("SELECT * FROM agent_actions")) == 1


async def test_an_action_that_nobody_wired_is_unavailable() -> None:
    view = await ReviewDesk().ask("pr.comment")
    assert view.refusal is not None
    assert view.refusal.code == ErrorCode.SCM_UNAVAILABLE


def test_nothing_but_the_gateways_desk_writes_reviewed_pull_requests() -> None:
    """I18."""
    writers = [
        path.name
        for path in sorted(_TOWN.glob("*.py"))
        if re.search(r"\bkeep_reviewed_pr\(|INTO reviewed_prs", path.read_text())
    ]
    assert writers == ["gateway_desk.py", "store_roster.py"]
