"""`boomtown forge` as processes: a server on a folder, and commands that talk to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.forge_process import ForgeProcess
from support.git_origin import GitOrigin

pytestmark = pytest.mark.system

REPO = "acme/widgets"


@pytest.fixture
def origin(tmp_path: Path) -> GitOrigin:
    made = GitOrigin(tmp_path)
    owner = tmp_path / "forge" / "repos" / "acme"
    owner.mkdir(parents=True)
    (owner / "widgets.git").symlink_to(made.path)
    made.push_file("a.md", "a\n", branch="work")
    return made


@pytest.fixture
def forge(tmp_path: Path, origin: GitOrigin, run_id: str) -> Iterator[ForgeProcess]:
    process = ForgeProcess(tmp_path, run_id)
    yield process
    if process.process.poll() is None:
        assert process.end() == 0


def open_pull(forge: ForgeProcess) -> dict[str, Any]:
    words = ("--head", "work", "--title", "Do [it]")
    (pull,) = forge.facts("pr", "open", REPO, *words)
    return pull


def test_pull_request_lives_from_open_to_merge(forge: ForgeProcess, origin: GitOrigin) -> None:
    pull = open_pull(forge)
    assert (pull["number"], pull["title"], pull["head_sha"]) == (1, "Do [it]", origin.head("work"))
    assert open_pull(forge)["number"] == 1
    shown = forge.run("pr", "list", REPO)
    assert shown.stdout == "#1   open   work to main   Do [it]\n"
    (check,) = forge.facts("check", "set", REPO, "1", "test", "failed", "--log", "no")
    assert (check["status"], check["head_sha"]) == ("failed", pull["head_sha"])
    words = ("--path", "a.md", "--line", "1", "--body", "Why?")
    (thread,) = forge.facts("thread", "add", REPO, "1", *words)
    assert (thread["line"], thread["is_resolved"]) == (1, False)
    for undo in ((), ("--undo",)):
        (marked,) = forge.facts("thread", "resolve", REPO, "1", thread["thread_id"], *undo)
        assert marked["is_resolved"] is (not undo)
    assert forge.facts("review", "list", REPO, "1") == []
    (merged,) = forge.facts("pr", "merge", REPO, "1")
    assert merged["merge_sha"] == origin.head("main")
    assert forge.facts("pr", "list", REPO) == []
    (ended,) = forge.facts("pr", "list", REPO, "--state", "closed")
    assert ended["state"] == "merged"


def test_refusals_are_one_line_and_exit_1(forge: ForgeProcess, origin: GitOrigin) -> None:
    pull = open_pull(forge)
    before = origin.head("main")
    assert forge.facts("pr", "close", REPO, "1")[0]["state"] == "closed"
    for arguments, code in (
        (("pr", "merge", REPO, "1", "--sha", pull["head_sha"]), "NOT_MERGEABLE"),
        (("pr", "merge", REPO, "1", "--sha", before), "HEAD_MOVED"),
        (("pr", "merge", REPO, "2"), "NOT_FOUND"),
        (("pr", "open", REPO, "--head", "none", "--title", "No"), "REFUSED"),
        (("pr", "list", REPO, "--token", "wrong"), "UNAUTHORIZED"),
        (("pr", "list", REPO, "--url", forge.ready["url"]), "NO_TOKEN"),
    ):
        done = forge.run(*arguments, "--json")
        assert (done.returncode, done.stdout) == (1, ""), arguments
        (line,) = done.stderr.splitlines()
        assert msgspec.json.decode(line)["code"] == code
    assert origin.head("main") == before


def test_what_is_no_repository_is_usage(forge: ForgeProcess) -> None:
    for text in ("widgets", "https://gitlab.com/acme/widgets"):
        done = forge.run("pr", "list", text)
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert forge.run("check", "set", REPO, "1", "test", "fine").returncode == 2


def test_forge_that_does_not_run_is_exit_3(forge: ForgeProcess) -> None:
    open_pull(forge)
    url, token = forge.ready["url"], forge.root.joinpath("keys", "token").read_text().strip()
    by_url = ("--url", url, "--token", token)
    assert forge.facts("pr", "list", REPO, *by_url)[0]["number"] == 1
    assert forge.end() == 0
    assert forge.run("pr", "list", REPO).returncode == 3
    done = forge.run("pr", "list", REPO, *by_url)
    assert done.returncode == 3
    assert len(done.stderr.splitlines()) == 1


def test_killed_forge_keeps_what_it_said(forge: ForgeProcess, run_id: str) -> None:
    open_pull(forge)
    second = forge.run("serve", "--root", "forge", "--json")
    assert second.returncode == 1
    assert msgspec.json.decode(second.stderr)["code"] == "FORGE_IN_USE"
    forge.process.kill()
    forge.end()
    again = ForgeProcess(forge.folder, run_id)
    try:
        assert [pull["title"] for pull in again.facts("pr", "list", REPO)] == ["Do [it]"]
    finally:
        assert again.end() == 0
