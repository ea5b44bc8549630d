"""Which git addresses and branch names may be used."""

from __future__ import annotations

import subprocess

import pytest

from boomtown.container_sim.git_environment import git_environment, last_line, redact
from boomtown.container_sim.git_urls import credential_line, validate_branch, validate_git_url
from boomtown.error_codes import ErrorCode
from boomtown.errors import InvalidRequest

GOOD_URLS = [
    "https://example.com/a/b.git",
    "http://127.0.0.1:3000/a/b",
    "https://host:8443/a.git",
    "https://user@host/a.git",
    "https://[::1]:8443/a.git",
    "ssh://git@host:2222/a/b.git",
    "git@github.example:owner/name.git",
]
BAD_URLS = [
    "",
    " https://host/a",
    "https://host/a b",
    "https://host/a\n",
    "https://",
    "https:///a.git",
    "https://host",
    "https://host/",
    "https://host:port/a",
    "https://-host/a",
    "https://host/a?x=1",
    "https://host/a#x",
    "ssh://-oProxyCommand=x/a",
    "ext::sh -c true",
    "ext::true",
    "ftp://host/a",
    "git://host/a",
    "javascript:alert(1)",
    "--upload-pack=true",
    "-x",
    "host:path",
    "git@host:-path",
    "git@host",
    "relative/path",
    "../up",
    "https://host/" + "a" * 2_050,
]
LOCAL_URLS = ["file:///srv/a.git", "/srv/a.git", "file://localhost/srv/a.git"]
GOOD_BRANCHES = ["main", "gt/ash/1234abcd", "feature-1", "a.b", "a/@", "ä", "x" * 200]
BAD_BRANCHES = [
    "",
    "@",
    "HEAD",
    "-x",
    "a..b",
    "a b",
    "a~1",
    "a^",
    "a:b",
    "a?",
    "a*",
    "a[b",
    "a\\b",
    "a\x7f",
    "a\n",
    ".a",
    "a/.b",
    "a.lock",
    "a.lock/b",
    "a//b",
    "/a",
    "a/",
    "a.",
    "a@{b",
    "refs/heads/x",
    "x" * 201,
]


@pytest.mark.parametrize("text", GOOD_URLS)
def test_remote_address_is_taken_as_it_is(text: str) -> None:
    assert validate_git_url(text, allow_local=False) == text


@pytest.mark.parametrize("text", BAD_URLS)
@pytest.mark.parametrize("allow_local", [False, True])
def test_bad_address_is_refused_with_one_line(text: str, allow_local: bool) -> None:
    with pytest.raises(InvalidRequest) as caught:
        validate_git_url(text, allow_local=allow_local)
    assert caught.value.code is ErrorCode.INVALID_GIT_URL
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("text", LOCAL_URLS)
def test_local_address_needs_permission(text: str) -> None:
    assert validate_git_url(text, allow_local=True) == text
    with pytest.raises(InvalidRequest):
        validate_git_url(text, allow_local=False)


@pytest.mark.parametrize("text", ["file://host/a", "file:relative", "/a/../etc", "file:///a/../b"])
def test_local_address_is_plain_and_absolute(text: str) -> None:
    with pytest.raises(InvalidRequest):
        validate_git_url(text, allow_local=True)


@pytest.mark.parametrize("text", GOOD_BRANCHES)
def test_branch_that_git_takes_is_taken(text: str) -> None:
    assert validate_branch(text) == text
    assert subprocess.run(("git", "check-ref-format", "--branch", text)).returncode == 0


@pytest.mark.parametrize("text", BAD_BRANCHES)
def test_bad_branch_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        validate_branch(text)
    assert caught.value.code is ErrorCode.INVALID_BRANCH


def test_defect_06_credential_line_keeps_scheme_and_port() -> None:
    line = credential_line("https://host:8443/a/b.git", username="u", token="t/@")
    assert line == "https://u:t%2F%40@host:8443"
    plain = credential_line("http://old@host:3000/a", username="u", token="t")
    assert plain == "http://u:t@host:3000"
    assert credential_line("git@host:a.git", username="u", token="t") is None


def test_secrets_are_kept_out_of_messages() -> None:
    assert redact("fatal: https://me:pw@host/a: no") == "fatal: https://***@host/a: no"
    assert last_line("one\nbad ghp_abcdef0123\n\n") == "bad ***"


def test_git_environment_takes_nothing_over_but_its_own() -> None:
    base = {"GIT_DIR": "/elsewhere", "GIT_CONFIG_GLOBAL": "/home", "PATH": "/bin"}
    made = git_environment(base, author_name="A", author_email="a@b")
    assert "GIT_DIR" not in made
    assert made["GIT_CONFIG_GLOBAL"] == "/dev/null"
    assert (made["GIT_TERMINAL_PROMPT"], made["GIT_LFS_SKIP_SMUDGE"]) == ("0", "1")
    assert made["PATH"] == "/bin"
