"""Where a repository lives, from any of the ways in which people write it.

`owner/name`, `https://HOST/owner/name(.git)`, `ssh://git@HOST/owner/name(.git)`,
`git@HOST:owner/name(.git)`; for a forge of ours also `BASE/owner/name(.git)` with its port,
and the addresses below the prefixes that its git repositories are known by. A site is told by its
host, so ports count for http(s) only. Names are kept as written and compared without regard to
case. GitLab is recognised, and refused in so many words: it has another interface.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import msgspec

from boomtown.container_sim.forge.model import RepositoryName
from boomtown.error_codes import ErrorCode
from boomtown.errors import InvalidRequest

GITHUB = "https://github.com"
ADDRESS_LENGTH_MAX = 2_048  # as for every git address

_OWNER = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?")
_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")
_SCP_FORM = re.compile(r"(?:[A-Za-z0-9_.-]+@)?(?P<host>[A-Za-z0-9.-]+):(?P<path>[^:]+)")
_WEB_USER = re.compile(r"^(https?://)[^/@]+@")  # git takes a user there, and a token
_NUMBER = re.compile(r"[1-9][0-9]{0,9}")


class ForgeSite(msgspec.Struct, frozen=True, kw_only=True):
    """A forge that a town may use, by the address of its pages. `git_prefixes` are further
    beginnings of git addresses of its repositories, up to the owner."""

    base_url: str
    git_prefixes: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Equal for two spellings of one forge; what `forge` is in rows."""
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{parts.netloc}{parts.path}".lower().rstrip("/")

    @property
    def host(self) -> str:
        return (urlsplit(self.base_url).hostname or "").lower()

    @property
    def api_url(self) -> str:
        """Where its REST interface is: GitHub has a host for it, everybody else a path."""
        if self.key == GITHUB:
            return "https://api.github.com"
        return f"{self.base_url.rstrip('/')}/api/v3"

    @property
    def graphql_url(self) -> str:
        if self.key == GITHUB:
            return "https://api.github.com/graphql"
        return f"{self.base_url.rstrip('/')}/api/graphql"


class RepositoryAddress(msgspec.Struct, frozen=True, kw_only=True):
    """A repository, and the `key` of the forge that has it."""

    forge: str
    repo: RepositoryName

    @property
    def key(self) -> str:
        """Equal for two spellings of one repository anywhere."""
        return f"{self.forge}/{self.repo.key}"


class PullRequestAddress(msgspec.Struct, frozen=True, kw_only=True):
    """A pull request by its page."""

    repository: RepositoryAddress
    number: int


def parse_repository(
    text: str, sites: tuple[ForgeSite, ...], *, default: ForgeSite
) -> RepositoryAddress:
    """The repository that somebody means; `owner/name` alone is one of `default`. Raises
    InvalidRequest(INVALID_REPO), whose message says what is wrong."""
    if len(text) > ADDRESS_LENGTH_MAX:
        raise _invalid(f"The address is longer than {ADDRESS_LENGTH_MAX} characters")
    for site in sites:
        for prefix in (site.base_url, *site.git_prefixes):
            if (path := _below(text, prefix)) is not None:
                return RepositoryAddress(forge=site.key, repo=parse_name(path))
    host, path = _split(text)
    if host == "":
        raise _invalid("A local path is not a repository of a forge")
    if host is None:
        return RepositoryAddress(forge=default.key, repo=parse_name(path))
    for site in sites:
        if host == site.host and not text.lower().startswith(("http://", "https://")):
            return RepositoryAddress(forge=site.key, repo=parse_name(path))
    if _is_gitlab(host):
        raise _invalid("GitLab repositories are not supported: the forge must be GitHub's kind")
    raise _invalid(f"No forge is configured at {host}")


def find_repository(text: str, sites: tuple[ForgeSite, ...]) -> RepositoryAddress | None:
    """The same for a rig's git address, which may well be nowhere that we know: then None."""
    try:
        if not sites or _split(text)[0] is None:
            return None
        return parse_repository(text, sites, default=sites[0])
    except InvalidRequest:
        return None


def find_pull_request(text: str, sites: tuple[ForgeSite, ...]) -> PullRequestAddress | None:
    """What a pull request's page is about; None when it is no page of a forge that we know."""
    for site in sites:
        path = _below(text, site.base_url)
        parts = [] if path is None else path.split("/")
        if len(parts) != 4 or parts[2] != "pull" or not _NUMBER.fullmatch(parts[3]):
            continue
        try:
            repo = parse_name("/".join(parts[:2]))
        except InvalidRequest:
            return None
        repository = RepositoryAddress(forge=site.key, repo=repo)
        return PullRequestAddress(repository=repository, number=int(parts[3]))
    return None


def parse_name(path: str) -> RepositoryName:
    """`owner/name`, with or without `.git`. Raises InvalidRequest(INVALID_REPO)."""
    parts = path.strip("/").split("/")
    if len(parts) != 2:
        raise _invalid("A repository is named by its owner and its name: owner/name")
    owner, name = parts[0], parts[1].removesuffix(".git")
    if not _OWNER.fullmatch(owner):
        raise _invalid(f"{owner[:100]!r} is not an owner's name")
    if not _NAME.fullmatch(name) or name in (".", ".."):
        raise _invalid(f"{name[:100]!r} is not a repository's name")
    return RepositoryName(owner=owner, name=name)


def _below(text: str, prefix: str) -> str | None:
    """What follows a prefix, when something does. The prefix's host has no case, nor has ours."""
    start = prefix.rstrip("/") + "/"
    text = _WEB_USER.sub(r"\1", text)
    if text.lower().startswith(start.lower()) and len(text) > len(start):
        return text[len(start) :].rstrip("/")
    return None


def _split(text: str) -> tuple[str | None, str]:
    """(host, path); the host is None for a bare `owner/name`, "" for a local path."""
    if "://" in text:
        try:
            parts = urlsplit(text)
        except ValueError as error:
            raise _invalid("The address has a bad host") from error
        return (parts.hostname or "").lower(), parts.path
    if text.startswith(("/", ".")):
        return "", text
    if found := _SCP_FORM.fullmatch(text):
        return found.group("host").lower(), found.group("path")
    return None, text


def _is_gitlab(host: str) -> bool:
    return host == "gitlab.com" or host.startswith("gitlab.")


def _invalid(message: str) -> InvalidRequest:
    return InvalidRequest(ErrorCode.INVALID_REPO, message)
