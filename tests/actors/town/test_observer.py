"""The observer's life: credentials, polls, isolation, and what it stores (roster.md 3.6, 4.4)."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from boomtown.actors.town.commands_of_observer import PollForges, RecheckObserver
from boomtown.actors.town.observer_model import ObserverState
from boomtown.actors.town.observer_views import ObserverView
from boomtown.actors.town.questions_of_observer import GetObservers, ListPrs
from boomtown.container_sim.forge.forge_faults import ForgeFaultKind
from boomtown.container_sim.forge.model import RepositoryName
from boomtown.error_codes import ErrorCode
from boomtown.errors import BoomtownError
from support.forge_town import REPO, ForgeTownWorld


async def test_stmt_C07_without_credentials_and_subjects_it_warns_once_and_asks_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="boomtown.town"):
        async with ForgeTownWorld(tmp_path, has_token=False) as world:
            await world.settle()
            for _ in range(4):
                await world.poll()
            observer = await world.observer()
            assert observer.state == ObserverState.DISABLED
            assert observer.reason is not None
            assert "credentials are unavailable" in observer.reason
            assert world.way.asked == []
            checks = await world.rows("SELECT attempts FROM effects WHERE kind = 'check_forges'")
            assert checks == [(1,)]
            assert (await world.topics("observer")).count("observer.disabled") == 1
    warned = [record for record in caplog.records if "observer" in record.getMessage()]
    assert len(warned) == 1


async def test_with_credentials_it_polls_at_once_and_then_at_its_cadence(tmp_path: Path) -> None:
    async with ForgeTownWorld(tmp_path) as world:
        await world.watch(await world.hire_reviewer())
        await world.settle()
        assert (await world.observer()).state == ObserverState.ACTIVE
        listings = [url for url in world.way.asked if "/pulls?" in url]
        assert len(listings) == 1
        await world.poll()
        listings = [url for url in world.way.asked if "/pulls?" in url]
        assert len(listings) == 2


async def test_a_check_without_an_answer_is_degraded_and_tried_again(tmp_path: Path) -> None:
    async with ForgeTownWorld(tmp_path) as world:
        world.way.failing.add("rate_limit")
        await world.settle()
        assert (await world.observer()).state == ObserverState.DEGRADED
        world.way.failing.clear()
        await world.poll()
        assert (await world.observer()).state == ObserverState.ACTIVE


async def test_one_repository_that_fails_stops_no_other(tmp_path: Path) -> None:
    async with ForgeTownWorld(tmp_path) as world:
        world.add_repository("acme/gears")
        gears = RepositoryName(owner="acme", name="gears")
        agent = await world.hire_reviewer()
        await world.watch(agent)
        await world.watch(agent, gears)
        world.way.failing.add("acme/gears")
        await world.open_pull()
        await world.settle()
        assert [pr.repo_name for pr in await world.prs()] == ["widgets"]
        await world.poll()
        failed = await world.rows(
            "SELECT failures FROM observed_repos WHERE repo_name = 'gears' AND failures > 0"
        )
        assert len(failed) == 1
        assert (await world.observer()).state == ObserverState.ACTIVE


async def test_a_repository_that_fails_is_asked_less_and_less_often(tmp_path: Path) -> None:
    async with ForgeTownWorld(tmp_path) as world:
        await world.watch(await world.hire_reviewer())
        world.way.failing.add("/pulls")
        for _ in range(8):
            await world.poll()
        asked = [url for url in world.way.asked if "/pulls?" in url]
        assert 2 <= len(asked) <= 5


async def test_an_owner_without_credentials_is_skipped_and_named_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="boomtown.town"):
        async with ForgeTownWorld(tmp_path) as world:
            agent = await world.hire_reviewer()
            await world.watch(agent, RepositoryName(owner="nobody", name="secret"))
            await world.watch(agent, RepositoryName(owner="nobody", name="other"))
            await world.watch(agent)
            await world.open_pull()
            for _ in range(3):
                await world.poll()
            assert [pr.repo_name for pr in await world.prs()] == ["widgets"]
            assert not [url for url in world.way.asked if "nobody" in url]
    skipped = [r for r in caplog.records if "observer_owner_skipped" in r.getMessage()]
    assert len(skipped) == 1


async def test_a_failed_poll_changes_no_fact_and_a_truncated_listing_never_prunes(
    tmp_path: Path,
) -> None:
    async with ForgeTownWorld(tmp_path) as world:
        await world.watch(await world.hire_reviewer())
        await world.open_pull("one")
        await world.open_pull("two")
        await world.settle()
        before = await world.prs()
        assert len(before) == 2
        await world.arm(ForgeFaultKind.SERVER_ERROR, "pulls/list")
        await world.poll()
        assert await world.prs() == before
        await world.open_pull("three")
        await world.arm(ForgeFaultKind.TRUNCATED, "pulls/list", times=10)
        await world.advance_ms(world.limits.patrol_backoff_max_ms)
        await world.settle()
        assert [pr.branch for pr in await world.prs()] == ["one", "two", "three"]
        # A later listing that is whole would bring them back.
        assert "pr.deleted" not in await world.topics("pr.")
        await world.operator.close_pull_request(REPO, before[0].number)


async def test_a_complete_listing_prunes_what_was_closed(tmp_path: Path) -> None:
    async with ForgeTownWorld(tmp_path) as world:
        await world.watch(await world.hire_reviewer())
        pull = await world.open_pull()
        await world.settle()
        assert len(await world.prs()) == 1
        await world.operator.close_pull_request(REPO, pull.number)
        await world.poll()
        assert await world.prs() == []


async def test_an_unchanged_listing_is_asked_for_by_its_etag_and_tells_nothing(
    tmp_path: Path,
) -> None:
    async with ForgeTownWorld(tmp_path) as world:
        await world.watch(await world.hire_reviewer())
        await world.open_pull()
        await world.settle()
        etag = await world.rows("SELECT etag FROM observed_repos")
        assert etag[0][0] is not None
        told = await world.topics("pr.")
        await world.poll()
        assert await world.topics("pr.") == told
        assert await world.rows("SELECT etag FROM observed_repos") == etag


async def test_a_recheck_after_a_token_was_added_begins_without_a_restart(tmp_path: Path) -> None:
    async with ForgeTownWorld(tmp_path, has_token=False) as world:
        await world.watch(await world.hire_reviewer())
        await world.open_pull()
        await world.settle()
        world.has_token = True
        await world.poll()
        assert world.way.asked == []
        view = await world.execute(RecheckObserver())
        assert isinstance(view, ObserverView)
        assert view.state == "starting"
        await world.settle()
        assert (await world.observer()).state == ObserverState.ACTIVE
        assert len(await world.prs()) == 1


async def test_a_recheck_forgets_the_owners_that_were_skipped(tmp_path: Path) -> None:
    async with ForgeTownWorld(tmp_path) as world:
        await world.watch(await world.hire_reviewer())
        await world.settle()
        world.has_token = False
        await world.poll()
        assert len(await world.rows("SELECT * FROM observed_owners")) == 1
        world.has_token = True
        await world.open_pull()
        await world.execute(RecheckObserver())
        await world.settle()
        await world.poll()
        assert await world.rows("SELECT * FROM observed_owners") == []
        assert len(await world.prs()) == 1


async def test_a_poll_by_hand_is_at_once_and_refused_when_disabled(tmp_path: Path) -> None:
    async with ForgeTownWorld(tmp_path) as world:
        await world.watch(await world.hire_reviewer())
        await world.settle()
        before = len(world.way.asked)
        await world.execute(PollForges())
        await world.settle()
        assert len(world.way.asked) > before
        world.has_token = False
        await world.execute(RecheckObserver())
        await world.settle()
        with pytest.raises(BoomtownError) as refused:
            await world.execute(PollForges())
        assert refused.value.code == ErrorCode.SCM_UNAVAILABLE


async def test_i16_a_disabled_observer_takes_back_the_polls_it_wanted(tmp_path: Path) -> None:
    async with ForgeTownWorld(tmp_path) as world:
        await world.watch(await world.hire_reviewer())
        await world.settle()
        assert await world.rows("SELECT key FROM effects WHERE state = 'pending'") != []
        world.has_token = False
        await world.execute(RecheckObserver())
        await world.settle()
        assert await world.rows("SELECT key FROM effects WHERE state = 'pending'") == []
        world.way.asked.clear()
        for _ in range(3):
            await world.poll()
        assert world.way.asked == []
        assert await world.violations() == []


async def test_a_forge_that_names_an_instant_is_not_asked_before_it(tmp_path: Path) -> None:
    async with ForgeTownWorld(tmp_path) as world:
        await world.watch(await world.hire_reviewer())
        await world.settle()
        await world.arm(ForgeFaultKind.RATE_LIMIT, "pulls/list", retry_after_s=600)
        await world.poll()
        before = len(world.way.asked)
        await world.execute(PollForges())
        for _ in range(5):
            await world.poll()
        assert len(world.way.asked) == before
        await world.advance_ms(600_000)
        assert len(world.way.asked) > before


async def test_what_a_town_says_of_its_observer_and_its_requests(tmp_path: Path) -> None:
    async with ForgeTownWorld(tmp_path) as world:
        await world.watch(await world.hire_reviewer())
        pull = await world.open_pull()
        await world.settle()
        observers: Any = await world.query(GetObservers())
        (view,) = observers.items
        assert (view.name, view.state, view.forges) == ("scm", "active", (world.forge.site.key,))
        assert [(one.owner, one.repo, one.failures) for one in view.repos] == [
            ("acme", "widgets", 0)
        ]
        prs: Any = await world.query(ListPrs())
        assert [(one.number, one.state, one.agent_id) for one in prs.items] == [
            (pull.number, "open", None)
        ]
