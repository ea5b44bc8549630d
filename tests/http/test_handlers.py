"""What a request becomes for the town: each route's command or question, whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from boomtown.actors.town import commands as c
from boomtown.actors.town import questions as q
from boomtown.actors.town.model import (
    BeadStatus,
    BeadType,
    MergeMode,
    Priority,
    RefineryConfig,
    RigConfig,
)
from boomtown.container_sim.model import AgentRole, Verdict
from support.fake_town import AGENT, BEAD, CONVOY, ESCALATION, OTHER, REVIEW, RIG, SESSION, TOWN
from support.front_world import SETTINGS, FrontWorld, open_front

T = f"/api/towns/{TOWN}"
R = f"{T}/rigs/{RIG}"
A = f"{R}/agents/{AGENT}"
M = f"/api/mayor/{TOWN}/tools"
OWN: dict[str, Any] = {"rig_id": RIG, "agent_id": AGENT}
NOON_MS = 1_767_268_800_000
BATCH = {
    "rig_id": RIG,
    "convoy_title": "c",
    "tasks": [{"title": "a"}, {"title": "b", "body": "x", "depends_on": [0]}],
    "merge_mode": "review-and-merge",
    "staged": True,
    "unknown": {"is": "ignored"},
}
SLUNG: Any = c.SlingConvoy(
    rig_id=RIG,  # type: ignore[arg-type]
    convoy_title="c",
    tasks=(c.ConvoyTask(title="a"), c.ConvoyTask(title="b", body="x", depends_on=(0,))),
    merge_mode=MergeMode.REVIEW_AND_MERGE,
    staged=True,
)
CREATED: dict[str, Any] = {
    "title": "t",
    "type": "issue",
    "body": "b",
    "priority": "high",
    "labels": ["x"],
    "metadata": {"k": [1, None]},
    "parent_bead_id": OTHER,
    "depends_on": [OTHER],
}

CASES: list[tuple[str, str, object, type, dict[str, Any]]] = [
    (
        "POST",
        f"{R}/beads",
        CREATED,
        c.CreateBead,
        CREATED
        | {"rig_id": RIG, "type": BeadType.ISSUE, "priority": Priority.HIGH}
        | {"labels": ("x",), "depends_on": (OTHER,)},
    ),
    ("DELETE", f"{R}/beads/{BEAD}", None, c.DeleteBeads, {"rig_id": RIG, "bead_ids": (BEAD,)}),
    (
        "PATCH",
        f"{R}/beads/{BEAD}/status",
        {"status": "in_progress", "agent_id": AGENT},
        c.SetBeadStatus,
        OWN | {"bead_id": BEAD, "status": BeadStatus.IN_PROGRESS},
    ),
    (
        "POST",
        f"{R}/beads/{BEAD}/close",
        {"agent_id": AGENT},
        c.SetBeadStatus,
        OWN | {"bead_id": BEAD, "status": BeadStatus.CLOSED},
    ),
    ("POST", f"{R}/beads/{BEAD}/retry", None, c.RetryBead, {"rig_id": RIG, "bead_id": BEAD}),
    ("POST", f"{R}/sling", {"title": "t"}, c.SlingBead, {"rig_id": RIG, "title": "t"}),
    ("POST", f"{R}/pause", None, c.SetPaused, {"is_paused": True, "rig_id": RIG}),
    ("POST", f"{R}/resume", None, c.SetPaused, {"is_paused": False, "rig_id": RIG}),
    ("POST", f"{T}/pause", None, c.SetPaused, {"is_paused": True}),
    ("POST", f"{T}/resume", None, c.SetPaused, {"is_paused": False}),
    ("PATCH", f"{T}/config", {"a": {"b": None}}, c.UpdateConfig, {"patch": {"a": {"b": None}}}),
    ("POST", f"{T}/convoys", BATCH, c.SlingConvoy, msgspec.structs.asdict(SLUNG)),
    ("POST", f"{M}/sling-batch", BATCH, c.SlingConvoy, msgspec.structs.asdict(SLUNG)),
    (
        "POST",
        f"{T}/approvals/{BEAD}",
        {"approve": False, "note": "no"},
        c.Approve,
        {"bead_id": BEAD, "approve": False, "note": "no"},
    ),
    (
        "POST",
        f"{M}/escalations/{ESCALATION}/acknowledge",
        None,
        c.AcknowledgeEscalation,
        {"escalation_id": ESCALATION},
    ),
    (
        "POST",
        f"{R}/agents",
        {"role": "refinery", "name": "n", "identity": "i"},
        c.RegisterAgent,
        {"rig_id": RIG, "role": AgentRole.REFINERY, "name": "n", "identity": "i"},
    ),
    ("DELETE", A, None, c.DeleteAgent, OWN),
    ("POST", f"{A}/hook", {"bead_id": BEAD}, c.HookBead, OWN | {"bead_id": BEAD}),
    ("DELETE", f"{A}/hook", None, c.UnhookBead, OWN),
    ("GET", f"{A}/prime", None, c.PrimeAgent, OWN),
    ("GET", f"{A}/mail", None, c.CheckMail, OWN),
    (
        "POST",
        f"{A}/done",
        {"branch": "b", "verdict": "pr_created", "pr_url": "u", "summary": "s", "commit_sha": "c"},
        c.ReportDone,
        OWN
        | {"branch": "b", "verdict": Verdict.PR_CREATED, "pr_url": "u", "summary": "s"}
        | {"commit_sha": "c"},
    ),
    (
        "POST",
        f"{A}/request-changes",
        {"feedback": "f", "files": ["a.py"]},
        c.RequestChanges,
        OWN | {"feedback": "f", "files": ("a.py",)},
    ),
    (
        "POST",
        f"{A}/completed",
        {"status": "failed", "reason": "r", "exit_code": -9, "pid": 4},
        c.ReportCompleted,
        OWN | {"status": "failed", "reason": "r", "exit_code": -9},
    ),
    (
        "POST",
        f"{A}/waiting",
        {"firedAt": "2026-01-01T12:00:00.000Z"},
        c.ReportWaiting,
        OWN | {"fired_at_ms": NOON_MS},
    ),
    ("POST", f"{A}/waiting", None, c.ReportWaiting, OWN),
    ("POST", f"{A}/checkpoint", {"data": [1]}, c.WriteCheckpoint, OWN | {"data": [1]}),
    ("POST", f"{A}/status", {"message": "m"}, c.SetAgentStatus, OWN | {"message": "m"}),
    (
        "POST",
        f"{A}/eviction-context",
        {"branch": "b", "agent_name": "n", "saved_at": NOON_MS},
        c.ReportEviction,
        OWN | {"branch": "b", "saved_at_ms": NOON_MS},
    ),
    (
        "POST",
        f"{A}/heartbeat",
        {
            "agentId": AGENT,
            "status": "running",
            "timestamp": "2026-01-01T12:00:00Z",
            "containerInstanceId": OTHER,
            "pid": 12,
            "lastEventType": "output",
            "lastEventAt": "2026-01-01T12:00:00Z",
            "activeTools": ["edit"],
            "messageCount": 3,
        },
        c.Heartbeat,
        OWN
        | {"body_status": "running", "instance_id": OTHER, "pid": 12, "active_tools": ("edit",)}
        | {"last_event_type": "output", "last_event_at_ms": NOON_MS},
    ),
    ("POST", f"{A}/heartbeat", None, c.Heartbeat, OWN),
    (
        "POST",
        f"{R}/mail",
        {"from_agent_id": AGENT, "to": "boss", "subject": "s", "body": "b"},
        c.SendMail,
        {"rig_id": RIG, "from_agent_id": AGENT, "to": "boss", "subject": "s", "body": "b"},
    ),
    (
        "POST",
        f"{M}/mail",
        {"rig_id": OTHER, "to_agent_id": AGENT, "subject": "s", "body": "b"},
        c.SendMail,
        {"rig_id": OTHER, "from_agent_id": None, "to_agent_id": AGENT, "subject": "s", "body": "b"},
    ),
    (
        "POST",
        f"{R}/review-queue",
        {"bead_id": BEAD, "agent_id": AGENT, "branch": "b", "pr_url": "u", "summary": "s"},
        c.SubmitReview,
        OWN | {"bead_id": BEAD, "branch": "b", "pr_url": "u", "summary": "s"},
    ),
    (
        "POST",
        f"{R}/review-queue/{REVIEW}/complete",
        {"status": "conflict", "message": "m", "commit_sha": "c"},
        c.CompleteReview,
        {"rig_id": RIG, "review_id": REVIEW, "status": "conflict", "message": "m"}
        | {"commit_sha": "c"},
    ),
    (
        "POST",
        f"{M}/sling",
        {"rig_id": RIG, "title": "t"},
        c.SlingBead,
        {"rig_id": RIG, "title": "t"},
    ),
    (
        "PATCH",
        f"{M}/rigs/{RIG}/beads/{BEAD}",
        {"title": "n", "labels": [], "depends_on": [OTHER]},
        c.UpdateBead,
        {"rig_id": RIG, "bead_id": BEAD, "title": "n", "labels": (), "depends_on": (OTHER,)},
    ),
    (
        "POST",
        f"{M}/rigs/{RIG}/beads/delete-by-status",
        {"status": "failed", "type": "issue"},
        c.DeleteBeadsByStatus,
        {"rig_id": RIG, "status": BeadStatus.FAILED, "type": BeadType.ISSUE},
    ),
    ("POST", f"{M}/rigs/{RIG}/agents/{AGENT}/reset", None, c.ResetAgent, OWN),
    (
        "PATCH",
        f"{M}/convoys/{CONVOY}",
        {"merge_mode": "review-then-land", "feature_branch": "f/x"},
        c.UpdateConvoy,
        {"convoy_id": CONVOY, "merge_mode": MergeMode.REVIEW_THEN_LAND, "feature_branch": "f/x"},
    ),
    ("POST", f"{M}/convoys/{CONVOY}/start", None, c.StartConvoy, {"convoy_id": CONVOY}),
    ("POST", f"{M}/convoys/{CONVOY}/close", None, c.CloseConvoyByForce, {"convoy_id": CONVOY}),
    (
        "POST",
        f"{M}/convoys/{CONVOY}/add-bead",
        {"bead_id": BEAD, "depends_on": [OTHER]},
        c.AddConvoyBead,
        {"convoy_id": CONVOY, "bead_id": BEAD, "depends_on": (OTHER,)},
    ),
    (
        "GET",
        f"{R}/beads?status=open&type=message&assignee_agent_bead_id={AGENT}",
        None,
        q.ListBeads,
        {"rig_id": RIG, "status": BeadStatus.OPEN, "type": BeadType.MESSAGE}
        | {"assignee_agent_id": AGENT},
    ),
    (
        "GET",
        f"{R}/agents?role=polecat&status=dead",
        None,
        q.ListAgents,
        {"rig_id": RIG, "role": AgentRole.POLECAT, "status": "dead"},
    ),
    ("GET", f"{A}/events?after=7", None, q.ListEvents, OWN | {"after": 7}),
    (
        "GET",
        f"/api/users/local/towns/{TOWN}/events?since={NOON_MS}&limit=5",
        None,
        q.ListEvents,
        {"since_ms": NOON_MS, "limit": 5},
    ),
    ("GET", f"{T}/sessions?bead_id={BEAD}", None, q.ListSessions, {"bead_id": BEAD}),
    ("GET", f"{T}/sessions/{SESSION}", None, q.GetSession, {"session_id": SESSION}),
    ("GET", f"/api/users/local/rigs/{RIG}", None, q.GetRig, {"rig_id": RIG}),
]


@pytest.fixture
async def front() -> AsyncIterator[FrontWorld]:
    async with open_front() as world:
        yield world


@pytest.mark.parametrize(
    ("method", "path", "body", "kind", "fields"),
    CASES,
    ids=[f"{case[3].__name__}_{number}" for number, case in enumerate(CASES)],
)
async def test_a_request_becomes_its_command_or_question(
    front: FrontWorld, method: str, path: str, body: object, kind: type, fields: dict[str, Any]
) -> None:
    reply = await front.call(method, path, body, credential=front.operator_key())
    assert reply.status < 300, reply.content
    town = front.fakes.town
    asked = [request.command for request in town.commands] + [
        request.question for request in town.questions
    ]
    assert asked == [kind(**fields)]


@pytest.mark.parametrize(
    ("method", "path", "body", "code", "field"),
    [
        ("POST", f"{A}/status", {"message": ""}, "INVALID_BODY", "message"),
        ("POST", f"{A}/status", {"message": "x" * 281}, "INVALID_BODY", "message"),
        ("POST", f"{A}/waiting", {"firedAt": "noon"}, "INVALID_BODY", "firedAt"),
        ("POST", f"{A}/waiting", {"firedAt": 10**18}, "INVALID_BODY", "firedAt"),
        ("POST", f"{A}/heartbeat", {"pid": 2**40}, "INVALID_BODY", "pid"),
        ("POST", f"{R}/mail", {"subject": "s", "body": "b"}, "INVALID_BODY", "to_agent_id"),
        ("POST", f"{A}/done", {"branch": "--upload-pack=x"}, "INVALID_BRANCH", None),
        ("POST", f"{R}/review-queue", {"bead_id": BEAD, "branch": ""}, "INVALID_BRANCH", None),
        ("PATCH", f"{M}/convoys/{CONVOY}", {"feature_branch": "a..b"}, "INVALID_BRANCH", None),
        ("POST", f"{M}/sling-batch", BATCH | {"tasks": []}, "INVALID_BODY", "tasks"),
        (
            "POST",
            f"{M}/sling-batch",
            BATCH | {"tasks": [{"title": "t"}] * 51},
            "INVALID_BODY",
            "tasks",
        ),
    ],
)
async def test_what_can_never_work_reaches_no_town(
    front: FrontWorld, method: str, path: str, body: object, code: str, field: str | None
) -> None:
    reply = await front.call(method, path, body, credential=front.operator_key())
    assert (reply.status, reply.code) == (400, code)
    if field is not None:
        assert [issue["path"] for issue in reply.json["issues"]] == [field]
    assert front.fakes.town.commands == []


@pytest.mark.parametrize(
    ("git_url", "is_allowed"),
    [
        ("https://example.invalid/a.git", True),
        ("git@example.invalid:a/b.git", True),
        ("file:///srv/a.git", False),
        ("/srv/a.git", False),
        ("ext::sh -c x", False),
        ("-u", False),
        ("", False),
    ],
)
async def test_a_rigs_address_is_judged_before_anything_is_written(
    front: FrontWorld, git_url: str, is_allowed: bool
) -> None:
    body = {"town_id": TOWN, "name": "app", "git_url": git_url, "kilocode_token": "x"}
    path = "/api/users/local/rigs"
    reply = await front.call("POST", path, body, credential=front.operator_key())
    registered = [call for call in front.fakes.owner("local").calls if call[0] == "register_rig"]
    if is_allowed:
        assert reply.status == 201
        assert registered == [("register_rig", TOWN, "app", git_url, "main", RigConfig(), None)]
    else:
        assert (reply.status, reply.code) == (400, "INVALID_GIT_URL")
        assert registered == []


async def test_a_rigs_settings_and_its_idempotency_key_reach_the_owner(front: FrontWorld) -> None:
    body = {"town_id": TOWN, "name": "app", "git_url": "https://example.invalid/a.git"}
    settings = {"harness": "mine", "refinery": {"gates": [["make", "test"]]}, "unknown": 1}
    path, key = "/api/users/local/rigs", front.operator_key()
    sent = body | {"config": settings}
    headers = {"Idempotency-Key": "k"}
    reply = await front.call("POST", path, sent, credential=key, headers=headers)
    assert reply.status == 201
    assert reply.data["config"]["review_harness"] is None
    config = RigConfig(harness="mine", refinery=RefineryConfig(gates=(("make", "test"),)))
    assert front.fakes.owner("local").calls[-1][-2:] == (config, "k")
    bad = await front.call("POST", path, body | {"config": {"harness": 7}}, credential=key)
    assert (bad.status, bad.code) == (400, "INVALID_BODY")
    assert bad.json["issues"][0]["path"] == "config.harness"


async def test_local_addresses_serve_where_the_server_was_told_so() -> None:
    settings = msgspec.structs.replace(SETTINGS, allow_local_git=True)
    body = {"town_id": TOWN, "name": "app", "git_url": "/srv/a.git", "default_branch": "trunk"}
    async with open_front(settings=settings) as front:
        path = "/api/users/local/rigs"
        reply = await front.call("POST", path, body, credential=front.operator_key())
        assert reply.status == 201
        body["default_branch"] = "-x"
        bad = await front.call("POST", path, body, credential=front.operator_key())
        assert (bad.status, bad.code) == (400, "INVALID_BRANCH")


@pytest.mark.parametrize(("query", "force"), [("", False), ("?force=true", True)])
async def test_deletions_are_forced_only_when_asked(
    front: FrontWorld, query: str, force: bool
) -> None:
    key = front.operator_key()
    for path in (f"towns/{TOWN}", f"rigs/{RIG}"):
        reply = await front.call("DELETE", f"/api/users/local/{path}{query}", credential=key)
        assert reply.status == 204
    calls = front.fakes.owner("local").calls
    assert ("delete_town", TOWN, force) in calls
    assert ("delete_rig", RIG, force) in calls
