"""What may be asked of a town about who works in it: hire, dismiss, reassign, watch, act."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from boomtown.container_sim.model import AgentRole
from boomtown.ids import AgentId, RigId

Reason = Annotated[str, Meta(max_length=2_000)]
AgentName = Annotated[str, Meta(max_length=200)]  # its pattern is the town's to refuse, by code


class HireAgent(msgspec.Struct, frozen=True, kw_only=True, tag="hire_agent", tag_field="command"):
    """By template, or by role alone. `boss` is the id or the name of a live coordinator."""

    template: str | None = None
    role: AgentRole | None = None
    name: AgentName | None = None  # None: the town makes one up
    rig_id: RigId | None = None
    boss: str | None = None
    config: dict[str, Any] = {}


class OffboardAgent(
    msgspec.Struct, frozen=True, kw_only=True, tag="offboard_agent", tag_field="command"
):
    """End an employment (roster.md 4.4). `reassign_to` is the id or the name of a coordinator."""

    agent_id: AgentId
    reassign_to: str | None = None
    force: bool = False
    reason: Reason | None = None


class ReassignWorkers(
    msgspec.Struct, frozen=True, kw_only=True, tag="reassign_workers", tag_field="command"
):
    """All workers of an agent, hired or not any more, get another boss; all or none."""

    agent_id: AgentId
    to: str


class AddWatch(msgspec.Struct, frozen=True, kw_only=True, tag="add_watch", tag_field="command"):
    """The same agent again changes nothing; REPO_ALREADY_WATCHED for another one's."""

    agent_id: AgentId
    forge: str
    repo_owner: str
    repo_name: str


class RemoveWatch(
    msgspec.Struct, frozen=True, kw_only=True, tag="remove_watch", tag_field="command"
):
    agent_id: AgentId
    watch_id: str


class UseGateway(msgspec.Struct, frozen=True, kw_only=True, tag="use_gateway", tag_field="command"):
    """Something that the caller's role may or may not do; the decision is recorded either way."""

    action: str
    args: dict[str, Any]
