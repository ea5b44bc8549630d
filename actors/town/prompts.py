"""What command agents are told: the task, the branch, the gates, and how to report.

Values in, text out. The text names environment variables, never their values: a token must not
reach a prompt, since prompts are stored and shown. The scripted harness reads none of this.
"""

from __future__ import annotations

import shlex

import msgspec

from boomtown.container_sim.model import PullRequestOrder

Gates = tuple[tuple[str, ...], ...]

_ROUTE = (
    "$BOOMTOWN_API_URL/api/towns/$BOOMTOWN_TOWN_ID/rigs/$BOOMTOWN_RIG_ID/agents/$BOOMTOWN_AGENT_ID"
)
_HEADERS = '-H "Authorization: Bearer $BOOMTOWN_SESSION_TOKEN" -H "Content-Type: application/json"'


def work_prompt(*, title: str, body: str, branch: str, target_branch: str, gates: Gates) -> str:
    """For a polecat with a bead."""
    return _join(
        f"# {title}",
        body,
        _place(branch=branch, target_branch=target_branch),
        _gates(gates, "Before you report, make these pass"),
        "When the work is committed and pushed, report it:",
        _call("done", {"branch": branch, "verdict": "submitted"}),
        "If nothing needs to be done, or it cannot be done, say so instead:",
        _call("done", {"branch": branch, "verdict": "abandoned", "summary": "why"}),
        "A review follows. Do not merge, and do not push to any other branch.",
        _status(),
    )


def rework_prompt(
    *, title: str, body: str, feedback: str, branch: str, target_branch: str, gates: Gates
) -> str:
    """For a polecat that goes on with a branch of which a review asked for changes."""
    return _join(
        f"# Rework: {title}",
        "A review asked for changes. This is what it said:",
        feedback,
        "The task was:",
        body,
        _place(branch=branch, target_branch=target_branch),
        "The branch holds the earlier work: add commits to it, and do not rewrite it.",
        _gates(gates, "Before you report, make these pass"),
        "When the changes are committed and pushed, report them:",
        _call("done", {"branch": branch, "verdict": "submitted"}),
        "The same review goes on from there.",
        _status(),
    )


def patrol_prompt(
    *,
    title: str,
    body: str,
    instructions: str,
    branch: str,
    target_branch: str,
    asked: PullRequestOrder,
) -> str:
    """For a reviewer with a pull request; `instructions` are its role template's."""
    named = {"repo": asked.repo, "number": asked.number, "head_sha": asked.head_sha}
    words = {"verdict": "approved | changes_requested | commented", "body": "your review"}
    return _join(
        f"# {title}",
        body,
        instructions,
        f"The head is `{asked.head_sha}`, on the branch `{branch}`; it is to be merged into"
        f" `{target_branch}`. Read, and run what you like. Push nothing, and merge nothing.",
        "Post your review, once, through the gateway:",
        _post(
            "$BOOMTOWN_API_URL/api/towns/$BOOMTOWN_TOWN_ID/gateway/pr.review",
            {"args": {**named, **words}},
        ),
        "Then report that you are done:",
        _call("done", {"branch": branch, "verdict": "submitted"}),
        _status(),
    )


def review_prompt(
    *,
    title: str,
    body: str,
    branch: str,
    target_branch: str,
    gates: Gates,
    review_number: int,
) -> str:
    """For the refinery: judge a branch, then merge it or ask for changes. `review_number` counts
    the reviews of this source from 1."""
    again = (
        ""
        if review_number <= 1
        else f"This is review {review_number} of this work: look first at what changed since."
    )
    return _join(
        f"# Review: {title}",
        f"Judge whether `{branch}` does the task below and may be merged into `{target_branch}`.",
        again,
        body,
        _gates(gates, "These must pass in the merged tree"),
        "If it is right, "
        + _merge(branch=branch, target_branch=target_branch)
        + " Then report, with the commit that the target has now:",
        _call("done", {"branch": branch, "verdict": "merged", "commit_sha": "COMMIT"}),
        "If it is not right, merge nothing, say exactly what has to change, and stop:",
        _call("request-changes", {"feedback": "what to change", "files": ["path"]}),
        _conflict(),
        _status(),
    )


def landing_prompt(*, title: str, branch: str, target_branch: str, gates: Gates) -> str:
    """For the refinery: merge a convoy's branch, whose parts were reviewed one by one."""
    return _join(
        f"# Land: {title}",
        f"Every part of `{branch}` was reviewed. Judge nothing again: "
        + _merge(branch=branch, target_branch=target_branch),
        _gates(gates, "These must pass in the merged tree"),
        "Then report, with the commit that the target has now:",
        _call("done", {"branch": branch, "verdict": "merged", "commit_sha": "COMMIT"}),
        _conflict(),
    )


def _join(*parts: str) -> str:
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def _place(*, branch: str, target_branch: str) -> str:
    return (
        f"You are in a worktree of your own, on branch `{branch}`, for `{target_branch}`."
        " Commit your work there and push that branch to origin, never with force."
    )


def _merge(*, branch: str, target_branch: str) -> str:
    return (
        f"merge `{branch}` into `{target_branch}`, run the gates, and push `{target_branch}` to"
        " origin, never with force. If the push is not a fast-forward, fetch and merge once more."
    )


def _gates(gates: Gates, introduction: str) -> str:
    if not gates:
        return ""
    lines = "\n".join(f"    {shlex.join(argv)}" for argv in gates)
    return f"{introduction}:\n\n{lines}"


def _conflict() -> str:
    return _join(
        "If the merge conflicts, or a gate fails, push nothing and report what happened"
        " (`conflict` or `failed`):",
        _post(
            "$BOOMTOWN_API_URL/api/towns/$BOOMTOWN_TOWN_ID/rigs/$BOOMTOWN_RIG_ID"
            "/review-queue/$BOOMTOWN_BEAD_ID/complete",
            {"status": "conflict", "message": "which files, or which gate"},
        ),
    )


def _status() -> str:
    return _join(
        "While you work, you may say in a line what you are doing:",
        _call("status", {"message": "in at most 280 characters"}),
    )


def _call(action: str, body: dict[str, object]) -> str:
    return _post(f"{_ROUTE}/{action}", body)


def _post(url: str, body: dict[str, object]) -> str:
    # The body is a shell word of its own, so that a branch name stays text.
    text = msgspec.json.encode(body).decode()
    return f'curl -fsS -X POST "{url}" \\\n  {_HEADERS} \\\n  -d {shlex.quote(text)}'
