"""docs/errors.md: every code with its status and meaning, made from the registry."""

from __future__ import annotations

from collections.abc import Iterator

from boomtown.error_codes import REGISTRY, ErrorCode

_HEAD = """# Error codes

Made from `src/boomtown/error_codes.py`; a test keeps this page current. Every answer that is no
success is one envelope:

```json
{"success": false, "error": "Rig not found", "code": "RIG_NOT_FOUND", "kind": "not_found",
 "requestId": "01a3185c-5000-7f03-860a-63b29135c6e1", "details": {}}
```

`code` is what a program matches, and never changes its meaning; `error` is one line for people,
and may. `details` has the facts of the code; `issues` (`path`, `message`) is there where a body or
query is not valid. `requestId` is also the header `X-Request-Id`, and in the server's log.

A refused request has changed nothing, but that the gateway records what it decided. With 429 and
503 comes `Retry-After`: the same request may succeed later.

`/openapi.json` names the codes of each operation. A command prints the message, the code and the
request id, and with `--json` the envelope; it ends with 1, or with 2 for wrong usage and 3 where no
server answers.
"""
_TITLES = {
    400: "What was sent can never work",
    401: "Who sent it is not known",
    403: "Who sent it may not do it",
    404: "What it names is not there",
    405: "The route has no such method",
    409: "Something that is there stands in its way",
    410: "It was there, and is kept no longer",
    413: "The body is too large",
    422: "It is well said, and does not fit what it names",
    429: "Too much at once",
    431: "The headers are too large",
    500: "A bug of the server",
    502: "Something that the server rests on failed",
    503: "Not now",
}


def errors_page() -> str:
    """The whole page; statuses ascend, codes are in the registry's order."""
    return "\n".join([_HEAD, *_sections()])


def _sections() -> Iterator[str]:
    for status in sorted({row.status for row in REGISTRY.values()}):
        codes = [code for code in ErrorCode if REGISTRY[code].status == status]
        yield f"## {status}: {_TITLES[status]}\n"
        yield "| code | kind | says, unless it can say more |"
        yield "| --- | --- | --- |"
        for code in codes:
            yield f"| `{code}` | {REGISTRY[code].kind} | {REGISTRY[code].message} |"
        yield ""
