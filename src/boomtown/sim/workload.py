"""What people do to a simulated town: a standard load, and a ledger of what they were told.

Theory of operation. Each person is a task of the world that speaks HTTP over the lossy network,
one request at a time, and repeats it under one Idempotency-Key until it is answered: 5xx, 408,
425, 429 and silence are tried again. An answer of 2xx is an acknowledgement, and what it named
goes into the ledger at that instant: from then on no crash may take it away. A refusal (any other
4xx) of a person who did nothing wrong is a finding.

The ledger is the world's; it outlives every machine. Nothing here knows the town's storage.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import msgspec

from boomtown.clock import Clock
from boomtown.container_sim.town_calls import TownCalls
from boomtown.sim.choices import Choices
from boomtown.sim.memory_front import HttpReply, parse_reply, request_bytes
from boomtown.sim.network import Network
from boomtown.sim.run_trace import Trace
from boomtown.sim.town_server import TOWN_END
from boomtown.wire import decode_json, encode_json

CALL_MS_MAX = 10_000
PAUSE_MS = 1_000
TRY_AGAIN = (408, 425, 429)
RESULTS = ("done", "request-changes", "complete")  # the last word of such a path
SESSION_HEADER = "X-Boomtown-Session-Id"
ORIGIN_URL = "https://git.example.com/boom/app.git"
CONVOY_PERIOD_MS = 360_000
ERRAND_PERIOD_MS = 120_000

RECIPES = (
    "create src/{name}.txt {name}\ncommit Add {name}\ndone\n",
    "sleep 200\ncreate src/{name}.txt {name}\ncommit Add {name}\ndone-twice\n",
    "create src/{name}.txt {name}\ncommit Add {name}\ndone\nreview changes Say more.\n"
    "rework append src/{name}.txt more\nrework commit Say more\nrework done\n",
    "create src/{name}.txt {name}\nsleep 240\ncommit Add {name}\ndone-late 15\n",
    "create src/{name}.txt {name}\nask May I?\ncommit Add {name}\ndone\n",
    "create src/{name}.txt {name}\nsleep 45\ncommit Add {name}\nforget-done\n",
    "status cannot do it\nfail it cannot be done\n",
)
COMMON_RECIPES = 3  # the first so many are what most tasks are


class Refused(Exception):
    """The town refused what it should have done."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class Acknowledged(msgspec.Struct, frozen=True):
    """Something that the town said it has."""

    kind: str  # bead, agent, rig
    subject: str  # its id
    at_ms: int


class Ledger:
    """What the outside was told, in order."""

    def __init__(self) -> None:
        self.entries: list[Acknowledged] = []

    def note(self, kind: str, subject: str, *, at_ms: int) -> None:
        self.entries.append(Acknowledged(kind, subject, at_ms))


class NetworkWay:
    """Satisfies container_sim.town_calls.TownCalls over the simulated network."""

    def __init__(self, name: str, network: Network, trace: Trace) -> None:
        self._name = name
        self._network = network
        self._trace = trace

    async def call(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, bytes]:
        payload = request_bytes(method, path, headers, body)
        try:
            answer = await self._network.ask(
                sender=self._name, receiver=TOWN_END, payload=payload, timeout_ms=CALL_MS_MAX
            )
        except TimeoutError:
            self._trace.record("unanswered", sender=self._name, method=method, path=path)
            raise
        reply = parse_reply(answer)
        self._trace.record(
            "answered",
            sender=self._name,
            method=method,
            path=path,
            status=reply.status,
            body=zlib.crc32(reply.body),
        )
        return reply.status, reply.body


class NotedCalls:
    """Satisfies TownCalls over another way, and notes each session that sends a result, before it
    leaves."""

    def __init__(self, calls: TownCalls, note: Callable[[str], None]) -> None:
        self._calls = calls
        self._note = note

    async def call(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, bytes]:
        if path.rpartition("/")[2] in RESULTS:
            self._note(headers.get(SESSION_HEADER, ""))
        return await self._calls.call(method, path, headers, body)


class Person:
    """One client."""

    def __init__(self, name: str, way: NetworkWay, clock: Clock) -> None:
        self.key = ""
        self._name = name
        self._way = way
        self._clock = clock
        self._requests = 0

    async def ask(self, method: str, path: str, body: object = None) -> Any:
        """Ask until there is an answer; its data. Raises Refused."""
        self._requests += 1
        headers = {
            "Authorization": f"Bearer {self.key}",
            "Content-Type": "application/json",
            "Idempotency-Key": f"{self._name}-{self._requests}",
        }
        content = b"" if body is None else encode_json(body)
        while True:
            try:
                reply = HttpReply(*await self._way.call(method, path, headers, content))
            except (TimeoutError, ConnectionError):
                reply = None
            if reply is not None and reply.status < 300:
                return decode_json(reply.body)["data"] if reply.body else None
            if reply is not None and reply.status < 500 and reply.status not in TRY_AGAIN:
                text = reply.body.decode(errors="replace")
                code = str(decode_json(reply.body).get("code", ""))
                raise Refused(f"{method} {path}: {reply.status} {text[:300]}", code=code)
            await self.pause(PAUSE_MS)

    async def pause(self, ms: int) -> None:
        await self._clock.sleep_until_ms(self._clock.now_ms() + ms)


class Load:
    """The standard load: one town with one rig, convoys, and errands between them."""

    def __init__(
        self, *, clock: Clock, choices: Choices, network: Network, trace: Trace, ledger: Ledger
    ) -> None:
        self.town = ""
        self.rig = ""
        self._clock = clock
        self._choices = choices
        self._network = network
        self._trace = trace
        self._ledger = ledger

    def person(self, name: str, key: str) -> Person:
        """Somebody new, with the operator's key."""
        made = Person(name, NetworkWay(name, self._network, self._trace), self._clock)
        made.key = key
        return made

    async def settle_down(self, person: Person) -> None:
        """Make the town and its rig."""
        town = await person.ask("POST", "/api/users/local/towns", {"name": "boom"})
        self.town = town["id"]
        body = {"town_id": self.town, "name": "app", "git_url": ORIGIN_URL}
        rig = await person.ask("POST", "/api/users/local/rigs", body)
        self.rig = rig["id"]
        self._note("rig", self.rig)

    async def sling_convoys(self, person: Person, *, until_ms: int) -> None:
        """A convoy of three beads now, and again each period; the third waits for the others."""
        number = 0
        while self._clock.now_ms() < until_ms:
            number += 1
            await self.sling_convoy(person, number)
            await person.pause(CONVOY_PERIOD_MS)

    async def sling_convoy(self, person: Person, number: int, *, is_plain: bool = False) -> str:
        """One convoy; its id."""
        tasks: list[dict[str, Any]] = []
        for nth in range(3):
            name = f"file-{number}-{nth}"
            recipe = RECIPES[0] if is_plain else self._recipe()
            body = f"```recipe\n{recipe.format(name=name)}```\n"
            tasks.append({"title": f"Write {name}", "body": body})
        tasks[2]["depends_on"] = [0, 1]
        made = await person.ask(
            "POST",
            f"/api/mayor/{self.town}/tools/sling-batch",
            {"rig_id": self.rig, "convoy_title": f"Convoy {number}", "tasks": tasks},
        )
        self._note("bead", made["convoy"]["id"])
        for bead in made["beads"]:
            self._note("bead", bead["bead"]["bead_id"])
        return str(made["convoy"]["id"])

    async def run_errands(self, person: Person, *, until_ms: int) -> None:
        """An agent of a person's own: hired, hooked to a held bead, heard, done; and mail."""
        rig = f"/api/towns/{self.town}/rigs/{self.rig}"
        agent = await person.ask(
            "POST", f"{rig}/agents", {"role": "architect", "name": "ada", "identity": "app/ada"}
        )
        self._note("agent", agent["id"])
        one = f"{rig}/agents/{agent['id']}"
        number = 0
        while self._clock.now_ms() < until_ms:
            number += 1
            held = {"title": f"Held {number}", "labels": ["gt:held"]}
            bead = await person.ask("POST", f"{rig}/beads", held)
            self._note("bead", bead["bead_id"])
            await person.ask("POST", f"{one}/hook", {"bead_id": bead["bead_id"]})
            await person.ask("POST", f"{one}/heartbeat", {})
            mail = {"subject": f"Letter {number}", "body": "hello", "to_agent_id": agent["id"]}
            sent = await person.ask("POST", f"{rig}/mail", mail)
            self._note("bead", sent["id"])
            await person.pause(15_000)
            given_up = {"branch": f"ada/held-{number}", "verdict": "abandoned"}
            await person.ask("POST", f"{one}/done", given_up)
            await person.pause(15_000)
            await person.ask("POST", f"{rig}/beads/{bead['bead_id']}/close", {})
            await person.pause(ERRAND_PERIOD_MS)

    def _recipe(self) -> str:
        chosen = self._choices.pick(len(RECIPES) + COMMON_RECIPES, label="recipe")
        return RECIPES[chosen % len(RECIPES)]

    def _note(self, kind: str, subject: str) -> None:
        self._ledger.note(kind, subject, at_ms=self._clock.now_ms())
        self._trace.record("acknowledged", kind=kind, subject=subject)
