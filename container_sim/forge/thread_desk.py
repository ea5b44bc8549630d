"""Review threads at our forge's desk: begun and continued by REST, read and resolved by GraphQL.

GraphQL is three known documents (graphql_shapes.py) and their variables; any other is refused. A
cursor is the number of threads before it; the cursor `cut` is that of a truncated answer, and
leads to itself.
"""

from __future__ import annotations

import msgspec

from boomtown.clock import Clock
from boomtown.container_sim.forge import entries as e
from boomtown.container_sim.forge import github_shapes as g
from boomtown.container_sim.forge import graphql_shapes as q
from boomtown.container_sim.forge.desk_calls import DeskCall, DeskRefusal, Handler, answer_json
from boomtown.container_sim.forge.forge_state import Thread
from boomtown.container_sim.forge.journal import ForgeBook
from boomtown.container_sim.forge.pull_desk import PullDesk
from boomtown.container_sim.forge.repositories import ForgeRepositories
from boomtown.container_sim.forge.way import ForgeAnswer
from boomtown.wire import iso_from_ms

CUT_CURSOR = "cut"


class ThreadDesk:
    """Answers what is about threads. Calls come one at a time."""

    def __init__(
        self, book: ForgeBook, pulls: PullDesk, repositories: ForgeRepositories, clock: Clock
    ) -> None:
        self._book = book
        self._pulls = pulls
        self._repositories = repositories
        self._clock = clock
        self.handlers: dict[str, Handler] = {
            "pulls/create-review-comment": self.begin,
            "pulls/create-reply-for-review-comment": self.reply,
            "graphql": self.graphql,
        }

    async def begin(self, call: DeskCall) -> ForgeAnswer:
        wanted = call.decode(g.NewCommentShape)
        pull = await self._pulls.get_pull(call)
        if not wanted.body or not wanted.path:
            raise DeskRefusal(422, "Validation Failed: body or path is missing")
        if not await self._repositories.has_commit(call.repo, wanted.commit_id):
            raise DeskRefusal(422, "Validation Failed: commit_id is not part of this request")
        comment_id = self._book.next_id()
        entry = e.CommentAdded(
            repo=call.repo.key,
            number=pull.opened.number,
            thread_id=f"PRRT_{comment_id}",
            comment_id=comment_id,
            login=call.account.login,
            path=wanted.path,
            line=wanted.line,
            body=wanted.body,
            at_ms=self._clock.now_ms(),
        )
        self._book.record(entry)
        return answer_json(self._comment_shape(entry), status=201)

    async def reply(self, call: DeskCall) -> ForgeAnswer:
        wanted = call.decode(g.NewReplyShape)
        await self._pulls.get_pull(call)
        first = self._find_first(call, int(call.path["comment"]))
        if not wanted.body:
            raise DeskRefusal(422, "Validation Failed: body is missing")
        entry = msgspec.structs.replace(
            first,
            comment_id=self._book.next_id(),
            login=call.account.login,
            body=wanted.body,
            at_ms=self._clock.now_ms(),
        )
        self._book.record(entry)
        return answer_json(self._comment_shape(entry), status=201)

    async def graphql(self, call: DeskCall) -> ForgeAnswer:
        """Errors have status 200 here, as at GitHub."""
        wanted = call.decode(q.GraphqlRequest)
        try:
            match wanted.query:
                case q.REVIEW_THREADS:
                    return self._threads(msgspec.convert(wanted.variables, q.ThreadsVariables))
                case q.RESOLVE_THREAD | q.UNRESOLVE_THREAD:
                    thread = msgspec.convert(wanted.variables, q.ThreadVariables).thread
                    return self._mark(thread, is_resolved=wanted.query == q.RESOLVE_THREAD)
                case _:
                    return _graphql_error("UNKNOWN_DOCUMENT")
        except msgspec.ValidationError:
            return _graphql_error("BAD_VARIABLES")

    def _threads(self, wanted: q.ThreadsVariables) -> ForgeAnswer:
        repo = f"{wanted.owner}/{wanted.name}".lower()
        if wanted.number not in self._book.state.pulls.get(repo, {}):
            return _graphql_error("NOT_FOUND")
        if wanted.after == CUT_CURSOR:
            return threads_answer((), q.PageInfo(has_next_page=True, end_cursor=CUT_CURSOR))
        after = wanted.after or "0"
        start = int(after) if after.isascii() and after.isdigit() else 0
        threads = self._book.state.threads_of(repo, wanted.number)
        end = start + min(max(wanted.first, 1), 100)
        nodes = tuple(
            self._node(thread_id, thread, wanted.comments)
            for thread_id, thread in threads[start:end]
        )
        info = q.PageInfo(has_next_page=end < len(threads), end_cursor=str(start + len(nodes)))
        return threads_answer(nodes, info)

    def _mark(self, thread_id: str, *, is_resolved: bool) -> ForgeAnswer:
        thread = self._book.state.threads.get(thread_id)
        if thread is None:
            return _graphql_error("NOT_FOUND")
        if thread.is_resolved != is_resolved:
            self._book.record(e.ThreadMarked(thread_id=thread_id, is_resolved=is_resolved))
        marked = {"thread": {"id": thread_id, "isResolved": is_resolved}}
        name = "resolveReviewThread" if is_resolved else "unresolveReviewThread"
        return answer_json({"data": {name: marked}})

    def _find_first(self, call: DeskCall, comment_id: int) -> e.CommentAdded:
        """Only the first comment of a thread can be replied to, as at GitHub."""
        for _, thread in self._book.state.threads_of(call.repo.key, call.number):
            if thread.comments[0].comment_id == comment_id:
                return thread.comments[0]
        raise DeskRefusal(404, "Not Found")

    def _node(self, thread_id: str, thread: Thread, comments_max: int) -> q.ThreadNode:
        comments = tuple(
            q.CommentNode(body=comment.body, author=self._author(comment.login))
            for comment in thread.comments[:comments_max]
        )
        return q.ThreadNode(
            id=thread_id,
            is_resolved=thread.is_resolved,
            path=thread.comments[0].path,
            line=thread.comments[0].line,
            comments=q.CommentNodes(comments),
        )

    def _author(self, login: str) -> q.Author:
        is_bot = self._book.state.accounts[login].is_bot
        return q.Author("Bot" if is_bot else "User", login)

    def _comment_shape(self, entry: e.CommentAdded) -> g.CommentShape:
        is_bot = self._book.state.accounts[entry.login].is_bot
        return g.CommentShape(
            id=entry.comment_id,
            user=g.UserShape(entry.login, "Bot" if is_bot else "User"),
            body=entry.body,
            path=entry.path,
            line=entry.line,
            created_at=iso_from_ms(entry.at_ms),
        )


def threads_answer(nodes: tuple[q.ThreadNode, ...], info: q.PageInfo) -> ForgeAnswer:
    """One page of threads."""
    page = q.ThreadsPage(page_info=info, nodes=nodes)
    data = q.ThreadsData(repository=q.RepositoryNode(pull_request=q.PullNode(review_threads=page)))
    return answer_json(q.ThreadsAnswer(data=data))


def _graphql_error(kind: str) -> ForgeAnswer:
    return answer_json({"data": None, "errors": [{"type": kind, "message": kind}]})
