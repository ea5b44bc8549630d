"""What an agent may ask the policy gateway to do, by name.

Actions of the town take effect in the transaction that decides on them. Actions of the forge are
done outside, after the decision is durable (gateway_desk.py).
"""

from __future__ import annotations

import enum


class GatewayAction(enum.StrEnum):
    MEMORY_PUT = "memory.put"  # {key, value}
    MEMORY_GET = "memory.get"  # {key}
    MEMORY_LIST = "memory.list"  # {}
    MEMORY_DELETE = "memory.delete"  # {key}
    MAIL_BOSS = "mail.boss"  # {subject, body}
    PR_LIST = "pr.list"  # {repo}
    PR_REVIEW = "pr.review"  # {repo, number, head_sha, verdict, body}
    PR_COMMENT = "pr.comment"  # {repo, number, body}


OUTSIDE_ACTIONS = frozenset(
    {GatewayAction.PR_LIST, GatewayAction.PR_REVIEW, GatewayAction.PR_COMMENT}
)
