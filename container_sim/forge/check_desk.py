"""Checks of commits at our forge's desk: check runs, commit statuses, and the logs of runs."""

from __future__ import annotations

from boomtown.container_sim.forge import entries as e
from boomtown.container_sim.forge import github_shapes as g
from boomtown.container_sim.forge.desk_calls import (
    DeskCall,
    DeskRefusal,
    Handler,
    answer_json,
    answer_page,
)
from boomtown.container_sim.forge.journal import ForgeBook
from boomtown.container_sim.forge.repositories import ForgeRepositories
from boomtown.container_sim.forge.way import ForgeAnswer

RUN_STATUSES = ("queued", "in_progress", "completed")
CONCLUSIONS = ("success", "failure", "neutral", "cancelled", "skipped", "timed_out")
STATUS_STATES = ("error", "failure", "pending", "success")


class CheckDesk:
    """Answers what is about checks. Calls come one at a time."""

    def __init__(self, book: ForgeBook, repositories: ForgeRepositories) -> None:
        self._book = book
        self._repositories = repositories
        self.handlers: dict[str, Handler] = {
            "checks/create": self.create_run,
            "checks/list-for-ref": self.list_runs,
            "actions/download-job-logs": self.show_log,
            "repos/create-commit-status": self.create_status,
            "repos/get-combined-status": self.combined_status,
        }

    async def create_run(self, call: DeskCall) -> ForgeAnswer:
        wanted = call.decode(g.NewCheckRunShape)
        is_whole = (wanted.status == "completed") == (wanted.conclusion is not None)
        is_known = wanted.conclusion is None or wanted.conclusion in CONCLUSIONS
        if wanted.status not in RUN_STATUSES or not (is_whole and is_known and wanted.name):
            raise DeskRefusal(422, "Validation Failed: name, status or conclusion is not valid")
        await self._require_commit(call, wanted.head_sha)
        entry = e.CheckRecorded(
            repo=call.repo.key,
            check_id=self._book.next_id(),
            name=wanted.name,
            head_sha=wanted.head_sha,
            status=wanted.status,
            conclusion=wanted.conclusion,
            details_url=wanted.details_url,
            log=wanted.output.text,
        )
        self._book.record(entry)
        return answer_json(_run_shape(entry), status=201)

    async def list_runs(self, call: DeskCall) -> ForgeAnswer:
        sha = call.path["sha"]
        await self._require_commit(call, sha)
        runs = [
            _run_shape(entry)
            for (repo, head_sha, _), entry in self._book.state.checks.items()
            if (repo, head_sha) == (call.repo.key, sha)
        ]
        page = call.page(runs)
        return answer_page({"total_count": len(runs), "check_runs": page.items}, page.next_url)

    async def show_log(self, call: DeskCall) -> ForgeAnswer:
        for entry in self._book.state.checks.values():
            if (entry.repo, entry.check_id) == (call.repo.key, call.number) and entry.log:
                headers = {"content-type": "text/plain; charset=utf-8"}
                return ForgeAnswer(status=200, headers=headers, body=entry.log.encode())
        raise DeskRefusal(404, "Not Found")

    async def create_status(self, call: DeskCall) -> ForgeAnswer:
        wanted = call.decode(g.NewStatusShape)
        sha = call.path["sha"]
        if wanted.state not in STATUS_STATES:
            raise DeskRefusal(422, "Validation Failed: state is not valid")
        await self._require_commit(call, sha)
        entry = e.StatusRecorded(
            repo=call.repo.key,
            head_sha=sha,
            context=wanted.context,
            state=wanted.state,
            description=wanted.description,
            target_url=wanted.target_url,
        )
        self._book.record(entry)
        return answer_json(_status_shape(entry), status=201)

    async def combined_status(self, call: DeskCall) -> ForgeAnswer:
        sha = call.path["sha"]
        await self._require_commit(call, sha)
        shapes = [
            _status_shape(entry)
            for (repo, head_sha, _), entry in self._book.state.statuses.items()
            if (repo, head_sha) == (call.repo.key, sha)
        ]
        page = call.page(shapes)
        return answer_page({"total_count": len(shapes), "statuses": page.items}, page.next_url)

    async def _require_commit(self, call: DeskCall, sha: str) -> None:
        if not await self._repositories.has_commit(call.repo, sha):
            raise DeskRefusal(422, f"No commit found for SHA: {sha[:40]}")


def _run_shape(entry: e.CheckRecorded) -> g.CheckRunShape:
    return g.CheckRunShape(
        id=entry.check_id,
        name=entry.name,
        head_sha=entry.head_sha,
        status=entry.status,
        conclusion=entry.conclusion,
        details_url=entry.details_url,
        output=g.CheckOutputShape(text=entry.log),
    )


def _status_shape(entry: e.StatusRecorded) -> g.StatusShape:
    return g.StatusShape(
        context=entry.context,
        state=entry.state,
        description=entry.description,
        target_url=entry.target_url,
    )
