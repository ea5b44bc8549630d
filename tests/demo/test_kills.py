"""The plan of the demo's kills."""

from __future__ import annotations

from boomtown.demo.held_pushes import Moment
from boomtown.demo.kills import KILLS_EACH_MAX, Victim, plan_kills

WORK = (Moment.BEFORE_PUSH, Moment.AFTER_PUSH)
SEEDS = range(200)


def test_a_seed_gives_the_same_plan_and_another_seed_another() -> None:
    plans = [plan_kills(containers=2, servers=2, seed=seed) for seed in (1, 1, 2)]
    assert plans[0] == plans[1]
    assert plans[0] != plans[2]


def test_nothing_is_planned_where_nothing_is_asked_for() -> None:
    assert plan_kills(containers=0, servers=0, seed=1) == ()


def test_as_many_victims_as_asked_for() -> None:
    for seed in SEEDS:
        victims = [kill.victim for kill in plan_kills(containers=3, servers=1, seed=seed)]
        assert (victims.count(Victim.CONTAINER), victims.count(Victim.SERVER)) == (3, 1)


def test_the_first_is_while_a_worker_runs_and_the_last_of_many_behind_a_merge() -> None:
    for seed in SEEDS:
        (only,) = plan_kills(containers=0, servers=1, seed=seed)
        assert only.moment in WORK
        for containers in range(KILLS_EACH_MAX + 1):
            plan = plan_kills(containers=containers, servers=2, seed=seed)
            assert plan[0].moment in WORK
            assert plan[-1].moment is Moment.AFTER_MERGE


def test_every_planned_kill_finds_its_push() -> None:
    """Work before merges, and at most one of each that uses its push up."""
    for seed in SEEDS:
        plan = plan_kills(containers=KILLS_EACH_MAX, servers=KILLS_EACH_MAX, seed=seed)
        moments = [kill.moment for kill in plan]
        is_work = [moment in WORK for moment in moments]
        assert is_work == sorted(is_work, reverse=True)
        assert moments.count(Moment.AFTER_PUSH) <= 1
        assert moments.count(Moment.AFTER_MERGE) == 1
        assert set(moments) <= set(Moment)
