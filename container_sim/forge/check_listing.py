"""The checks of a commit: check runs and commit statuses together, with the ends of failed logs.

GitHub has both kinds, and a repository may use both. A failed run of GitHub's own CI has its log
under the job of the same id; a run of another program has what it wrote as its output.
"""

from __future__ import annotations

from boomtown.container_sim.forge.conversation import Conversation, NothingLearnt
from boomtown.container_sim.forge.github_shapes import (
    CheckRunShape,
    CheckRunsShape,
    CombinedStatusShape,
)
from boomtown.container_sim.forge.model import (
    Check,
    CheckStatus,
    Listing,
    NotFound,
    Unauthorized,
)
from boomtown.limits import ForgeLimits

_WORST_LAST = (CheckStatus.NEUTRAL, CheckStatus.PASSED, CheckStatus.PENDING, CheckStatus.FAILED)


async def list_checks(
    talk: Conversation, repository_url: str, head_sha: str, limits: ForgeLimits
) -> Listing[Check]:
    """By name, each name once. Raises NothingLearnt."""
    commit_url = f"{repository_url}/commits/{head_sha}"
    query = f"per_page={limits.page_items}"
    runs = await talk.fetch_pages(
        CheckRunsShape, f"{commit_url}/check-runs?filter=latest&{query}", etag=None
    )
    statuses = await talk.fetch_pages(
        CombinedStatusShape, f"{commit_url}/status?{query}", etag=None
    )
    assert runs is not None and statuses is not None, "no etag was shown"  # noqa: PT018
    found: dict[str, Check] = {}
    logs_left = limits.failing_logs_max
    for run in sorted(
        (run for page in runs.pages for run in page.check_runs), key=lambda run: (run.name, run.id)
    ):
        status = run.check_status()
        log_tail = None
        if status is CheckStatus.FAILED and logs_left > 0:
            logs_left -= 1
            log_tail = await _find_log_tail(talk, repository_url, run, limits)
        _keep_worst(found, _check(run.name, head_sha, status, run.details_url, log_tail))
    for shape in (shape for page in statuses.pages for shape in page.statuses):
        status = shape.check_status()
        log_tail = shape.description if status is CheckStatus.FAILED else None
        _keep_worst(found, _check(shape.context, head_sha, status, shape.target_url, log_tail))
    items = tuple(check for _, check in sorted(found.items()))
    return Listing(items=items, is_complete=runs.is_complete and statuses.is_complete)


def _check(
    name: str, head_sha: str, status: CheckStatus, url: str | None, log_tail: str | None
) -> Check:
    return Check(
        name=name,
        head_sha=head_sha,
        status=status,
        details_url=url or "",
        log_tail=log_tail or None,
    )


def _keep_worst(found: dict[str, Check], check: Check) -> None:
    known = found.get(check.name)
    if known is None or _WORST_LAST.index(known.status) < _WORST_LAST.index(check.status):
        found[check.name] = check


async def _find_log_tail(
    talk: Conversation, repository_url: str, run: CheckRunShape, limits: ForgeLimits
) -> str | None:
    """None or what the run says itself where there is no log, or where it is not for us: a token
    may read checks and not logs. Raises NothingLearnt for everything that may pass."""
    url = f"{repository_url}/actions/jobs/{run.id}/logs"
    try:
        answer = await talk.send("GET", url, tail_bytes=limits.log_tail_bytes)
    except NothingLearnt as end:
        if not isinstance(end.outcome, NotFound | Unauthorized):
            raise
        said = run.output.text or run.output.summary or run.output.title
        return None if said is None else said[-limits.log_tail_bytes :].strip()
    text = answer.body.decode(errors="replace")
    if len(answer.body) >= limits.log_tail_bytes and "\n" in text:
        text = text.partition("\n")[2]  # the first line is the end of one
    return text.strip()
