"""How a fault that is due looks on the wire."""

from __future__ import annotations

from typing import Any

import msgspec

from boomtown.container_sim.forge import github_shapes as g
from boomtown.container_sim.forge import graphql_shapes as q
from boomtown.container_sim.forge.desk_calls import answer_json, answer_message
from boomtown.container_sim.forge.forge_faults import ArmedFault, ForgeFaultKind
from boomtown.container_sim.forge.thread_desk import CUT_CURSOR, threads_answer
from boomtown.container_sim.forge.way import ForgeAnswer
from boomtown.wire import decode_json_as


def early_answer(fault: ArmedFault, now_ms: int) -> ForgeAnswer | None:
    """The answer instead of the operation; None for faults that let it happen."""
    after_s = fault.wanted.retry_after_s
    match fault.wanted.kind:
        case ForgeFaultKind.UNAUTHORIZED:
            answer = answer_message(401, "Bad credentials")
        case ForgeFaultKind.RATE_LIMIT:
            answer = answer_message(403, "API rate limit exceeded")
            # A whole second of the epoch, as GitHub's; never before the span is over.
            reset_s = -(-(now_ms + after_s * 1000) // 1000)
            answer.headers.update({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(reset_s)})
        case ForgeFaultKind.TOO_MANY:
            answer = answer_message(429, "Too many requests")
            answer.headers["retry-after"] = str(after_s)
        case ForgeFaultKind.SERVER_ERROR:
            answer = answer_message(502, "Server Error")
        case _:
            return None
    fault.fired += 1
    return answer


def change_answer(
    fault: ArmedFault, operation: str, url: str, answer: ForgeAnswer
) -> ForgeAnswer | None:
    """The answer after a fault that comes behind the operation; None: the connection ends. A fault
    that finds nothing to change lets the answer be, and has not fired."""
    changed: ForgeAnswer | None = answer
    match fault.wanted.kind:
        case ForgeFaultKind.LOST:
            changed = None
        case ForgeFaultKind.MALFORMED if answer.body:
            half = answer.body[: len(answer.body) // 2]
            changed = msgspec.structs.replace(answer, body=half)
        case ForgeFaultKind.TRUNCATED if answer.status == 200:
            changed = _truncated(operation, url, answer)
        case _:
            return answer
    if changed is not answer:
        fault.fired += 1
    return changed


def _truncated(operation: str, url: str, answer: ForgeAnswer) -> ForgeAnswer:
    match operation:
        case "graphql":
            return _truncated_threads(answer)
        case "pulls/list" | "pulls/list-reviews":
            content: object = decode_json_as(answer.body, list[Any])[:1]
        case "checks/list-for-ref":
            runs = decode_json_as(answer.body, g.CheckRunsShape)
            content = msgspec.structs.replace(runs, check_runs=runs.check_runs[:1])
        case "repos/get-combined-status":
            known = decode_json_as(answer.body, g.CombinedStatusShape)
            content = msgspec.structs.replace(known, statuses=known.statuses[:1])
        case _:
            return answer
    changed = answer_json(content)
    joint = "&" if "?" in url else "?"
    changed.headers["link"] = f'<{url}{joint}cut=1>; rel="next"'
    return changed


def _truncated_threads(answer: ForgeAnswer) -> ForgeAnswer:
    data = decode_json_as(answer.body, q.ThreadsAnswer).data
    if data is None or data.repository is None or data.repository.pull_request is None:
        return answer
    threads = data.repository.pull_request.review_threads
    info = q.PageInfo(has_next_page=True, end_cursor=CUT_CURSOR)
    return threads_answer(threads.nodes[:1], info)
