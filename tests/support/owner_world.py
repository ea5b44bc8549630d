"""Owners and their towns on a real Host, with a hand-driven clock and scripted containers."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

from boomtown.actors import Durability, Host
from boomtown.actors.town.commands import Caller, CallerKind, Command, CommandRequest
from boomtown.actors.town.forge_access import ForgeAccess
from boomtown.actors.town.model import TownConfig
from boomtown.actors.town.owner import Owner
from boomtown.actors.town.questions import Question, QuestionRequest
from boomtown.actors.town.templates import load_templates
from boomtown.actors.town.town import Town
from boomtown.actors.town.views import Answer, View
from boomtown.container_sim.forge.forge_clients import ForgeClients
from boomtown.entropy import SeededEntropy, SystemSecrets
from boomtown.errors import error_from_refusal
from boomtown.ids import TownId
from boomtown.limits import TownLimits
from boomtown.testing.manual_clock import ManualClock
from support.scripted_containers import ScriptedContainers
from support.town_world import PlainTokens

OPERATOR = Caller(kind=CallerKind.OPERATOR, user_id="local")


class OpenTown(Town):
    """A Town whose alarm a test may read."""

    async def alarm_at(self) -> int | None:
        return await self.ctx.storage.get_alarm()


class OpenOwner(Owner):
    """An Owner whose rows a test may set back, as a crash between two steps leaves them."""

    async def run_statement(self, statement: str) -> None:
        list(self.ctx.storage.sql.exec(statement).raw())


class OwnerWorld:
    """Made by `async with`."""

    def __init__(self, data_dir: Path) -> None:
        self.clock = ManualClock()
        self.limits = TownLimits()
        self.containers = ScriptedContainers(self.clock)
        entropy = SeededEntropy(5)
        self._host = Host(
            classes={"Town": OpenTown, "Owner": OpenOwner},
            data_dir=data_dir,
            clock=self.clock,
            entropy=entropy,
            secrets=SystemSecrets(),
            durability=Durability.PROCESS,
            bindings={
                "CLOCK": self.clock,
                "ENTROPY": entropy,
                "SECRETS": SystemSecrets(),
                "TOKENS": PlainTokens(),
                "TOWN_LIMITS": self.limits,
                "ROLE_TEMPLATES": load_templates(None),
                "FORGE_ACCESS": ForgeAccess(),
                "TOWN_DEFAULTS": TownConfig(max_polecats_per_rig=3),
            },
            services={"CONTAINERS": self.containers, "FORGES": ForgeClients({})},
        )

    async def __aenter__(self) -> OwnerWorld:
        await self._host.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._host.aclose()

    def owner(self, name: str = "local") -> Any:
        """The stub of an Owner."""
        return self._host.namespace("Owner").get_by_name(name)

    def town(self, town_id: TownId) -> Any:
        """The stub of a Town."""
        return self._host.namespace("Town").get_by_name(town_id)

    async def execute(self, town_id: TownId, command: Command) -> View:
        """The view; a refusal raises."""
        request = CommandRequest(command=command, caller=OPERATOR)
        return view_of(await self.town(town_id).execute(request))

    async def query(self, town_id: TownId, question: Question) -> View:
        """The view; a refusal raises."""
        request = QuestionRequest(question=question, caller=OPERATOR)
        return view_of(await self.town(town_id).query(request))


def view_of(answer: Answer) -> View:
    """The view of an answer; its refusal raises."""
    if answer.refusal is not None:
        raise error_from_refusal(answer.refusal)
    assert answer.view is not None
    return answer.view
