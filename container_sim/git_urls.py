"""Git addresses and branch names: what may be used, judged before anything is touched.

Addresses: http(s), ssh:// and `git@host:path`; `file://` and absolute local paths only where the
server allows them, because they read the server's own disk. Options in disguise (a leading
hyphen), remote helpers (`ext::`), control characters and white space are refused everywhere.
Branch names follow git-check-ref-format(1).
"""

from __future__ import annotations

import re
from urllib.parse import SplitResult, quote, urlsplit

from boomtown.error_codes import ErrorCode
from boomtown.errors import InvalidRequest

ADDRESS_LENGTH_MAX = 2_048  # longer ones are a mistake; servers cut at about this
BRANCH_LENGTH_MAX = 200  # leaves room for ".lock" and folders under the usual 255

_SCP_FORM = re.compile(r"(?P<user>[A-Za-z0-9_.-]+)@(?P<host>[A-Za-z0-9.-]+):(?P<path>[^:]+)")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f]")
_BRANCH_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//")


def validate_git_url(text: str, *, allow_local: bool) -> str:
    """Return `text` when it may be used as a remote. Raises InvalidRequest(INVALID_GIT_URL)."""
    if not text:
        raise _bad_url("The git address is empty")
    if len(text) > ADDRESS_LENGTH_MAX:
        raise _bad_url(f"The git address is longer than {ADDRESS_LENGTH_MAX} characters")
    if _UNPRINTABLE.search(text):
        raise _bad_url("The git address contains white space or a control character")
    if text.startswith("-"):
        raise _bad_url("The git address begins with a hyphen")
    if text.startswith("/"):
        return _local(text, text, allow_local=allow_local)
    if "://" in text:
        return _validate_scheme(text, allow_local=allow_local)
    if _SCP_FORM.fullmatch(text) and not text.split(":", 1)[1].startswith("-"):
        return text
    raise _bad_url("The git address is neither http(s)://, ssh:// nor git@host:path")


def validate_branch(text: str) -> str:
    """Return `text` when git takes it as a branch. Raises InvalidRequest(INVALID_BRANCH)."""
    if not text:
        raise _bad_branch("The branch name is empty")
    if len(text) > BRANCH_LENGTH_MAX:
        raise _bad_branch(f"The branch name is longer than {BRANCH_LENGTH_MAX} characters")
    if found := _BRANCH_FORBIDDEN.search(text):
        raise _bad_branch(f"The branch name contains {found.group()!r}")
    if text in ("@", "HEAD") or text.startswith(("-", "/", "refs/")) or text.endswith(("/", ".")):
        raise _bad_branch(f"{text!r} is not a branch name")
    for part in text.split("/"):
        if part.startswith(".") or part.endswith(".lock"):
            raise _bad_branch(f"A part of the branch name is {part!r}")
    return text


def credential_line(git_url: str, *, username: str, token: str) -> str | None:
    """The line of git's credential store for an http(s) address, None for every other. Scheme
    and port stay as they are, or git would not find it (town.md 10, row 6)."""
    parts = urlsplit(git_url)
    if parts.scheme not in ("http", "https"):
        return None
    authority = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{quote(username, safe='')}:{quote(token, safe='')}@{authority}"


def _validate_scheme(text: str, *, allow_local: bool) -> str:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise _bad_url("The git address has a bad host or port") from error
    match parts.scheme:
        case "http" | "https" | "ssh":
            _check_authority(parts, port)
            return text
        case "file":
            if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
                raise _bad_url("A file:// address needs an absolute path")
            return _local(text, parts.path, allow_local=allow_local)
        case _:
            raise _bad_url(f"The scheme {parts.scheme!r} of the git address is not allowed")


def _check_authority(parts: SplitResult, port: int | None) -> None:
    host = parts.netloc.rpartition("@")[2]
    name = host[: host.rfind(":")] if port is not None else host.removesuffix(":")
    if not _HOST.fullmatch(name):
        raise _bad_url("The git address has no valid host")
    if parts.username is not None and parts.username.startswith("-"):
        raise _bad_url("The user of the git address begins with a hyphen")
    if parts.path in ("", "/"):
        raise _bad_url("The git address names no repository")
    if parts.query or parts.fragment:
        raise _bad_url("The git address has a query or a fragment")


def _local(text: str, path: str, *, allow_local: bool) -> str:
    if not allow_local:
        raise _bad_url("Local git addresses are not allowed by this server")
    if ".." in path.split("/"):
        raise _bad_url("A local git address may not climb with '..'")
    return text


def _bad_url(message: str) -> InvalidRequest:
    return InvalidRequest(ErrorCode.INVALID_GIT_URL, message)


def _bad_branch(message: str) -> InvalidRequest:
    return InvalidRequest(ErrorCode.INVALID_BRANCH, message)
