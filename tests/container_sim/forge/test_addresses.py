"""Addresses of repositories: every way in which people write one, and what is none."""

from __future__ import annotations

import pytest

from boomtown.container_sim.forge.addresses import (
    GITHUB,
    ForgeSite,
    PullRequestAddress,
    RepositoryAddress,
    find_pull_request,
    find_repository,
    parse_repository,
)
from boomtown.container_sim.forge.model import RepositoryName
from boomtown.error_codes import ErrorCode
from boomtown.errors import InvalidRequest

GITHUB_SITE = ForgeSite(base_url=GITHUB)
OURS = ForgeSite(base_url="http://127.0.0.1:9000", git_prefixes=("file:///srv/forge/repos",))
COMPANY = ForgeSite(base_url="https://git.example.com/")
SITES = (GITHUB_SITE, OURS, COMPANY)


def address(site: ForgeSite, owner: str = "acme", name: str = "widgets") -> RepositoryAddress:
    return RepositoryAddress(forge=site.key, repo=RepositoryName(owner=owner, name=name))


@pytest.mark.parametrize(
    ("text", "site"),
    [
        ("acme/widgets", GITHUB_SITE),
        ("acme/widgets.git", GITHUB_SITE),
        ("https://github.com/acme/widgets", GITHUB_SITE),
        ("https://GitHub.com/acme/widgets.git", GITHUB_SITE),
        ("https://github.com/acme/widgets/", GITHUB_SITE),
        ("https://ann:secret@github.com/acme/widgets.git", GITHUB_SITE),
        ("git@github.com:acme/widgets.git", GITHUB_SITE),
        ("github.com:acme/widgets", GITHUB_SITE),
        ("ssh://git@github.com/acme/widgets.git", GITHUB_SITE),
        ("ssh://git@github.com:22/acme/widgets", GITHUB_SITE),
        ("http://127.0.0.1:9000/acme/widgets.git", OURS),
        ("file:///srv/forge/repos/acme/widgets.git", OURS),
        ("https://git.example.com/acme/widgets", COMPANY),
        ("git@git.example.com:acme/widgets.git", COMPANY),
    ],
)
def test_address_of_a_repository_is_read(text: str, site: ForgeSite) -> None:
    assert parse_repository(text, SITES, default=GITHUB_SITE) == address(site)
    is_bare = text.startswith("acme")
    assert find_repository(text, SITES) == (None if is_bare else address(site))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "owner/name"),
        ("widgets", "owner/name"),
        ("acme/widgets/more", "owner/name"),
        ("acme/..", "repository's name"),
        ("-acme/widgets", "owner's name"),
        ("acme/wid gets", "repository's name"),
        ("https://github.com/acme", "owner/name"),
        ("https://github.com/acme/widgets?tab=code", "repository's name"),
        ("https://gitlab.com/acme/widgets", "GitLab"),
        ("git@gitlab.com:acme/widgets.git", "GitLab"),
        ("https://gitlab.example.com/acme/sub/widgets.git", "GitLab"),
        ("https://elsewhere.example/acme/widgets", "elsewhere.example"),
        ("http://127.0.0.1:9001/acme/widgets", "127.0.0.1"),
        ("https://github.com.evil.example/acme/widgets", "github.com.evil.example"),
        ("/srv/acme/widgets.git", "local path"),
        ("../acme/widgets", "local path"),
        ("https://[bad/acme/widgets", "host"),
        ("acme/" + "x" * 3_000, "longer"),
    ],
)
def test_what_is_no_repository_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_repository(text, SITES, default=GITHUB_SITE)
    assert refused.value.code is ErrorCode.INVALID_REPO
    assert words in refused.value.message
    assert "\n" not in refused.value.message
    assert find_repository(text, SITES) is None


def test_case_is_kept_and_does_not_count() -> None:
    one = parse_repository("ACME/Widgets", SITES, default=GITHUB_SITE)
    other = parse_repository("git@GITHUB.com:acme/widgets", SITES, default=GITHUB_SITE)
    assert one.repo.full_name == "ACME/Widgets"
    assert one.key == other.key == "https://github.com/acme/widgets"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://github.com/acme/widgets/pull/12", (GITHUB_SITE, 12)),
        ("https://github.com/acme/widgets/pull/12/", (GITHUB_SITE, 12)),
        ("http://127.0.0.1:9000/acme/widgets/pull/1", (OURS, 1)),
        ("https://github.com/acme/widgets/pull/0", None),
        ("https://github.com/acme/widgets/pull/12/files", None),
        ("https://github.com/acme/widgets/issues/12", None),
        ("https://github.com/ac me/widgets/pull/12", None),
        ("https://gitlab.com/acme/sub/widgets/-/merge_requests/3", None),
        ("acme/widgets#12", None),
        ("junk", None),
        ("", None),
    ],
)
def test_page_of_a_pull_request_is_read(text: str, expected: tuple[ForgeSite, int] | None) -> None:
    found = find_pull_request(text, SITES)
    if expected is None:
        assert found is None
        return
    site, number = expected
    assert found == PullRequestAddress(repository=address(site), number=number)


@pytest.mark.parametrize(
    ("site", "api", "graphql"),
    [
        (GITHUB_SITE, "https://api.github.com", "https://api.github.com/graphql"),
        (OURS, "http://127.0.0.1:9000/api/v3", "http://127.0.0.1:9000/api/graphql"),
        (COMPANY, "https://git.example.com/api/v3", "https://git.example.com/api/graphql"),
    ],
)
def test_interfaces_are_where_each_kind_of_forge_has_them(
    site: ForgeSite, api: str, graphql: str
) -> None:
    assert (site.api_url, site.graphql_url) == (api, graphql)
