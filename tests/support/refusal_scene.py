"""A town of a case's own on a shared server, and the steps that lead to a refusal.

Sessions are attached ones (decisions 31) where a living one is needed: they have no body, so
nothing runs and nothing has to be waited for.
"""

from __future__ import annotations

from typing import Any

from support.refusal_server import RefusalServer, Sent

ABSENT = "018f0000-0000-7000-8000-000000000000"  # an id of nothing
INSTANCE = "018f0000-0000-7000-8000-0000000000cc"


class Scene:
    """One town with one rig, and an operator."""

    def __init__(self, server: RefusalServer, origin: str, *, forge_url: str = "") -> None:
        self.server = server
        self.origin = origin
        self.forge_url = forge_url
        self.town = str(self.make("/api/users/local/towns", {"name": "boom"})["id"])
        self.rig = self.add_rig("app")

    # Where things are.

    @property
    def town_path(self) -> str:
        return f"/api/towns/{self.town}"

    @property
    def rig_path(self) -> str:
        return f"{self.town_path}/rigs/{self.rig}"

    @property
    def tools(self) -> str:
        return f"/api/mayor/{self.town}/tools"

    def agent_path(self, agent: str) -> str:
        """An agent's own routes."""
        return f"{self.rig_path}/agents/{agent}"

    def employee(self, agent: str) -> str:
        """The same agent in the roster."""
        return f"{self.town_path}/agents/{agent}"

    # What is asked for.

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Sent:
        """The operator's request that is to be refused."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Sent(method=method, path=path, body=body, headers=named, credential=self.server.key)

    def ask_as(self, credential: str | None, method: str, path: str, body: Any = None) -> Sent:
        """Somebody else's."""
        return Sent(method=method, path=path, body=body, credential=credential)

    def make(self, path: str, body: Any = None) -> Any:
        return self.server.data("POST", path, {} if body is None else body)

    # What is there before.

    def add_rig(self, name: str, *, git_url: str | None = None, branch: str = "main") -> str:
        body = {
            "town_id": self.town,
            "name": name,
            "git_url": git_url or self.origin,
            "default_branch": branch,
        }
        return str(self.make("/api/users/local/rigs", body)["id"])

    def hire(self, role: str, name: str | None = None, **more: Any) -> str:
        body = {"role": role, **more} | ({} if name is None else {"name": name})
        if role in ("polecat", "refinery"):
            body["rig_id"] = self.rig
        return str(self.make(f"{self.town_path}/agents", body)["id"])

    def bead(self, **more: Any) -> str:
        """A bead that the town would leave alone."""
        body = {"title": "Fix it", "labels": ["gt:held"], **more}
        return str(self.make(f"{self.rig_path}/beads", body)["bead_id"])

    def close(self, bead: str) -> None:
        self.make(f"{self.rig_path}/beads/{bead}/close")

    def attach(self, agent: str, bead: str) -> str:
        """Hook a bead for an agent; the session's id."""
        self.make(f"{self.agent_path(agent)}/hook", {"bead_id": bead})
        found = self.server.data("GET", f"{self.town_path}/sessions?bead_id={bead}")
        return str(found[-1]["id"])

    def attached(self) -> tuple[str, str]:
        """A polecat at work: its id, and its session's token."""
        agent = self.hire("polecat")
        session = self.attach(agent, self.bead())
        return agent, self.token(agent, session)

    def token(self, agent: str, session: str) -> str:
        return self.server.session_token(town=self.town, rig=self.rig, agent=agent, session=session)

    def spawn(self, **more: Any) -> str:
        """A session that is claimed, and is started by nobody: the clock stands still."""
        made = self.make(f"{self.town_path}/sessions", {"rig_id": self.rig, **more})
        return str(made["id"])

    def spawn_with_worktree(self) -> str:
        """One whose container said where it works, as far as the rows show."""
        session = self.spawn()
        where = f"worktree = '/worktrees/{session}', phase = 'bodied'"
        self.plant(f"UPDATE sessions SET {where} WHERE session_id = '{session}'")
        return session

    def work_on_forge(self, *, is_checked: bool = True) -> None:
        """From now on the rig is a clone of the forge's repository."""
        self.rig = self.add_rig("forged", git_url=f"{self.forge_url}/acme/app.git")
        if is_checked:
            self.make(f"{self.town_path}/observers/scm/recheck")

    def ask_spawn(self, **more: Any) -> Sent:
        return self.ask("POST", f"{self.town_path}/sessions", {"rig_id": self.rig, **more})

    def convoy(self, *, staged: bool) -> str:
        body = {
            "rig_id": self.rig,
            "convoy_title": "Some work",
            "tasks": [{"title": "a"}],
            "staged": staged,
        }
        return str(self.make(f"{self.tools}/sling-batch", body)["convoy"]["id"])

    def plant(self, statement: str) -> None:
        """Write into the town's tables, past all rules."""
        path = f"/api/objects/Town/{self.town}/sql"
        self.make(path, {"query": statement, "write": True})
