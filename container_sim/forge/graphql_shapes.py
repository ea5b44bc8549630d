"""The three GraphQL documents that we use, because GitHub's REST interface does not know whether a
thread is resolved, and their answers. Our server answers these documents, letter for letter, and
no other.
"""

from __future__ import annotations

from typing import Any

import msgspec

from boomtown.container_sim.forge.model import ReviewComment, ReviewThread

REVIEW_THREADS = """\
query ReviewThreads(
  $owner: String!, $name: String!, $number: Int!, $first: Int!, $comments: Int!, $after: String
) {
  repository(owner: $owner, name: $name) {
    pullRequest(number: $number) {
      reviewThreads(first: $first, after: $after) {
        pageInfo { hasNextPage endCursor }
        nodes {
          id isResolved path line
          comments(first: $comments) { nodes { body author { __typename login } } }
        }
      }
    }
  }
}
"""
RESOLVE_THREAD = """\
mutation ResolveThread($thread: ID!) {
  resolveReviewThread(input: {threadId: $thread}) { thread { id isResolved } }
}
"""
UNRESOLVE_THREAD = """\
mutation UnresolveThread($thread: ID!) {
  unresolveReviewThread(input: {threadId: $thread}) { thread { id isResolved } }
}
"""


class GraphqlRequest(msgspec.Struct, frozen=True):
    query: str
    variables: dict[str, Any] = {}


class ThreadsVariables(msgspec.Struct, frozen=True, kw_only=True):
    owner: str
    name: str
    number: int
    first: int
    comments: int
    after: str | None = None


class ThreadVariables(msgspec.Struct, frozen=True):
    thread: str


class GraphqlError(msgspec.Struct, frozen=True):
    """`type` is GitHub's own addition: NOT_FOUND, RATE_LIMITED, FORBIDDEN and the like."""

    message: str = ""
    type: str = ""


class Author(msgspec.Struct, frozen=True, rename={"typename": "__typename"}):
    typename: str
    login: str


class CommentNode(msgspec.Struct, frozen=True):
    body: str
    author: Author | None


class CommentNodes(msgspec.Struct, frozen=True):
    nodes: tuple[CommentNode, ...]


class ThreadNode(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    id: str
    is_resolved: bool
    path: str
    line: int | None
    comments: CommentNodes

    def to_model(self) -> ReviewThread:
        comments = tuple(
            ReviewComment(
                author="" if node.author is None else node.author.login,
                is_bot=node.author is not None and node.author.typename == "Bot",
                body=node.body,
            )
            for node in self.comments.nodes
        )
        return ReviewThread(
            thread_id=self.id,
            path=self.path,
            line=self.line,
            is_resolved=self.is_resolved,
            is_bot=bool(comments) and comments[0].is_bot,
            comments=comments,
        )


class PageInfo(msgspec.Struct, frozen=True, rename="camel"):
    has_next_page: bool
    end_cursor: str | None


class ThreadsPage(msgspec.Struct, frozen=True, rename="camel"):
    page_info: PageInfo
    nodes: tuple[ThreadNode, ...]


class PullNode(msgspec.Struct, frozen=True, rename="camel"):
    review_threads: ThreadsPage


class RepositoryNode(msgspec.Struct, frozen=True, rename="camel"):
    pull_request: PullNode | None


class ThreadsData(msgspec.Struct, frozen=True):
    repository: RepositoryNode | None


class ThreadsAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    data: ThreadsData | None = None
    errors: tuple[GraphqlError, ...] = ()


class ErrorsAnswer(msgspec.Struct, frozen=True):
    """What an answer to a mutation is read for."""

    errors: tuple[GraphqlError, ...] = ()
