"""Stand-ins for the objects behind the front: they answer from a table and record what came.

`FakeTown` answers every command and question with a fixed view of the right kind, unless a test
puts another Answer (or an exception) into `answers`. `FakeOwner` knows towns, one rig and keys.
`FakeHost` finds them by class and name, as boomtown.actors.Host does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from boomtown.actors import NoSuchMethod, Request, Response
from boomtown.actors.town import commands as c
from boomtown.actors.town import questions as q
from boomtown.actors.town import views as v
from boomtown.actors.town.model import RigConfig, TownConfig
from boomtown.error_codes import ErrorCode
from boomtown.errors import error_for
from boomtown.ids import RigId, TownId
from support.feed_answers import feed_answers
from support.observer_fakes import OBSERVER_VIEWS
from support.roster_fakes import roster_answers

AT_MS = 1_800_000_000_123
AT_ISO = "2027-01-15T08:00:00.123Z"


def id_of(number: int) -> str:
    """A well-formed id."""
    return f"01890000-0000-7000-8000-{number:012d}"


TOWN, RIG, BEAD, AGENT, SESSION = (id_of(number) for number in range(1, 6))
INSTANCE, CONVOY, ESCALATION, REVIEW, KEY_ID = (id_of(number) for number in range(6, 11))
OTHER = id_of(99)  # well-formed, and nothing's

BEAD_VIEW = v.BeadView(
    bead_id=BEAD,
    type="issue",
    status="open",
    title="Fix it",
    body=None,
    rig_id=RIG,
    parent_bead_id=None,
    assignee_agent_bead_id=None,
    priority="medium",
    labels=("a",),
    metadata={"seen_at": 5},
    created_by="local",
    created_at=AT_MS,
    updated_at=AT_MS,
    closed_at=None,
    dispatch_attempts=0,
    failure_reason=None,
)
AGENT_VIEW = v.AgentView(
    id=AGENT,
    rig_id=RIG,
    role="polecat",
    name="ada",
    identity="app/ada",
    status="idle",
    current_hook_bead_id=None,
    dispatch_attempts=0,
    last_activity_at=None,
    checkpoint=None,
    created_at=AT_MS,
    boss_id=None,
    boss_name=None,
    boss_stale=False,
    employment="hired",
    process="none",
    session_id=None,
    status_message=None,
    pid=None,
)
MAIL_VIEW = v.MailView(
    id=OTHER,
    from_agent_id=None,
    to_agent_id=AGENT,
    subject="s",
    body="b",
    delivered=False,
    created_at=AT_MS,
    delivered_at=None,
)
RIG_VIEW = v.RigView(
    id=RIG,
    town_id=TOWN,
    name="app",
    git_url="https://example.invalid/app.git",
    default_branch="main",
    created_at=AT_MS,
    updated_at=AT_MS,
    paused=False,
    config=RigConfig(),
)
TOWN_VIEW = v.TownView(
    id=TOWN, name="boom", owner_user_id="local", created_at=AT_MS, updated_at=AT_MS, paused=False
)
CONVOY_VIEW = v.ConvoyView(
    id=CONVOY,
    title="Three fixes",
    status="active",
    staged=False,
    total_beads=1,
    closed_beads=0,
    created_by=None,
    created_at=AT_MS,
    landed_at=None,
    feature_branch="convoy/three/abc/head",
    merge_mode="review-then-land",
    blocked_by=(),
)
BATCH_VIEW = v.SlingBatchView(
    convoy=CONVOY_VIEW, beads=(v.BoundBeadView(bead=BEAD_VIEW, agent=None),)
)
DETAIL_VIEW = v.ConvoyDetailView(
    convoy=CONVOY_VIEW,
    beads=(
        v.ConvoyBeadView(
            bead_id=BEAD, title="Fix it", status="open", rig_id=RIG, assignee_agent_name=None
        ),
    ),
    dependency_edges=(v.EdgeView(bead_id=BEAD, depends_on_bead_id=OTHER),),
)
ESCALATION_VIEW = v.EscalationView(
    id=ESCALATION,
    bead_id=ESCALATION,
    rig_id=RIG,
    severity="high",
    category=None,
    message="Stuck",
    body=None,
    metadata={},
    status="open",
    acknowledged=False,
    acknowledged_at=None,
    created_at=AT_MS,
)
SESSION_VIEW = v.SessionView(
    id=SESSION,
    agent_id=AGENT,
    bead_id=BEAD,
    rig_id=RIG,
    state="running",
    generation=1,
    harness="scripted",
    branch="b",
    worktree=None,
    started_at=AT_MS,
    ended_at=None,
    end_reason=None,
    missing=(),
    kind="work",
    verdict=None,
    pid=7,
    claimed_at=AT_MS,
    instance_id=INSTANCE,
    restored_from=None,
    ended_by=None,
    kept_worktree=None,
    freed=False,
)
EVENT_VIEW = v.EventView(
    seq=1,
    bead_event_id=OTHER,
    bead_id=BEAD,
    rig_id=RIG,
    agent_id=None,
    session_id=None,
    event_type="created",
    old_value=None,
    new_value=None,
    metadata={},
    created_at=AT_MS,
)
STATUS_VIEW = v.TownStatusView(
    alarm={"nextFireAt": AT_MS, "intervalMs": 5000, "intervalLabel": "active (5s)"},
    agents={"working": 0},
    beads={"open": 1},
    patrol={},
    reconciler={},
    recent_events=(EVENT_VIEW,),
    draining=False,
    paused=False,
)
POSTED_VIEW = v.PostedView(accepted=True, stale=False)
PRIME_VIEW = v.PrimeView(
    agent=AGENT_VIEW, hooked_bead=None, undelivered_mail=(MAIL_VIEW,), open_beads=(BEAD_VIEW,)
)


def _facts(**facts: Any) -> v.FactsView:
    return v.FactsView(facts=facts)


def _list(*items: Any) -> v.ListView:
    return v.ListView(items=items)


VIEWS: dict[type, v.View] = {
    **feed_answers(),
    **roster_answers(AGENT_VIEW),
    c.RenameTown: TOWN_VIEW,
    c.UpdateConfig: v.ConfigView(config=TownConfig()),
    c.SetPaused: TOWN_VIEW,
    c.Approve: BEAD_VIEW,
    c.CreateBead: BEAD_VIEW,
    c.SetBeadStatus: BEAD_VIEW,
    c.UpdateBead: BEAD_VIEW,
    c.DeleteBeads: _facts(deleted=1),
    c.DeleteBeadsByStatus: _facts(deleted=2),
    c.RetryBead: BEAD_VIEW,
    c.ReassignBead: BEAD_VIEW,
    c.SlingBead: v.SlingView(bead=BEAD_VIEW, agent=AGENT_VIEW),
    c.SlingConvoy: BATCH_VIEW,
    c.StartConvoy: BATCH_VIEW,
    c.CloseConvoyByForce: CONVOY_VIEW,
    c.AddConvoyBead: _facts(total_beads=2),
    c.RemoveConvoyBead: _facts(total_beads=1),
    c.UpdateConvoy: CONVOY_VIEW,
    c.RegisterAgent: AGENT_VIEW,
    c.GetOrCreateAgent: AGENT_VIEW,
    c.DeleteAgent: _facts(deleted=True),
    c.ResetAgent: AGENT_VIEW,
    c.HookBead: _facts(hooked=True),
    c.UnhookBead: _facts(hooked=False),
    c.PrimeAgent: PRIME_VIEW,
    c.CheckMail: _list(MAIL_VIEW),
    c.WriteCheckpoint: POSTED_VIEW,
    c.SetAgentStatus: POSTED_VIEW,
    c.Heartbeat: _facts(heartbeat=True),
    c.RequestChanges: _facts(rework_bead_id=OTHER),
    c.ReportDone: POSTED_VIEW,
    c.ReportCompleted: POSTED_VIEW,
    c.ReportWaiting: POSTED_VIEW,
    c.ReportEviction: POSTED_VIEW,
    c.ReportContainerEvents: POSTED_VIEW,
    c.BeginDrain: _facts(acknowledged=True, drainNonce=OTHER),
    c.ClearDrain: _facts(cleared=True),
    c.RefreshSession: SESSION_VIEW,
    c.SendMail: MAIL_VIEW,
    c.CreateEscalation: ESCALATION_VIEW,
    c.AcknowledgeEscalation: ESCALATION_VIEW,
    c.SubmitReview: BEAD_VIEW,
    c.CompleteReview: BEAD_VIEW,
    c.SpawnSession: SESSION_VIEW,
    c.KillSession: SESSION_VIEW,
    c.RestoreSession: SESSION_VIEW,
    c.RollBackSession: _facts(ok=True, sessionId=OTHER, deleted=True, killed=False),
    c.SendToSession: MAIL_VIEW,
    c.CleanUpSessions: _facts(cleaned=[], left=[]),
    q.PreflightSpawn: v.PreflightView(findings=()),
    q.GetTown: TOWN_VIEW,
    q.GetConfig: v.ConfigView(config=TownConfig()),
    q.GetTownStatus: STATUS_VIEW,
    q.CheckInvariants: _list(),
    q.ListRigs: _list(RIG_VIEW),
    q.GetRig: RIG_VIEW,
    q.ListBeads: _list(BEAD_VIEW),
    q.GetBead: BEAD_VIEW,
    q.ListAgents: _list(AGENT_VIEW),
    q.GetAgent: AGENT_VIEW,
    q.ListEvents: _list(EVENT_VIEW),
    q.ListEscalations: _list(ESCALATION_VIEW),
    q.ListConvoys: _list(CONVOY_VIEW),
    q.GetConvoy: DETAIL_VIEW,
    q.ListSessions: _list(SESSION_VIEW),
    q.GetSession: SESSION_VIEW,
    q.FindLiveSession: SESSION_VIEW,
    q.GetDrainStatus: _facts(draining=False),
    q.ListRegistry: _list(SESSION_VIEW),
    q.AskRegistry: _facts(resume=[], drop=[]),
    q.GetMayorId: _facts(mayor_id=AGENT),
    **OBSERVER_VIEWS,
}


def refused(code: ErrorCode, **details: Any) -> v.Answer:
    """A refusal, as an object answers it."""
    return v.Answer(refusal=error_for(code, details=details).refusal())


class FakeTown:
    """Answers as a town does; every town id has the same one."""

    def __init__(self) -> None:
        self.commands: list[c.CommandRequest] = []
        self.questions: list[q.QuestionRequest] = []
        self.answers: dict[type, v.Answer | Exception] = {}

    async def execute(self, request: c.CommandRequest) -> v.Answer:
        self.commands.append(request)
        return self._answer(type(request.command))

    async def query(self, request: q.QuestionRequest) -> v.Answer:
        self.questions.append(request)
        return self._answer(type(request.question))

    async def next_changes(self, request: q.QuestionRequest, wait_ms: int) -> v.Answer:
        return await self.query(request)

    def _answer(self, kind: type) -> v.Answer:
        scripted = self.answers.get(kind)
        if isinstance(scripted, Exception):
            raise scripted
        return scripted or v.Answer(view=VIEWS[kind])


class FakeOwner:
    """One owner: has TOWN and RIG when it is `local`, and nothing otherwise."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.keys: dict[str, tuple[str, str]] = {}
        self.calls: list[tuple[Any, ...]] = []
        self.owners = {"local": AT_MS}  # the registry, of `local` alone

    def add_key(self, scope: str, key_id: str = KEY_ID) -> str:
        text = f"boomtown.{self.name}.secret-{scope}-{key_id[-2:]}"
        self.keys[text] = (key_id, scope)
        return text

    async def create_town(self, name: str, idempotency_key: str | None) -> v.Answer:
        self.calls.append(("create_town", name, idempotency_key))
        return v.Answer(view=TOWN_VIEW)

    async def list_towns(self) -> v.Answer:
        return v.Answer(view=_list(*([TOWN_VIEW] if self.name == "local" else [])))

    async def get_town(self, town_id: TownId) -> v.Answer:
        return self._if_local(TOWN_VIEW, town_id == TOWN, ErrorCode.TOWN_NOT_FOUND)

    async def rename_town(self, town_id: TownId, name: str) -> v.Answer:
        self.calls.append(("rename_town", town_id, name))
        return v.Answer(view=TOWN_VIEW)

    async def delete_town(self, town_id: TownId, force: bool) -> v.Answer:
        self.calls.append(("delete_town", town_id, force))
        return v.Answer(view=v.NothingView())

    async def register_rig(
        self,
        town_id: TownId,
        name: str,
        git_url: str,
        default_branch: str,
        config: RigConfig,
        idempotency_key: str | None,
    ) -> v.Answer:
        self.calls.append(
            ("register_rig", town_id, name, git_url, default_branch, config, idempotency_key)
        )
        return self._if_local(RIG_VIEW, town_id == TOWN, ErrorCode.TOWN_NOT_FOUND)

    async def delete_rig(self, rig_id: RigId, force: bool) -> v.Answer:
        self.calls.append(("delete_rig", rig_id, force))
        return self._if_local(v.NothingView(), rig_id == RIG, ErrorCode.RIG_NOT_FOUND)

    async def find_rig_town(self, rig_id: RigId) -> v.Answer:
        return self._if_local(_facts(town_id=TOWN), rig_id == RIG, ErrorCode.RIG_NOT_FOUND)

    async def list_rigs(self, town_id: TownId) -> v.Answer:
        return self._if_local(_list(RIG_VIEW), town_id == TOWN, ErrorCode.TOWN_NOT_FOUND)

    async def make_key(self, scope: str) -> v.Answer:
        text = self.add_key(scope)
        return v.Answer(view=_facts(id=KEY_ID, key=text, scope=scope, created_at=AT_MS))

    async def verify_key(self, key: str) -> v.Answer:
        self.calls.append(("verify_key", key))
        if key not in self.keys:
            return refused(ErrorCode.UNAUTHENTICATED)
        key_id, scope = self.keys[key]
        return v.Answer(view=_facts(id=key_id, scope=scope))

    async def list_keys(self) -> v.Answer:
        keys = [
            {"id": key_id, "scope": scope, "created_at": AT_MS}
            for key_id, scope in self.keys.values()
        ]
        return v.Answer(view=_facts(keys=keys))

    async def delete_key(self, key_id: str) -> v.Answer:
        kept = {text: known for text, known in self.keys.items() if known[0] != key_id}
        if len(kept) == len(self.keys):
            return refused(ErrorCode.KEY_NOT_FOUND)
        self.keys = kept
        return v.Answer(view=v.NothingView())

    async def register_owner(self, name: str) -> v.Answer:
        self.owners[name] = AT_MS
        return await self.find_owner(name)

    async def find_owner(self, name: str) -> v.Answer:
        self.calls.append(("find_owner", name))
        if name not in self.owners:
            return refused(ErrorCode.USER_NOT_FOUND)
        return v.Answer(view=_facts(name=name, created_at=self.owners[name]))

    async def list_owners(self) -> v.Answer:
        owners = [{"name": name, "created_at": at_ms} for name, at_ms in self.owners.items()]
        return v.Answer(view=_facts(owners=owners))

    async def find_town_owner(self, town_id: TownId) -> v.Answer:
        self.calls.append(("find_town_owner", town_id))
        found = _facts(owner="local")
        return self._if_local(found, town_id == TOWN, ErrorCode.TOWN_NOT_FOUND)

    def _if_local(self, view: v.View, is_known: bool, code: ErrorCode) -> v.Answer:
        return v.Answer(view=view) if is_known and self.name == "local" else refused(code)


class FakeCounter:
    """An object of a user's class."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def __getattr__(self, name: str) -> Any:
        async def call(*args: Any, **kwargs: Any) -> Any:
            raise NoSuchMethod(f"{name!r} is no public method of Counter")

        return call

    async def add(self, amount: int, times: int = 1) -> int:
        return amount * times

    async def fail(self) -> None:
        error = ValueError("a secret of the object")
        error.__dict__["remote"] = True
        raise error

    async def fetch(self, request: Request) -> Response:
        self.requests.append(request)
        return Response(b"seen " + request.method.encode(), 207, {"X-From": "counter"})


class FakeNamespace:
    """Makes one object per name."""

    def __init__(self, make: Callable[[str], Any]) -> None:
        self._make = make
        self.objects: dict[str, Any] = {}

    def get_by_name(self, name: str) -> Any:
        if name not in self.objects:
            self.objects[name] = self._make(name)
        return self.objects[name]


class FakeHost:
    """Towns, owners, and one class of a user's own."""

    def __init__(self) -> None:
        self.town = FakeTown()
        self.counter = FakeCounter()
        self.namespaces = {
            "Town": FakeNamespace(self._the_town),
            "Owner": FakeNamespace(FakeOwner),
            "Counter": FakeNamespace(self._the_counter),
        }

    def _the_town(self, name: str) -> FakeTown:
        return self.town

    def _the_counter(self, name: str) -> FakeCounter:
        return self.counter

    def namespace(self, class_name: str) -> FakeNamespace:
        return self.namespaces[class_name]

    def begin_fetch(
        self, class_name: str, name: str, request: Request
    ) -> tuple[bool, Response | asyncio.Future[Response]]:
        stub = self.namespaces[class_name].get_by_name(name)
        return False, asyncio.ensure_future(stub.fetch(request))

    def owner(self, name: str) -> FakeOwner:
        owner: FakeOwner = self.namespaces["Owner"].get_by_name(name)
        return owner
