"""What must hold of who works in a town, beside invariants.py, which asks for these too.

Pure, over the same snapshot. What a boss who is gone may mean is in the log: a dismissal that was
forced over workers says so, and no other leaves a pointer behind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from boomtown.actors.town.dependency_graph import find_cycle
from boomtown.actors.town.model import Employment
from boomtown.actors.town.snapshot import Snapshot
from boomtown.container_sim.model import AgentRole

WATCH_HAS_HIRED_AGENT = "watch_has_hired_agent"  # I2
ONE_WATCH_PER_REPOSITORY = "one_watch_per_repository"  # I3
BOSS_IS_LIVE_OR_FORCED_OUT = "boss_is_live_or_forced_out"  # I5
BOSSES_ARE_ACYCLIC = "bosses_are_acyclic"  # I5
ONE_MAYOR_PER_TOWN = "one_mayor_per_town"  # I6

Finding = tuple[str, str, str]  # the invariant, the id of what violates it, words


def roster_findings(snapshot: Snapshot) -> Iterator[Finding]:
    """What does not hold, by invariant, and then in the order of the snapshot."""
    yield from _watches_of_the_hired(snapshot)
    yield from _watched_once(snapshot)
    yield from _bosses(snapshot)
    yield from _no_cycle(snapshot)
    yield from _one_mayor(snapshot)


def _watches_of_the_hired(snapshot: Snapshot) -> Iterator[Finding]:
    for watch in snapshot.watches:
        agent = snapshot.agents.get(watch.agent_id)
        if agent is None or agent.employment != Employment.HIRED:
            yield WATCH_HAS_HIRED_AGENT, watch.watch_id, "it belongs to one who has left"


def _watched_once(snapshot: Snapshot) -> Iterator[Finding]:
    repositories = Counter(
        (watch.owner_user_id, watch.forge, watch.repo_owner.lower(), watch.repo_name.lower())
        for watch in snapshot.watches
    )
    for (_, forge, owner, name), count in repositories.items():
        if count > 1:
            repository = f"{forge}/{owner}/{name}"
            yield ONE_WATCH_PER_REPOSITORY, repository, f"{count} agents watch it"


def _bosses(snapshot: Snapshot) -> Iterator[Finding]:
    for agent in snapshot.agents.values():
        if agent.employment != Employment.HIRED or agent.boss_id is None:
            continue
        boss = snapshot.agents.get(agent.boss_id)
        is_live = boss is not None and boss.employment == Employment.HIRED
        if not is_live and agent.boss_id not in snapshot.forced_out:
            yield (
                BOSS_IS_LIVE_OR_FORCED_OUT,
                agent.agent_id,
                f"its boss {agent.boss_id} is gone, and nobody forced that",
            )


def _no_cycle(snapshot: Snapshot) -> Iterator[Finding]:
    edges = (
        (agent.agent_id, agent.boss_id)
        for agent in snapshot.agents.values()
        if agent.boss_id is not None
    )
    cycle = find_cycle(edges)
    if cycle is not None:
        yield BOSSES_ARE_ACYCLIC, min(cycle), f"a cycle of bosses: {' -> '.join(cycle)}"


def _one_mayor(snapshot: Snapshot) -> Iterator[Finding]:
    mayors = [agent for agent in snapshot.agents.values() if agent.role == AgentRole.MAYOR]
    if len(mayors) > 1:
        yield ONE_MAYOR_PER_TOWN, mayors[1].agent_id, f"the town has {len(mayors)} mayors"
