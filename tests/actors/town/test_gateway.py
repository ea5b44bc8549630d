"""The policy gateway: deny by default, every decision a row, and what the allowed ones do."""

from __future__ import annotations

import msgspec
import pytest

from boomtown.actors.town.commands import SendMail
from boomtown.actors.town.commands_of_roster import UseGateway
from boomtown.actors.town.model import Session
from boomtown.actors.town.questions_of_roster import ListActions, ListMemory
from boomtown.actors.town.roster_views import ActionView, MemoryView
from boomtown.actors.town.store_satellites import list_undelivered_mail
from boomtown.actors.town.views import ListView
from boomtown.container_sim.model import SessionKind
from boomtown.error_codes import ErrorCode
from boomtown.ids import AgentId
from support.roster_desk import RosterDesk
from support.town_desk import RIG, session_caller


class Counter(RosterDesk):
    """A polecat of the architect `ann`, at work."""

    def __init__(self) -> None:
        super().__init__()
        self.ann = self.hire(role="architect", name="ann")
        self.ada = self.worker(self.ann, "ada")
        self.at_work = self.start(self.ada, self.add_bead(), kind=SessionKind.WORK)

    def decisions(self, agent_id: AgentId) -> list[tuple[str, str]]:
        items = self.query(ListActions(agent_id=agent_id), ListView).items
        return [(item.action, item.outcome) for item in items if isinstance(item, ActionView)]

    def code_of(self, action: str, **args: object) -> ErrorCode | None:
        view = self.act(self.at_work, action, **args)
        return None if view.refusal is None else view.refusal.code


def test_what_the_template_does_not_name_is_denied_and_recorded() -> None:
    desk = Counter()
    assert desk.code_of("pr.review", repo="acme/app", number=7) == ErrorCode.ACTION_DENIED
    assert desk.code_of("rm -rf") == ErrorCode.ACTION_DENIED
    assert desk.decisions(desk.ada) == [("pr.review", "denied"), ("rm -rf", "denied")]


def test_an_allowed_action_is_recorded_without_its_value() -> None:
    desk = Counter()
    view = desk.act(desk.at_work, "memory.put", key="token", value="s3cret")
    assert (view.allowed, view.refusal, view.result) == (True, None, {"key": "token"})
    [row] = desk.tx.rows("SELECT outcome, metadata, session_id FROM agent_actions")
    assert row == ("allowed", '{"key":"token"}', desk.at_work.session_id)


def test_a_failing_action_leaves_its_decision_and_nothing_else() -> None:
    desk = Counter()
    limit = desk.tx.limits.memory_value_bytes_max
    assert desk.code_of("memory.put", key="big", value="x" * limit) == ErrorCode.INVALID_BODY
    assert desk.code_of("memory.put", value="no key") == ErrorCode.INVALID_BODY
    assert desk.code_of("memory.get", key="nothing") == ErrorCode.MEMORY_NOT_FOUND
    assert desk.tx.rows("SELECT * FROM agent_memory") == []
    assert [outcome for _, outcome in desk.decisions(desk.ada)] == ["allowed"] * 3


def test_memory_is_put_read_listed_and_deleted() -> None:
    desk = Counter()
    for value in ({"a": 1}, {"a": 2}):
        desk.act(desk.at_work, "memory.put", key="style", value=value)
    assert desk.act(desk.at_work, "memory.get", key="style").result["value"] == {"a": 2}
    [seen] = desk.query(ListMemory(agent_id=desk.ada), ListView).items
    assert isinstance(seen, MemoryView)
    assert seen.value == {"a": 2}
    assert desk.act(desk.at_work, "memory.list").result == {"keys": ["style"]}
    desk.act(desk.at_work, "memory.delete", key="style")
    assert desk.act(desk.at_work, "memory.list").result == {"keys": []}


def test_a_memory_is_bounded() -> None:
    desk = Counter()
    desk.tx = msgspec.structs.replace(
        desk.tx, limits=msgspec.structs.replace(desk.tx.limits, memory_entries_max=1)
    )
    assert desk.code_of("memory.put", key="one", value=1) is None
    assert desk.code_of("memory.put", key="two", value=2) == ErrorCode.INVALID_BODY
    assert desk.code_of("memory.put", key="one", value=3) is None


def test_mail_to_the_boss_reaches_the_live_boss_else_the_mayor() -> None:
    desk = Counter()
    sent = desk.act(desk.at_work, "mail.boss", subject="Help", body="Which door?")
    assert sent.result["to"] == desk.ann
    desk.offboard(desk.ann, force=True)
    again = desk.act(desk.at_work, "mail.boss", subject="Help", body="Which door?")
    assert again.result["to"] == desk.mayor
    assert len(list_undelivered_mail(desk.tx, desk.mayor)) == 2


def test_without_boss_and_mayor_there_is_nobody_to_write_to() -> None:
    desk = Counter()
    desk.tx.run("UPDATE agents SET employment = 'offboarded' WHERE role IN ('mayor', 'architect')")
    assert desk.code_of("mail.boss", subject="S", body="B") == ErrorCode.NO_COORDINATOR


@pytest.mark.parametrize(("to", "is_refused"), [("bob", True), ("ann", False), ("mayor", True)])
def test_a_worker_writes_to_no_coordinator_but_its_own(to: str, is_refused: bool) -> None:
    desk = Counter()
    bob = desk.hire(role="architect", name="bob")
    who = {"bob": bob, "ann": desk.ann, "mayor": desk.mayor}[to]
    letter = SendMail(rig_id=RIG, from_agent_id=desk.ada, to_agent_id=who, subject="S", body="B")
    answer = desk.ask_to(letter, caller=session_caller(desk.at_work))
    assert (answer.refusal is not None) is is_refused
    if answer.refusal is not None:
        assert answer.refusal.code == ErrorCode.NOT_YOUR_BOSS


def test_a_worker_writes_in_no_name_but_its_own() -> None:
    desk = Counter()
    letter = SendMail(rig_id=RIG, from_agent_id=desk.ann, subject="S", body="B", to="boss")
    answer = desk.ask_to(letter, caller=session_caller(desk.at_work))
    assert answer.refusal is not None
    assert answer.refusal.code == ErrorCode.FORBIDDEN_AGENT


def test_only_an_agent_has_a_role_to_go_by() -> None:
    desk = Counter()
    code, _ = desk.refusal_of(UseGateway(action="memory.list", args={}))
    assert code == ErrorCode.FORBIDDEN_SCOPE


def test_one_that_the_town_made_goes_by_its_roles_template() -> None:
    desk = RosterDesk()
    session: Session = desk.start(desk.add_agent("Ada"), desk.add_bead(), kind=SessionKind.WORK)
    assert desk.act(session, "memory.list").allowed is True


def test_a_template_that_is_gone_allows_nothing() -> None:
    desk = Counter()
    desk.tx = msgspec.structs.replace(desk.tx, templates={})
    assert desk.code_of("memory.list") == ErrorCode.ACTION_DENIED
