"""Pull requests and reviews at our forge's desk.

An open request's head is asked of git each time. One whose head the base holds is merged, whoever
moved the base: that is how GitHub sees a plain push of the merge, and how a merge that a crash cut
in two is completed. A request whose branch is gone keeps the last head that was noted.
"""

from __future__ import annotations

from boomtown.clock import Clock
from boomtown.container_sim.forge import entries as e
from boomtown.container_sim.forge import github_shapes as g
from boomtown.container_sim.forge.desk_calls import (
    DeskCall,
    DeskRefusal,
    Handler,
    answer_json,
    answer_page,
)
from boomtown.container_sim.forge.forge_state import Pull
from boomtown.container_sim.forge.journal import ForgeBook
from boomtown.container_sim.forge.model import MergeMethod, PullRequestState
from boomtown.container_sim.forge.repositories import ForgeRepositories
from boomtown.container_sim.forge.way import ForgeAnswer
from boomtown.wire import iso_from_ms, iso_from_ms_or_none


class PullDesk:
    """Answers what is about pull requests. Calls come one at a time."""

    def __init__(
        self, base_url: str, book: ForgeBook, repositories: ForgeRepositories, clock: Clock
    ) -> None:
        self._base_url = base_url
        self._book = book
        self._repositories = repositories
        self._clock = clock
        self.handlers: dict[str, Handler] = {
            "pulls/list": self.list_pulls,
            "pulls/create": self.create,
            "pulls/get": self.show,
            "pulls/update": self.close,
            "pulls/merge": self.merge,
            "pulls/list-reviews": self.list_reviews,
            "pulls/create-review": self.create_review,
        }

    async def list_pulls(self, call: DeskCall) -> ForgeAnswer:
        pulls = list(self._book.state.pulls.get(call.repo.key, {}).values())
        wanted = call.query.get("state", "open")
        head = call.query.get("head")
        base = call.query.get("base")
        shapes: list[g.PullShape] = []
        for known in pulls:
            if head is not None and head.partition(":")[2] != known.opened.head_branch:
                continue
            if base is not None and base != known.opened.base_branch:
                continue
            pull = await self._settle(call, known)
            is_open = pull.state is PullRequestState.OPEN
            if wanted == "all" or (wanted == "open") == is_open:
                shapes.append(await self._shape(call, pull, with_mergeable=False))
        if call.query.get("direction", "desc") == "desc":
            shapes.reverse()
        page = call.page(shapes)
        return answer_page(page.items, page.next_url)

    async def show(self, call: DeskCall) -> ForgeAnswer:
        pull = await self.get_pull(call)
        return answer_json(await self._shape(call, pull, with_mergeable=True))

    async def create(self, call: DeskCall) -> ForgeAnswer:
        wanted = call.decode(g.NewPullShape)
        head_branch = wanted.head.removeprefix(f"{call.repo.owner}:")
        head_sha = await self._repositories.find_head(call.repo, head_branch)
        base_sha = await self._repositories.find_head(call.repo, wanted.base)
        if head_sha is None or base_sha is None or not wanted.title:
            raise DeskRefusal(422, "Validation Failed: title, head or base is not valid")
        if await self._repositories.is_ancestor(call.repo, older=head_sha, newer=base_sha):
            message = f"No commits between {wanted.base} and {head_branch}"
            raise DeskRefusal(422, f"Validation Failed: {message}")
        known = self._book.state.pulls.get(call.repo.key, {})
        for pull in known.values():
            branches = (pull.opened.head_branch, pull.opened.base_branch)
            if branches == (head_branch, wanted.base) and pull.state is PullRequestState.OPEN:
                message = f"A pull request already exists for {call.repo.owner}:{head_branch}."
                raise DeskRefusal(422, f"Validation Failed: {message}")
        opened = e.PullOpened(
            repo=call.repo.key,
            number=len(known) + 1,
            title=wanted.title,
            body=wanted.body,
            author=call.account.login,
            is_draft=wanted.draft,
            head_branch=head_branch,
            head_sha=head_sha,
            base_branch=wanted.base,
            at_ms=self._clock.now_ms(),
        )
        self._book.record(opened)
        pull = self._book.state.pulls[call.repo.key][opened.number]
        return answer_json(await self._shape(call, pull, with_mergeable=True), status=201)

    async def close(self, call: DeskCall) -> ForgeAnswer:
        if call.decode(g.PullChangeShape).state != "closed":
            raise DeskRefusal(422, "Validation Failed: a pull request can only be closed")
        pull = await self.get_pull(call)
        if pull.state is PullRequestState.OPEN:
            head_sha = await self.head_of(call, pull)
            number, now_ms = pull.opened.number, self._clock.now_ms()
            self._book.record(
                e.PullClosed(repo=call.repo.key, number=number, head_sha=head_sha, at_ms=now_ms)
            )
        return await self.show(call)

    async def merge(self, call: DeskCall) -> ForgeAnswer:
        wanted = call.decode(g.MergeShape)
        if wanted.merge_method not in (MergeMethod.MERGE, MergeMethod.SQUASH):
            raise DeskRefusal(405, f"{wanted.merge_method} is not allowed on this repository.")
        pull = await self.get_pull(call)
        number, base = pull.opened.number, pull.opened.base_branch
        head_sha = await self.head_of(call, pull)
        base_sha = await self._repositories.find_head(call.repo, base)
        if pull.state is not PullRequestState.OPEN or pull.opened.is_draft or base_sha is None:
            raise DeskRefusal(405, "Pull Request is not mergeable")
        if wanted.sha not in (None, head_sha):
            raise DeskRefusal(409, "Head branch was modified. Review and try the merge again.")
        title = wanted.commit_title or f"Merge pull request #{number}: {pull.opened.title}"
        merge_sha = await self._repositories.make_merge(
            call.repo,
            base_sha=base_sha,
            head_sha=head_sha,
            message=title,
            squash=wanted.merge_method == MergeMethod.SQUASH,
        )
        if merge_sha is None:
            raise DeskRefusal(405, "Pull Request is not mergeable")
        self._book.record(
            e.MergeBegan(repo=call.repo.key, number=number, head_sha=head_sha, merge_sha=merge_sha)
        )
        if not await self._repositories.move_branch(
            call.repo, base, old_sha=base_sha, new_sha=merge_sha
        ):
            raise DeskRefusal(405, "Base branch was modified. Review and try the merge again.")
        self._record_merged(call, pull, head_sha=head_sha, merge_sha=merge_sha)
        return answer_json(g.MergeAnswerShape(merge_sha, True, "Pull Request successfully merged"))

    async def list_reviews(self, call: DeskCall) -> ForgeAnswer:
        await self.get_pull(call)
        posted = self._book.state.reviews.get((call.repo.key, call.number), [])
        page = call.page([self._review_shape(entry) for entry in posted])
        return answer_page(page.items, page.next_url)

    async def create_review(self, call: DeskCall) -> ForgeAnswer:
        wanted = call.decode(g.NewReviewShape)
        pull = await self.get_pull(call)
        state = g.STATE_OF_EVENT.get(wanted.event)
        if state is None or (not wanted.body and state != "APPROVED"):
            raise DeskRefusal(422, "Unprocessable Entity: event or body is not valid")
        if call.account.login == pull.opened.author and state != "COMMENTED":
            raise DeskRefusal(422, "Unprocessable Entity: Can not judge your own pull request")
        head_sha = wanted.commit_id or await self.head_of(call, pull)
        if not await self._repositories.has_commit(call.repo, head_sha):
            raise DeskRefusal(422, "Unprocessable Entity: commit_id is not part of this request")
        entry = e.ReviewPosted(
            repo=call.repo.key,
            number=pull.opened.number,
            review_id=self._book.next_id(),
            login=call.account.login,
            state=state,
            body=wanted.body,
            head_sha=head_sha,
            at_ms=self._clock.now_ms(),
        )
        self._book.record(entry)
        return answer_json(self._review_shape(entry))

    async def get_pull(self, call: DeskCall) -> Pull:
        """Raises DeskRefusal(404)."""
        pull = self._book.state.pulls.get(call.repo.key, {}).get(call.number)
        if pull is None:
            raise DeskRefusal(404, "Not Found")
        return await self._settle(call, pull)

    async def head_of(self, call: DeskCall, pull: Pull) -> str:
        if pull.state is not PullRequestState.OPEN:
            return pull.head_sha
        head_sha = await self._repositories.find_head(call.repo, pull.opened.head_branch)
        return head_sha or pull.head_sha

    async def _settle(self, call: DeskCall, pull: Pull) -> Pull:
        """The request as it is now, after whatever git was told behind our back."""
        if pull.state is not PullRequestState.OPEN:
            return pull
        base_sha = await self._repositories.find_head(call.repo, pull.opened.base_branch)
        if base_sha is None:
            return pull
        head_sha = await self.head_of(call, pull)
        candidates = [(head_sha, head_sha)]
        if pull.began is not None:
            candidates.insert(0, (pull.began.head_sha, pull.began.merge_sha))
        for head, merge in candidates:
            if await self._repositories.is_ancestor(call.repo, older=merge, newer=base_sha):
                merge_sha = base_sha if merge == head else merge
                self._record_merged(call, pull, head_sha=head, merge_sha=merge_sha)
                return self._book.state.pulls[call.repo.key][pull.opened.number]
        return pull

    def _record_merged(self, call: DeskCall, pull: Pull, *, head_sha: str, merge_sha: str) -> None:
        self._book.record(
            e.PullMerged(
                repo=call.repo.key,
                number=pull.opened.number,
                head_sha=head_sha,
                merge_sha=merge_sha,
                at_ms=self._clock.now_ms(),
            )
        )

    async def _shape(self, call: DeskCall, pull: Pull, *, with_mergeable: bool) -> g.PullShape:
        opened = pull.opened
        is_open = pull.state is PullRequestState.OPEN
        head_sha = await self.head_of(call, pull)
        base_sha = await self._repositories.find_head(call.repo, opened.base_branch)
        mergeable: bool | None = None
        if with_mergeable and is_open and base_sha is not None:
            mergeable = await self._repositories.can_merge(
                call.repo, base_sha=base_sha, head_sha=head_sha
            )
        is_merged = pull.state is PullRequestState.MERGED
        return g.PullShape(
            number=opened.number,
            html_url=f"{self._base_url}/{call.repo.full_name}/pull/{opened.number}",
            title=opened.title,
            user=self._user(opened.author),
            state="open" if is_open else "closed",
            draft=opened.is_draft,
            head=g.BranchShape(opened.head_branch, head_sha),
            base=g.BranchShape(opened.base_branch, base_sha or ""),
            created_at=iso_from_ms(opened.at_ms),
            merged_at=iso_from_ms_or_none(pull.ended_at_ms) if is_merged else None,
            mergeable=mergeable,
            merge_commit_sha=pull.merge_sha,
        )

    def _review_shape(self, entry: e.ReviewPosted) -> g.ReviewShape:
        return g.ReviewShape(
            id=entry.review_id,
            user=self._user(entry.login),
            state=entry.state,
            body=entry.body,
            commit_id=entry.head_sha,
            submitted_at=iso_from_ms(entry.at_ms),
        )

    def _user(self, login: str) -> g.UserShape:
        is_bot = self._book.state.accounts[login].is_bot
        return g.UserShape(login, "Bot" if is_bot else "User")
