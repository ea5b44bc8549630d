"""The review threads of a pull request, page by page, through GraphQL.

Errors of GraphQL come with status 200 and a type; those that we know are the outcomes that the
status would have been.
"""

from __future__ import annotations

from boomtown.container_sim.forge.conversation import (
    Conversation,
    NothingLearnt,
    decoded,
    failed,
)
from boomtown.container_sim.forge.graphql_shapes import (
    REVIEW_THREADS,
    GraphqlError,
    GraphqlRequest,
    ThreadsAnswer,
    ThreadsPage,
)
from boomtown.container_sim.forge.model import (
    FailureKind,
    Listing,
    NotFound,
    RepositoryName,
    ReviewThread,
    Unauthorized,
)
from boomtown.container_sim.forge.way import ForgeAnswer
from boomtown.limits import ForgeLimits


async def list_threads(
    talk: Conversation, graphql_url: str, repo: RepositoryName, number: int, limits: ForgeLimits
) -> Listing[ReviewThread]:
    """Incomplete past the bounds, and where the forge says that there is more and leads nowhere.
    Raises NothingLearnt."""
    found: list[ReviewThread] = []
    cursor: str | None = None
    for _ in range(limits.pages_max):
        variables = {
            "owner": repo.owner,
            "name": repo.name,
            "number": number,
            "first": limits.page_items,
            "comments": limits.comments_per_thread_max,
            "after": cursor,
        }
        wanted = GraphqlRequest(query=REVIEW_THREADS, variables=variables)
        answer = await talk.send("POST", graphql_url, wanted)
        page = _page_of(talk, answer)
        found += [node.to_model() for node in page.nodes]
        if not page.page_info.has_next_page:
            return Listing(items=tuple(found), is_complete=True)
        if page.page_info.end_cursor in (None, cursor):
            break
        cursor = page.page_info.end_cursor
    return Listing(items=tuple(found), is_complete=False)


def _page_of(talk: Conversation, answer: ForgeAnswer) -> ThreadsPage:
    said = decoded(answer, ThreadsAnswer)
    check_errors(talk, answer, said.errors)
    if said.data is None:
        raise failed(FailureKind.MALFORMED, "the answer has neither data nor errors")
    if said.data.repository is None or said.data.repository.pull_request is None:
        raise NothingLearnt(NotFound())
    return said.data.repository.pull_request.review_threads


def check_errors(talk: Conversation, answer: ForgeAnswer, errors: tuple[GraphqlError, ...]) -> None:
    """Raises NothingLearnt for the first error, when there is one."""
    for error in errors[:1]:
        match error.type:
            case "NOT_FOUND":
                raise NothingLearnt(NotFound())
            case "FORBIDDEN":
                raise NothingLearnt(Unauthorized(is_known=True))
            case "RATE_LIMITED":
                raise NothingLearnt(talk.rate_limited(answer))
            case _:
                raise failed(FailureKind.SERVER_ERROR, error.type or "an error without a type")
