"""A forge, a town and its reviewer as real processes: what is reviewed, and what a merge ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib import request

import pytest

from support.forge_process import ForgeProcess
from support.git_origin import GitOrigin
from support.processes import DevServer, boomtown, wait_for

pytestmark = pytest.mark.system

REPO = "acme/widgets"
HANGING = "Leave a file\n```recipe\ncreate half.txt half done\nhang\n```\n"
SETTINGS = """
[limits.town]
patrol_poke_ms = 100
patrol_poll_ms = 1000
patrol_reviews_ms = 1000

[forges."{url}"]
token_file = "{token}"
git_prefixes = ["{repos}"]
"""


class Place:
    """A forge with one repository and two accounts, and a server whose towns may use it."""

    def __init__(self, folder: Path, run_id: str, stack: ExitStack) -> None:
        self.folder = folder
        self.run_id = run_id
        self.origin = GitOrigin(folder)
        owner = folder / "forge" / "repos" / "acme"
        owner.mkdir(parents=True)
        (owner / "widgets.git").symlink_to(self.origin.path)
        self.forge = ForgeProcess(folder, run_id)
        stack.callback(self.forge.end)
        self.token_file = folder / "robot-token"
        settings = SETTINGS.format(
            url=self.forge.ready["url"],
            token=self.token_file,
            repos=folder / "forge" / "repos",
        )
        (folder / "boomtown.toml").write_text(settings)
        self.server = DevServer(folder, "--port", "0", "--allow-local-git", run_id=run_id, env={})
        stack.callback(self.server.terminate)
        self.town = self.server.data("POST", "/api/users/local/towns", {"name": "boom"})["id"]
        git_url = f"{folder}/forge/repos/acme/widgets.git"
        rig = {"town_id": self.town, "name": "widgets", "git_url": git_url}
        self.rig = self.server.data("POST", "/api/users/local/rigs", rig)["id"]
        self.path = f"/api/towns/{self.town}"

    def add_token(self) -> None:
        """Of an account of its own: nobody judges their own requests."""
        key = Path(self.forge.ready["admin_key_file"]).read_text().strip()
        sent = request.Request(
            f"{self.forge.ready['url']}/_forge/tokens",
            data=json.dumps({"login": "robot", "is_bot": True}).encode(),
            headers={"Authorization": f"Bearer {key}"},
        )
        with request.urlopen(sent, timeout=30) as answer:
            self.token_file.write_text(json.loads(answer.read())["token"])

    def scm(self, verb: str) -> Any:
        """The command, on this server."""
        words = ("scm", verb, "--json", "--data-dir", str(self.server.data_dir))
        return boomtown(*words, cwd=self.folder, env={})

    def reviews(self, number: int) -> list[dict[str, Any]]:
        return self.forge.facts("review", "list", REPO, str(number))


@pytest.fixture
def place(tmp_path: Path, run_id: str) -> Iterator[Place]:
    with ExitStack() as stack:
        yield Place(tmp_path, run_id, stack)


def test_a_reviewer_posts_its_review_of_each_head_after_a_token_was_added(place: Place) -> None:
    disabled = wait_for(
        lambda: (done := place.scm("status")).returncode == 1 and done, "the observer is disabled"
    )
    assert '"state":"disabled"' in disabled.stdout
    refused = place.scm("poll")
    assert (refused.returncode, "SCM_UNAVAILABLE" in refused.stderr) == (1, True)
    place.add_token()
    assert place.scm("recheck").returncode == 0
    wait_for(lambda: place.scm("status").returncode == 0, "the observer is active")

    hired = place.server.data(
        "POST", f"{place.path}/agents", {"template": "code-review-engineer", "name": "rex"}
    )
    watched = {"repo": REPO}
    place.server.data("POST", f"{place.path}/agents/{hired['id']}/watched-repos", watched)
    head = place.origin.push_file("a.md", "a\n", branch="work")
    (pull,) = place.forge.facts("pr", "open", REPO, "--head", "work", "--title", "Add a")
    assert place.scm("poll").returncode == 0
    (review,) = wait_for(lambda: place.reviews(pull["number"]), "the review is posted")
    assert (review["verdict"], review["head_sha"]) == ("approved", head)
    again = place.origin.push_file("README.md", "mine\n", branch="work")
    place.origin.push_file("README.md", "theirs\n", branch="main")
    second = wait_for(
        lambda: len(found := place.reviews(pull["number"])) == 2 and found, "the new head's review"
    )[1]
    assert (second["verdict"], second["head_sha"]) == ("changes_requested", again)
    assert "README.md" in second["body"]
    reviewed = place.server.data("GET", f"{place.path}/agents/{hired['id']}/reviewed-prs")
    assert [row["head_sha"] for row in reviewed] == [head, again]
    assert place.server.data("GET", f"{place.path}/invariants") == []


def test_a_merged_request_ends_the_session_that_claimed_it(place: Place) -> None:
    place.add_token()
    place.scm("recheck")
    wait_for(lambda: place.scm("status").returncode == 0, "the observer is active")
    place.origin.push_file("half.md", "half\n", branch="docs/half")
    wish = {"rig_id": place.rig, "prompt": HANGING}
    session = place.server.data("POST", f"{place.path}/sessions", wish)["id"]
    one = f"{place.path}/sessions/{session}"

    def seen() -> dict[str, Any]:
        return dict(place.server.data("GET", one))

    wait_for(lambda: seen()["state"] == "running", "the session runs")
    worktree = Path(seen()["worktree"])
    (pull,) = place.forge.facts("pr", "open", REPO, "--head", "docs/half", "--title", "Half")
    status, answer = place.server.call("POST", f"{one}/claim-pr", {"pr": "99"})
    assert (status, answer["code"]) == (404, "PR_NOT_FOUND")
    claimed = place.server.data("POST", f"{one}/claim-pr", {"pr": f"#{pull['number']}"})
    assert (claimed["number"], claimed["session_id"]) == (pull["number"], session)
    place.forge.facts("pr", "merge", REPO, str(pull["number"]))
    wait_for(lambda: seen()["state"] == "ended", "the merge ends the session")
    assert (seen()["end_reason"], seen()["ended_by"]) == ("pr_merged", "observer")
    assert not worktree.exists()
    (pr,) = place.server.data("GET", f"{place.path}/prs?state=merged")
    assert pr["session_id"] == session
