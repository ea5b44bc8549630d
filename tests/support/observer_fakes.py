"""What a fake town answers about its observer of the forges."""

from __future__ import annotations

from boomtown.actors.town import views as v
from boomtown.actors.town.commands_of_observer import ClaimPr, PollForges, RecheckObserver
from boomtown.actors.town.observer_views import ObservedRepoView, ObserverView, PrView
from boomtown.actors.town.questions_of_observer import GetObservers, ListPrs

SEEN_AT_MS = 1_800_000_000_000
OBSERVER_VIEW = ObserverView(
    name="scm",
    state="active",
    reason=None,
    forges=("https://github.com",),
    checked_at=SEEN_AT_MS,
    last_ok_at=None,
    next_poll_at=None,
    repos=(
        ObservedRepoView(
            forge="https://github.com",
            owner="acme",
            repo="app",
            polled_at=SEEN_AT_MS,
            last_ok_at=SEEN_AT_MS,
            failures=0,
            last_error=None,
            not_before_at=None,
        ),
    ),
    skipped_owners=(),
)
PR_VIEW = PrView(
    url="https://github.com/acme/app/pull/7",
    forge="https://github.com",
    owner="acme",
    repo="app",
    number=7,
    title="Add a widget",
    author="ann",
    branch="work",
    base_branch="main",
    head_sha="c0ffee",
    state="open",
    is_draft=False,
    agent_id=None,
    agent_name=None,
    session_id=None,
    rig_id=None,
    review_decision=None,
    ci_status="failed",
    mergeability=None,
    failing_checks=("test",),
    open_threads=1,
    opened_at=SEEN_AT_MS,
    observed_at=SEEN_AT_MS,
)
OBSERVER_VIEWS: dict[type, v.View] = {
    RecheckObserver: OBSERVER_VIEW,
    PollForges: v.FactsView(facts={"accepted": True, "state": "active"}),
    ClaimPr: PR_VIEW,
    GetObservers: v.ListView(items=(OBSERVER_VIEW,)),
    ListPrs: v.ListView(items=(PR_VIEW,)),
}
