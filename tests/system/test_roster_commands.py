"""The roster over a real server: the reproduction over HTTP, and what each command prints and does.

No command ever asks a question: all of them run here with their standard input closed.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from support.processes import DevServer, boomtown

pytestmark = pytest.mark.system


class Staff:
    """A town of a running server, spoken to by commands."""

    def __init__(self, server: DevServer, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.town = server.data("POST", "/api/users/local/towns", {"name": "boom"})["id"]
        body = {"town_id": self.town, "name": "app", "git_url": "https://example.invalid/a.git"}
        self.rig = server.data("POST", "/api/users/local/rigs", body)["id"]
        self.path = f"/api/towns/{self.town}"

    def run(self, *words: str) -> Any:
        place = ("--data-dir", str(self.server.data_dir))
        return boomtown(*words, *place, cwd=self.folder, env={})

    def ok(self, *words: str) -> str:
        done = self.run(*words)
        assert (done.returncode, done.stderr) == (0, ""), done
        return str(done.stdout)

    def agents(self) -> dict[str, Any]:
        return {agent["name"]: agent for agent in self.server.data("GET", self.path + "/agents")}

    def staff_an_architect(self) -> None:
        self.ok("hire", "--role", "mayor")
        self.ok("hire", "--template", "architect", "--name", "ann")
        for name in ("w-1", "w-2"):
            words = ("hire", "--template", "polecat", "--rig", "app", "--boss", "ann")
            self.ok(*words, "--name", name)


@pytest.fixture
def staff(server: DevServer, tmp_path: Path) -> Staff:
    return Staff(server, tmp_path)


def test_stmt_A07_the_reproduction_and_its_conflict_over_http(staff: Staff) -> None:
    call, path = staff.server.call, staff.path
    body = {"template": "code-review-engineer"}
    status, first = call("POST", path + "/agents", body)
    assert status == 201
    one = f"{path}/agents/{first['data']['id']}"
    repo = {"owner": "acme", "repo": "app"}
    assert call("POST", one + "/watched-repos", repo)[0] == 201
    assert call("POST", one + "/watched-repos", repo)[0] == 200
    rival = call("POST", path + "/agents", body)[1]["data"]["id"]
    status, refused = call("POST", f"{path}/agents/{rival}/watched-repos", repo)
    assert (status, refused["code"]) == (409, "REPO_ALREADY_WATCHED")
    assert refused["details"]["agent"] == first["data"]["id"]
    assert call("DELETE", one) == (204, None)
    assert call("DELETE", one) == (204, None)
    status, second = call("POST", path + "/agents", body)
    assert status == 201
    two = f"{path}/agents/{second['data']['id']}"
    assert call("POST", two + "/watched-repos", repo)[0] == 201
    status, gone = call("POST", one + "/watched-repos", repo)
    assert (status, gone["code"]) == (409, "AGENT_OFFBOARDED")
    assert call("GET", one)[1]["data"]["employment"] == "offboarded"
    assert call("GET", path + "/invariants")[1]["data"] == []


def test_stmt_A06_two_users_may_watch_the_same_repository(staff: Staff) -> None:
    other = staff.server.data("POST", "/api/owners", {"name": "ann"})
    assert other["name"] == "ann"
    paths = [staff.path]
    town = staff.server.data("POST", "/api/users/local/towns", {"name": "two"})["id"]
    paths.append(f"/api/towns/{town}")
    for path in paths:
        agent = staff.server.data("POST", path + "/agents", {"role": "reviewer"})["id"]
        body = {"repo": "https://github.com/acme/app.git"}
        watched = f"{path}/agents/{agent}/watched-repos"
        assert staff.server.call("POST", watched, body)[0] == 201


@pytest.mark.parametrize("remedy", [0, 1], ids=["reassign", "force"])
def test_stmt_B02_the_refusal_prints_each_worker_and_two_commands_that_work(
    staff: Staff, remedy: int
) -> None:
    staff.staff_an_architect()
    before = staff.agents()
    refused = staff.run("offboard", "ann")
    assert (refused.returncode, refused.stdout) == (1, "")
    for name in ("w-1", "w-2"):
        assert f"{before[name]['id']}  {name}  none/none" in refused.stderr
    assert "ann has 2 workers (AGENT_HAS_WORKERS)" in refused.stderr
    assert staff.agents() == before
    commands = [line for line in refused.stderr.splitlines() if line.startswith("  boomtown ")]
    assert len(commands) == 2
    words = shlex.split(commands[remedy], comments=True)[1:]
    done = boomtown(*words, cwd=staff.folder, env={})
    assert done.returncode == 0, done
    after = staff.agents()
    assert "ann" not in after
    bosses = {after[name]["boss_name"] for name in ("w-1", "w-2")}
    assert bosses == ({"Mayor"} if remedy == 0 else {"ann"})
    shown = staff.ok("roster")
    assert ("ann" in shown.split()) is (remedy == 1)


def test_stmt_B08_an_unknown_target_is_said_before_the_server_is_asked(staff: Staff) -> None:
    staff.staff_an_architect()
    for target, said in (
        ("nobody", "there is no coordinator 'nobody' to reassign to"),
        ("w-1", "there is no coordinator 'w-1' to reassign to"),
        ("ann", "ann cannot get the workers that it leaves"),
    ):
        refused = staff.run("offboard", "ann", "--reassign-to", target)
        assert (refused.returncode, refused.stderr.strip()) == (1, said)
    assert "ann" in staff.agents()


def test_stmt_B12_no_command_asks_a_question_and_both_options_are_a_usage_error(
    staff: Staff,
) -> None:
    staff.staff_an_architect()
    both = staff.run("offboard", "ann", "--reassign-to", "mayor", "--force")
    assert both.returncode == 2
    assert staff.run("hire").returncode == 2
    assert staff.run("offboard", "nobody").returncode == 1
    assert staff.run("offboard", "Mayor").returncode == 1
    assert len(staff.agents()) == 4


def test_workers_are_reassigned_and_agents_are_listed_by_commands(staff: Staff) -> None:
    staff.staff_an_architect()
    staff.ok("hire", "--template", "architect")
    assert "2 reassigned from ann to architect-2" in staff.ok(
        "reassign", "--from", "ann", "--to", "architect-2"
    )
    assert staff.agents()["w-1"]["boss_name"] == "architect-2"
    assert staff.ok("offboard", "ann").strip() == "ann has left"
    assert "ann" not in staff.ok("agent", "ls").split()
    assert "ann" in staff.ok("agent", "ls", "--include-terminated").split()
    assert "offboarded" in staff.ok("agent", "get", "ann")


def test_watches_are_kept_by_commands(staff: Staff) -> None:
    staff.ok("hire", "--template", "code-review-engineer", "--name", "rex")
    assert staff.ok("watch", "add", "rex", "acme/app").strip() == "rex watches acme/app"
    assert "acme/app" in staff.ok("watch", "ls")
    refused = staff.run("watch", "add", "rex", "not a repo")
    assert (refused.returncode, "INVALID_REPO" in refused.stderr) == (1, True)
    assert staff.ok("watch", "rm", "rex", "ACME/app").startswith("rex no longer watches")
    assert staff.ok("watch", "ls", "rex") == ""
    assert staff.run("watch", "rm", "rex", "acme/app").returncode == 1


def test_templates_are_listed_and_a_folder_adds_its_own(staff: Staff) -> None:
    names = [template["name"] for template in staff.server.data("GET", "/api/templates")]
    assert names == ["architect", "code-review-engineer", "polecat", "refinery"]
