"""What stands in the way of a session that does not exist yet, seen without a container.

The checks are those of a start (workplace.py), with the same codes; here nothing is made, fetched
or booted, so a refusal leaves no trace. What is true at the look may be false at the start, which
checks again.
"""

from __future__ import annotations

from collections.abc import Mapping

from boomtown.container_sim.git import checked_out_elsewhere
from boomtown.container_sim.git_port import GitPort
from boomtown.container_sim.git_urls import validate_branch, validate_git_url
from boomtown.container_sim.harnesses import FindProgram, HarnessSpec, get_harness
from boomtown.container_sim.model import Looked, LookOrder, Obstacle
from boomtown.error_codes import ErrorCode
from boomtown.errors import BoomtownError, error_for
from boomtown.ids import RigId


class Lookout:
    """Looks into the repositories of one data directory, for all towns."""

    def __init__(
        self,
        git: GitPort,
        harnesses: Mapping[str, HarnessSpec],
        find_program: FindProgram,
        *,
        allow_local_git: bool,
    ) -> None:
        self._git = git
        self._harnesses = harnesses
        self._find_program = find_program
        self._allow_local_git = allow_local_git

    async def look(self, order: LookOrder) -> Looked:
        """All obstacles, in the order in which a start would meet them; a branch that is no name
        is not looked for."""
        obstacles: list[Obstacle] = []
        try:
            get_harness(self._harnesses, order.harness, self._find_program)
        except BoomtownError as error:
            obstacles.append(_obstacle(error))
        try:
            await self._check_branch(order)
        except BoomtownError as error:
            obstacles.append(_obstacle(error))
        return Looked(obstacles=tuple(obstacles))

    async def discard_kept(self, rig_id: RigId, *, spared: tuple[str, ...]) -> tuple[str, ...]:
        """Remove the worktrees that killed sessions of a rig left, but the spared ones."""
        return await self._git.discard_kept(rig_id, spared=spared)

    async def _check_branch(self, order: LookOrder) -> None:
        repository = order.repository
        validate_git_url(repository.git_url, allow_local=self._allow_local_git)
        if order.branch is None:
            return
        branch = validate_branch(order.branch)
        holder = await self._git.find_checkout_elsewhere(repository.rig_id, branch)
        if holder is not None:
            raise checked_out_elsewhere(branch, holder)
        if not await self._git.is_obtainable(repository, branch):
            raise error_for(
                ErrorCode.BRANCH_NOT_FETCHED,
                f"Neither {branch!r} nor {repository.default_branch!r} is on origin, and no tag"
                f" {branch!r}; push one of them, or fetch it there",
                details={"branch": branch},
            )


def _obstacle(error: BoomtownError) -> Obstacle:
    details = {name: str(value) for name, value in error.details.items()}
    return Obstacle(code=error.code, message=error.message, details=details)
