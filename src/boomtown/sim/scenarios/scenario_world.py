"""The world of one named scenario: a calm simulated town that does what a script tells it.

Theory of operation. It is a TownWorld without a load and without chaos: the real front, town,
runtime and storage, simulated containers and git, a network that loses nothing. The script is its
only person. It slings beads whose recipes say what their agents do, arms faults of containers by
point, withholds letters (courier.py), orders answers of the port (scripted_port.py), kills the
server or a container, and lets virtual time pass. What must be so it says by `expect`, which ends
the run as a finding of the kind "expectation"; the standard checkers look all the while.

After the script comes the quiet phase, with every fault lifted, as in any run: a script that wants
to say what must be so at the end calls `rest` itself and looks after that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from boomtown.container_sim import faults as container_faults
from boomtown.container_sim.boot_order import ContainerSettings
from boomtown.container_sim.model import InstanceGone
from boomtown.container_sim.sim_container import SimContainers
from boomtown.container_sim.sim_timings import SimTimings, Span
from boomtown.ids import InstanceId, TownId
from boomtown.sim.checkers.town_rows import Row, TownRows
from boomtown.sim.choices import Choices, ChosenEntropy, CountingSecrets
from boomtown.sim.faults import FaultKind
from boomtown.sim.network import LinkQuality
from boomtown.sim.scenarios.courier import Courier, Letter
from boomtown.sim.scenarios.scripted_port import PortLog
from boomtown.sim.town_server import LivingContainers, ServerParts
from boomtown.sim.town_world import TownSettings, TownWorld, Violated
from boomtown.sim.virtual_loop import VirtualLoop
from boomtown.sim.workload import ORIGIN_URL, NetworkWay, Person

SECOND_MS = 1_000
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
POLL_MS = 1_000
WAIT_MS_MAX = 15 * MINUTE_MS  # what has not come by then never comes

# Short spans, so that what a scenario waits for is what it is about; sessions outlive a poll.
QUICK = SimTimings(
    clone=Span(500, 2_000), fetch=Span(50, 500), push=Span(50, 500), work=Span(2_000, 4_000)
)

Script = Callable[["ScenarioWorld"], Awaitable[None]]


class ScenarioWorld(TownWorld):
    """One run of one scenario."""

    def __init__(
        self,
        loop: VirtualLoop,
        choices: Choices,
        *,
        script: Script,
        parts: ServerParts,
        timings: SimTimings,
    ) -> None:
        def over(containers: Any) -> Any:
            return self.port.over(parts.wrap_containers(containers))

        settings = TownSettings(
            run_ms=0,
            has_faults=False,
            network=LinkQuality(),
            parts=msgspec.structs.replace(parts, wrap_containers=over),
        )
        super().__init__(loop, choices, settings)
        self.port = PortLog(self.clock, self.faults.note)
        self.courier = Courier(self._containers_way, self.faults.note)
        self.operator = Person("", NetworkWay("", self.network, self.trace), self.clock)
        self.rig = ""
        self._script = script
        self._timings = timings

    # --- what a script does

    async def sling(self, name: str, recipe: str, *, rig: str = "") -> str:
        """A bead whose agent follows the recipe; its id. `{name}` in it is the bead's name."""
        body = f"```recipe\n{recipe.format(name=name)}```\n"
        path = f"/api/towns/{self.load.town}/rigs/{rig or self.rig}/sling"
        made = await self.operator.ask("POST", path, {"title": f"Write {name}", "body": body})
        return self._acknowledge(made["bead"]["bead_id"])

    async def sling_convoy(self, *recipes: str) -> tuple[str, list[str]]:
        """(the convoy, its beads); the last bead waits for all the others."""
        tasks: list[dict[str, Any]] = [
            {"title": f"Task {nth}", "body": f"```recipe\n{recipe.format(name=f'task-{nth}')}```\n"}
            for nth, recipe in enumerate(recipes)
        ]
        tasks[-1]["depends_on"] = list(range(len(tasks) - 1))
        made = await self.operator.ask(
            "POST",
            f"/api/mayor/{self.load.town}/tools/sling-batch",
            {"rig_id": self.rig, "convoy_title": "A convoy", "tasks": tasks},
        )
        convoy = self._acknowledge(made["convoy"]["id"])
        return convoy, [self._acknowledge(bound["bead"]["bead_id"]) for bound in made["beads"]]

    async def add_rig(self) -> str:
        """A second rig, of the same origin."""
        body = {"town_id": self.load.town, "name": "other", "git_url": ORIGIN_URL}
        made = await self.operator.ask("POST", "/api/users/local/rigs", body)
        return str(made["id"])

    async def ask_rig(self, method: str, path: str, body: object = None) -> Any:
        """The operator asks below the path of the rig."""
        base = f"/api/towns/{self.load.town}/rigs/{self.rig}"
        return await self.operator.ask(method, f"{base}/{path}", body)

    async def set_status(self, bead_id: str, status: str) -> Any:
        """The operator sets a bead's status."""
        return await self.ask_rig("PATCH", f"beads/{bead_id}/status", {"status": status})

    async def complete_review(self, review_id: str, status: str, message: str) -> Any:
        """The operator settles a review."""
        body = {"status": status, "message": message}
        return await self.ask_rig("POST", f"review-queue/{review_id}/complete", body)

    def arm(
        self, point: str, kind: container_faults.FaultKind, *, nth: int = 1, ms: int = 0
    ) -> None:
        """Have containers fail at the nth passing of the point from now."""
        self.faults.arm_container(container_faults.Fault(point=point, nth=nth, kind=kind, ms=ms))

    def arm_server(self, point: str, kind: FaultKind, *, nth: int = 1) -> None:
        """Have the machine stop at the nth passing of the point from now."""
        self.faults.arm(point, nth=nth, kind=kind)

    def kill_container(self) -> None:
        """SIGKILL to the town's control server."""
        self.faults.note("container killed")
        self._kill_container()

    def kill_server(self, kind: FaultKind) -> None:
        """Stop the server's machine or its program now; it comes back by itself."""
        self.faults.note(f"{kind.value} of the server")
        self.machine.crash(kind)

    async def advance(self, ms: int) -> None:
        """Let virtual time pass."""
        await self.operator.pause(ms)

    async def deliver(self, letter: Letter) -> Any:
        """Bring a letter to the town; its data. A refusal fails the scenario."""
        status, data = await self.courier.deliver(letter)
        self.expect(status < 300, f"{letter.verb} was answered {status}")
        return data

    async def rest(self) -> None:
        """Lift every fault and wait until every bead is final or waits for a person."""
        await self._come_to_rest()

    # --- what a script sees

    def rows(self) -> TownRows:
        """The town's tables as they are now."""
        found = self.rows_of.find_rows(self.machine.disk)
        assert found is not None, "a scenario looks at a town that is there"
        return found

    def bead(self, bead_id: str) -> Row:
        return next(row for row in self.rows().tables["beads"] if row["bead_id"] == bead_id)

    def reviews_of(self, bead_id: str) -> list[Row]:
        """The reviews of a bead, in the order of their making."""
        beads = self.rows().tables["beads"]
        found = [row for row in beads if (row["kind"], row["subject"]) == ("review", bead_id)]
        return sorted(found, key=lambda row: (row["created_at_ms"], row["bead_id"]))

    def sessions_of(self, bead_id: str) -> list[Row]:
        """The sessions of a bead, in the order of their claims."""
        found = [row for row in self.rows().tables["sessions"] if row["bead_id"] == bead_id]
        return sorted(found, key=lambda row: (row["claimed_at_ms"], row["session_id"]))

    def session(self, session_id: str) -> Row:
        rows = self.rows().tables["sessions"]
        return next(row for row in rows if row["session_id"] == session_id)

    def bodies_of(self, bead_id: str) -> int:
        """How many bodies a bead has had."""
        return sum(1 for life in self.bodies.lives() if life.bead_id == bead_id)

    def expect(self, is_so: bool, sentence: str) -> None:
        """Raises Violated with the sentence, which says what is wrong."""
        if not is_so:
            raise Violated("expectation", sentence)

    async def wait_for(self, what: str, is_so: Callable[[], bool]) -> None:
        """Let time pass until something is so. Raises Violated when it never comes."""
        until_ms = self.clock.now_ms() + WAIT_MS_MAX
        while self.machine.disk.is_stopped or not is_so():
            if self.clock.now_ms() >= until_ms:
                raise Violated("expectation", f"it never came that {what}")
            await self.advance(POLL_MS)

    async def wait_for_faults(self, count: int) -> None:
        """Let time pass until so many faults have struck."""
        await self.wait_for(f"{count} faults strike", lambda: len(self.faults.fired) >= count)

    async def wait_running(self, bead_id: str, *, number: int = 1) -> Row:
        """The bead's session of that number, once it runs."""

        def is_running() -> bool:
            sessions = self.sessions_of(bead_id)
            return len(sessions) >= number and sessions[number - 1]["state"] == "running"

        await self.wait_for(f"session {number} of {bead_id} runs", is_running)
        return self.sessions_of(bead_id)[number - 1]

    async def wait_review(self, bead_id: str, *, number: int = 1) -> Row:
        """The bead's review of that number, once it exists."""
        what = f"bead {bead_id} has review {number}"
        await self.wait_for(what, lambda: len(self.reviews_of(bead_id)) >= number)
        return self.reviews_of(bead_id)[number - 1]

    async def wait_status(self, bead_id: str, status: str) -> None:
        await self.wait_for(
            f"bead {bead_id} is {status}", lambda: self.bead(bead_id)["status"] == status
        )

    async def wait_ended(self, session_id: str) -> Row:
        """The session, once it is over."""
        what = f"session {session_id} ends"
        await self.wait_for(what, lambda: self.session(session_id)["state"] == "ended")
        return self.session(session_id)

    async def wait_body(self, bead_id: str) -> None:
        """Until the bead has had a body."""
        await self.wait_for(f"{bead_id} has a body", lambda: self.bodies_of(bead_id) > 0)

    async def wait_first_end(self, bead_id: str) -> Row:
        """The bead's first session, once it is over."""
        await self.wait_for(f"{bead_id} has a session", lambda: bool(self.sessions_of(bead_id)))
        return await self.wait_ended(self.sessions_of(bead_id)[0]["session_id"])

    def expect_status(self, bead_id: str, status: str) -> None:
        bead = self.bead(bead_id)
        self.expect(
            bead["status"] == status, f"{bead['title']} is {bead['status']} and not {status}"
        )

    def expect_starts(self, bead_id: str, count: int) -> None:
        """Of all its sessions, and no session started twice."""
        starts = self.port.starts_of(bead_id)
        self.expect(len(starts) == count, f"{len(starts)} starts were sent and not {count}")
        self.expect(len(set(starts)) == count, "a session was started twice")

    # --- what the world does by itself

    async def _be_busy(self, until_ms: int) -> None:
        self.operator = self._person("operator")
        await self.load.settle_down(self.operator)
        self.rig = self.load.rig
        await self._script(self)

    async def _come_to_rest(self) -> None:
        self.courier.lift()
        self.port.drop_orders()
        await super()._come_to_rest()

    def _make_containers(
        self,
        *,
        mint_container_token: Callable[[TownId, InstanceId], str],
        on_instance_gone: Callable[[InstanceGone], Awaitable[None]],
    ) -> LivingContainers:
        self.containers = SimContainers(
            ContainerSettings(data_dir="/data"),
            self.repositories,
            self.clock,
            ChosenEntropy(self._choices),
            CountingSecrets(),
            self.courier,
            self.faults,
            self._timings,
            mint_container_token,
            on_instance_gone,
        )
        self.bodies.watch(self.containers)
        return self.containers

    def _acknowledge(self, bead_id: Any) -> str:
        self.ledger.note("bead", str(bead_id), at_ms=self.clock.now_ms())
        return str(bead_id)


def origin_of(world: ScenarioWorld) -> set[str]:
    """The files on the default branch of the rig's origin."""
    head = world.repositories.origins[ORIGIN_URL].branches["main"]
    return set(world.repositories.get_commit(head).tree)
