"""A crashing town with a forge, for the sweep over the observer of the forges.

Of every request that leaves the town, the process may die behind the answer: the forge has
answered, and nobody has heard it. The forge itself never dies and forgets nothing; the sweep's
copies of the town are without it, for the effects of a patrol ask and change nothing there.

The instant of the boot stands still over the restarts of the sweep, which are then those of the
object alone, so that both walks meet the same polls; `boot` starts the server itself anew.
"""

from __future__ import annotations

from boomtown.actors.town.forge_access import ForgeAccess
from boomtown.container_sim.forge.model import Fetched, PullRequest, Review
from boomtown.container_sim.forge.way import ForgeAnswer, ForgeRequest
from boomtown.testing.manual_clock import run_passes
from support.crash_points import REQUEST, CrashWorld
from support.forge_town import CALL_MS, REPO, DirectWay, ForgeTownWorld
from support.town_world import TOWN_ID

_OVERDUE = "SELECT kind FROM effects WHERE state != 'answered' AND due_at_ms <= ?"
_TOLD_TWICE = (
    "SELECT b.title FROM beads b JOIN mail m USING (bead_id)"
    " GROUP BY m.to_agent_id, b.title HAVING count(*) > 1 ORDER BY b.title"
)
_UNREAD = "SELECT kind FROM inbox WHERE applied_at_ms IS NULL"


class DeadlyWay(DirectWay):
    """Tells the plan of every answer, and keeps a deadly one to itself."""

    def __init__(self, world: CrashForgeWorld) -> None:
        super().__init__(world.forge)
        self._world = world

    async def send(self, request: ForgeRequest, *, timeout_ms: int) -> ForgeAnswer:
        answer = await super().send(request, timeout_ms=timeout_ms)
        if self._world.plan.is_deadly(REQUEST):
            await self._world.kill()
        return answer


class CrashForgeWorld(CrashWorld, ForgeTownWorld):
    """A CrashWorld whose server knows a forge."""

    def _make_way(self) -> DirectWay:
        return DeadlyWay(self)

    def _forge_access(self) -> ForgeAccess:
        boot_at_ms = self.booted_at_ms
        access = super()._forge_access()
        if boot_at_ms is None:
            return access
        self.booted_at_ms = boot_at_ms
        return ForgeAccess(sites=access.sites, booted_at_ms=boot_at_ms)

    async def boot(self) -> None:
        """The server starts anew."""
        self.booted_at_ms = None
        await self.restart()

    async def kill(self) -> None:
        """The town's process dies now."""
        object_id = self._host.namespace("Town").id_from_name(TOWN_ID)
        await self._host.abort("Town", str(object_id), "The process dies here")

    async def try_tick(self) -> None:
        """A poll asks more than once before its worker is done."""
        await super().try_tick()
        for _ in range(3):
            await run_passes()

    async def pass_time(self, span_ms: int) -> None:
        """No alarm acts upon it."""
        await self.clock.advance_ms(span_ms)

    async def broken_invariants(self) -> list[str]:
        """Of the story besides: it tells nobody the same twice, and no head counts as reviewed
        that is not (I18)."""
        found = await super().broken_invariants()
        found += [f"told twice: {title}" for (title,) in await self.rows(_TOLD_TWICE)]
        reviewed = await self.rows("SELECT head_sha FROM reviewed_prs ORDER BY head_sha")
        if len(reviewed) > self.posts:
            found.append(f"reviewed without a post: {reviewed}")
        return found

    @property
    def posts(self) -> int:
        """How often the town has posted a review."""
        return sum(
            asked.startswith("POST ") and asked.endswith("/reviews") for asked in self.way.asked
        )

    async def is_quiet(self) -> bool:
        """Whether nothing is due and no answer waits to be read."""
        overdue = await self.rows(_OVERDUE, self.clock.now_ms())
        return overdue == [] and await self.rows(_UNREAD) == []

    async def reviews_at_forge(self, pull: PullRequest) -> list[Review]:
        answer = await self.people.list_reviews(REPO, pull.number, timeout_ms=CALL_MS)
        assert isinstance(answer, Fetched)
        return list(answer.value.items)
