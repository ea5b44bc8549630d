"""A TownWorld with a forge: the desk, journal and client of the simulated one, reached at once.

Every request that leaves the town is in `asked`; a forge that is cut off, a repository that fails
and a token that is missing are attributes. `poll` lets one poll and its reactions happen.
"""

from __future__ import annotations

from pathlib import Path

from boomtown.actors.town.commands_of_roster import AddWatch, HireAgent
from boomtown.actors.town.forge_access import ForgeAccess
from boomtown.actors.town.model import BeadKind, Session
from boomtown.actors.town.observer_model import Observer, Pr
from boomtown.actors.town.ports import Forges
from boomtown.actors.town.store_prs import OBSERVERS, PRS
from boomtown.actors.town.views import AgentView
from boomtown.container_sim.forge.client import ForgeClient
from boomtown.container_sim.forge.forge_clients import ForgeAccount, ForgeClients
from boomtown.container_sim.forge.forge_faults import ForgeFaultKind
from boomtown.container_sim.forge.model import (
    FailureKind,
    Made,
    Merged,
    MergeMethod,
    PullRequest,
    RepositoryName,
    ReviewVerdict,
)
from boomtown.container_sim.forge.operator_calls import OperatorCalls
from boomtown.container_sim.forge.sim_forge import SIM_ADMIN_KEY, SimForge
from boomtown.container_sim.forge.way import ForgeAnswer, ForgeRequest, NoAnswer
from boomtown.container_sim.sim_repositories import SimRepositories
from boomtown.entropy import SeededEntropy, SystemSecrets
from boomtown.ids import AgentId, RigId
from boomtown.limits import ForgeLimits, TownLimits
from boomtown.wire import encode_json
from support.feed_town import FeedTownWorld
from support.town_world import RIG_ID

REPO = RepositoryName(owner="acme", name="widgets")
FORGE_RIG_ID = RigId("01890000-0000-7000-8000-0000000000f0")
LIMITS = ForgeLimits()
CALL_MS = 1_000


class DirectWay:
    """Carries requests without any time passing, and keeps what it carried."""

    def __init__(self, forge: SimForge) -> None:
        self._forge = forge
        self.asked: list[str] = []
        self.failing: set[str] = set()  # parts of addresses that are not reached

    async def send(self, request: ForgeRequest, *, timeout_ms: int) -> ForgeAnswer:
        self.asked.append(f"{request.method} {request.url}")
        if any(part in request.url for part in self.failing):
            raise NoAnswer(FailureKind.UNREACHABLE, "no way")
        answer = await self._forge.carry_out(request)
        if request.tail_bytes is None:
            return answer
        body = answer.body[-request.tail_bytes :]
        return ForgeAnswer(status=answer.status, headers=answer.headers, body=body)

    async def close(self) -> None:
        """Nothing is open."""


class ForgeTownWorld(FeedTownWorld):
    """The forge has acme/widgets; `rig` makes the rig of it. The town's own account is a bot."""

    def __init__(
        self, data_dir: Path, *, has_token: bool = True, limits: TownLimits | None = None
    ) -> None:
        self.repositories = SimRepositories()
        self._has_forge = False
        self._data = data_dir
        self.has_token = has_token
        self.booted_at_ms: int | None = None
        super().__init__(data_dir, limits=limits)

    def _make_forge(self) -> None:
        self.forge = SimForge(
            self.repositories, self.clock, SeededEntropy(5), SystemSecrets(), LIMITS
        )
        self.way = self._make_way()
        self._people_way = DirectWay(self.forge)
        self.add_repository(REPO.full_name)
        self._token = self.forge.desk.grant_token("boomtown", is_bot=True)
        ann = self.forge.desk.grant_token("ann", is_bot=False)
        self.people = ForgeClient(
            self.forge.site, self._people_way, self.clock, LIMITS, find_token=lambda _: ann
        )
        bob = self.forge.desk.grant_token("bob", is_bot=False)
        self._other_people = ForgeClient(
            self.forge.site, self._people_way, self.clock, LIMITS, find_token=lambda _: bob
        )
        self.operator = OperatorCalls(self.forge.site, self.people, timeout_ms=CALL_MS)
        self.own_client = ForgeClient(
            self.forge.site, self.way, self.clock, LIMITS, find_token=self._find_token
        )
        self._has_forge = True

    def _make_way(self) -> DirectWay:
        """The town's own way to the forge."""
        return DirectWay(self.forge)

    def _find_token(self, owner: str) -> str | None:
        return self._token if self.has_token and owner != "nobody" else None

    def _forge_access(self) -> ForgeAccess:
        if not self._has_forge:
            self._make_forge()
        # Each Host is a boot.
        self.booted_at_ms = self.clock.now_ms()
        return ForgeAccess(sites=(self.forge.site,), booted_at_ms=self.booted_at_ms)

    def _forges(self) -> Forges:
        return ForgeClients({self.forge.site.key: ForgeAccount(self.own_client)})

    def add_repository(self, full_name: str) -> None:
        self.repositories.add_origin(self.forge.git_url(full_name), {"README.md": b"hello\n"})

    async def add_forge_rig(self) -> RigId:
        await self.plant(
            f"UPDATE rigs SET git_url = '{self.forge.git_url(REPO.full_name)}'"
            f" WHERE rig_id = '{RIG_ID}'"
        )
        return RIG_ID

    # What people do at the forge.

    def push(self, branch: str, text: str, *, repo: RepositoryName = REPO) -> str:
        url = self.forge.git_url(repo.full_name)
        return self.repositories.push_file(url, "work.txt", text, branch=branch)

    async def open_pull(
        self, branch: str = "work", *, repo: RepositoryName = REPO, is_draft: bool = False
    ) -> PullRequest:
        self.push(branch, f"{branch}\n", repo=repo)
        made = await self.people.create_pull_request(
            repo,
            title=f"Add {branch}",
            body="",
            head_branch=branch,
            base_branch="main",
            is_draft=is_draft,
            timeout_ms=CALL_MS,
        )
        assert isinstance(made, Made), made
        return made.value

    async def merge(self, pull: PullRequest) -> None:
        merged = await self.people.merge_pull_request(
            REPO,
            pull.number,
            expected_head_sha=pull.head_sha,
            method=MergeMethod.MERGE,
            title="Merge",
            timeout_ms=CALL_MS,
        )
        assert isinstance(merged, Merged), merged

    async def say_review(self, pull: PullRequest, verdict: ReviewVerdict) -> None:
        said = await self._other_people.post_review(
            REPO,
            pull.number,
            head_sha=pull.head_sha,
            verdict=verdict,
            body="word",
            timeout_ms=CALL_MS,
        )
        assert isinstance(said, Made), said

    async def arm(
        self, kind: ForgeFaultKind, operation: str, *, times: int = 1, retry_after_s: int = 60
    ) -> None:
        """A fault of the next `times` operations of this name."""
        body = {
            "kind": kind.value,
            "operation": operation,
            "nth": 1,
            "times": times,
            "retry_after_s": retry_after_s,
        }
        request = ForgeRequest(
            method="POST",
            url=f"{self.forge.site.base_url}/_forge/faults",
            headers={"authorization": f"Bearer {SIM_ADMIN_KEY}"},
            body=encode_json(body),
        )
        answer = await self.forge.carry_out(request)
        assert answer.status < 300, answer

    # What the town does.

    async def poll(self) -> None:
        """Let the next poll come due, be answered, and be reacted to."""
        await self.advance_ms(self.limits.patrol_poll_ms)
        await self.settle()

    async def hire_reviewer(self, name: str = "rex") -> AgentId:
        view = await self.execute(HireAgent(template="code-review-engineer", name=name))
        assert isinstance(view, AgentView)
        return AgentId(view.id)

    async def watch(self, agent_id: AgentId, repo: RepositoryName = REPO) -> None:
        await self.execute(
            AddWatch(
                agent_id=agent_id,
                forge=self.forge.site.key,
                repo_owner=repo.owner,
                repo_name=repo.name,
            )
        )

    async def observer(self) -> Observer:
        return (await self._structs(OBSERVERS, "1 = 1"))[0]

    async def prs(self) -> list[Pr]:
        return await self._structs(PRS, "1 = 1 ORDER BY forge, repo_owner, repo_name, number")

    async def patrols(self) -> list[tuple[str, str]]:
        """(status, head) of each review that was asked for, oldest first."""
        found = await self.rows(
            "SELECT b.status, r.head_sha FROM beads b JOIN pr_reviews r USING (bead_id)"
            " ORDER BY b.created_at_ms, b.bead_id"
        )
        return [(status, head) for status, head in found]

    async def patrol_session(self) -> Session:
        """The reviewer's living session."""
        live = [s for s in await self.live_sessions() if s.kind.value == BeadKind.PATROL.value]
        assert len(live) == 1, live
        return live[0]

    async def topics(self, prefix: str) -> list[str]:
        """What the feed told of one entity, in order."""
        return [event.topic for event in await self.feed() if event.topic.startswith(prefix)]

    async def mail_to(self, agent_id: AgentId) -> list[str]:
        found = await self.rows(
            "SELECT b.title FROM beads b JOIN mail m USING (bead_id) WHERE m.to_agent_id = ?"
            " ORDER BY b.created_at_ms, b.bead_id",
            agent_id,
        )
        return [title for (title,) in found]
