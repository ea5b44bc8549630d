"""This runtime as the side that runs the scripts of single cases: twin of case_worker.js's end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from boomtown.actors import DurableObjectId, DurableObjectStub, Host, Namespace, WebSocket
from boomtown.entropy import SeededEntropy, SystemSecrets
from boomtown.testing import ManualClock
from boomtown.wire import decode_json, encode_json
from support.case_object import Case, Plain
from support.case_operations import Call, Operation, Script
from support.conformance_object import call_failure, failure
from support.conformance_values import from_tagged, to_tagged
from support.inline_backend import inline_backend

Answer = dict[str, Any]


class CaseRun:
    """One script: its ids, its stubs and its sockets by their labels."""

    def __init__(
        self, cases: Namespace, plains: Namespace, clock: ManualClock, plans: dict[str, str]
    ) -> None:
        self._cases = cases
        self._plains = plains
        self._clock = clock
        self._plans = plans
        self._ids: dict[str, DurableObjectId] = {}
        self._stubs: dict[str, DurableObjectStub] = {}
        self._clients: dict[str, WebSocket] = {}

    async def answers(self, name: str, call: Call) -> list[Answer]:
        """What one call says: one answer, or one for each that it begins together."""
        match call:
            case {"identity": steps}:
                return [await attempts(steps, self._identify)]
            case {"plan": plan}:
                self._plans[str(self._cases.id_from_name(name))] = plan
                return []
            case {"wait_ms": span_ms}:
                await self._clock.advance_ms(span_ms)
                return []
            case {"plain": True}:
                plain = self._plains.get_by_name(name)
                return [await attempts([{}], lambda _: tagged(plain.set_alarm()))]
            case _:
                return await self._call_stub(self._stub(name, call), call)

    async def _call_stub(self, stub: DurableObjectStub, call: Call) -> list[Answer]:
        match call:
            case {"sockets": steps}:
                return [await attempts(steps, lambda each: self._step(stub, each))]
            case {"together": bodies}:
                return list(await asyncio.gather(*(run(stub, body) for body in bodies)))
            case {"wait_alarm": True}:
                await self._clock.advance_ms(call["within_ms"])
                return [await answer_of(stub.alarm_results())]
            case {"operations": operations}:
                return [await run(stub, operations)]
            case _:
                return []

    def _stub(self, name: str, call: Call) -> DurableObjectStub:
        label: str | None = call.get("stub")
        if label in self._stubs:
            return self._stubs[label]
        match call.get("object"):
            case ["unique"]:
                object_id = self._cases.new_unique_id()
            case ["from_text", text]:
                object_id = self._cases.id_from_string(str(self._cases.id_from_name(text)))
            case ["named", text, times]:
                object_id = self._cases.id_from_name(text * times)
            case _:
                object_id = self._cases.id_from_name(name)
        stub = self._cases.get(object_id)
        if label is not None:
            self._stubs[label] = stub
        return stub

    async def _step(self, stub: DurableObjectStub, step: Operation) -> list[Any]:
        match step["op"]:
            case "open":
                tags = encode_json(step.get("tags", [])).decode()
                headers = {"Upgrade": "websocket", "tags": tags}
                response = await stub.fetch("http://case/", headers=headers)
                assert response.web_socket is not None
                response.web_socket.accept()
                self._clients[step["as"]] = response.web_socket
                return to_tagged(None)
            case "send":
                self._clients[step["to"]].send(from_tagged(step["value"]))
                return to_tagged(None)
            case "receive":
                client = self._clients[step["of"]]
                heard = await client.receive()
                if heard is not None:
                    return to_tagged(heard)
                event = client.close_event
                assert event is not None
                return to_tagged([event.code, event.reason, event.was_clean])
            case "close":
                self._clients[step["to"]].close(step["code"], step["reason"])
                return to_tagged(None)
            case _:
                (result,) = (await run(stub, [step]))["results"]
                if "error" in result:
                    raise {"TypeError": TypeError, "RangeError": ValueError}.get(
                        result["error"], RuntimeError
                    )(result["message"])
                value: list[Any] = result["value"]
                return value

    async def _identify(self, step: Operation) -> list[Any]:
        namespace = self._plains if step.get("of_other") else self._cases
        ids = self._ids
        match step["op"]:
            case "from_name":
                ids[step["as"]] = namespace.id_from_name(step["name"])
                return to_tagged(None)
            case "unique":
                ids[step["as"]] = namespace.new_unique_id()
                return to_tagged(None)
            case "from_text":
                text = step["text"] if "text" in step else str(ids[step["of"]])
                ids[step["as"]] = namespace.id_from_string(text)
                return to_tagged(None)
            case "from_wrong_text":
                text = str(ids[step["of"]])
                namespace.id_from_string(text[:-1] + ("1" if text.endswith("0") else "0"))
                return to_tagged(None)
            case "are_equal":
                return to_tagged(ids[step["one"]].equals(ids[step["other"]]))
            case "have_one_text":
                return to_tagged(str(ids[step["one"]]) == str(ids[step["other"]]))
            case "length":
                return to_tagged(len(str(ids[step["of"]])))
            case "name":
                return to_tagged(ids[step["of"]].name)
            case _:
                return identify_stubs(namespace, step)


def identify_stubs(namespace: Namespace, step: Operation) -> list[Any]:
    match step["op"]:
        case "unique_in":
            try:
                return to_tagged(namespace.new_unique_id(jurisdiction=step["jurisdiction"]).name)
            except ValueError:
                return to_tagged("refused")
        case "stubs":
            hint: str | None = step.get("hint")
            one = namespace.get_by_name(step["name"], location_hint=hint)
            object_id = namespace.id_from_name(step["name"])
            other = namespace.get(object_id, location_hint=hint)
            return to_tagged([one.id.equals(other.id), one.name, other.name])
        case "own_property":
            stub: Any = namespace.get_by_name(step["name"])
            stub.local = lambda: 123
            return to_tagged(stub.local())
        case name:
            raise AssertionError(f"no step {name}")


async def tagged(value: Awaitable[Any]) -> list[Any]:
    return to_tagged(await value)


async def answer_of(said: Awaitable[str]) -> Answer:
    try:
        return {"results": decode_json((await said).encode())}
    except Exception as error:
        return call_failure(error)


async def run(stub: DurableObjectStub, operations: list[Operation]) -> Answer:
    return await answer_of(stub.run(encode_json(operations).decode()))


async def attempts(
    steps: list[Operation], perform: Callable[[Operation], Awaitable[list[Any]]]
) -> Answer:
    """What each step says; one that fails does not end the others."""
    results: list[Any] = []
    for step in steps:
        try:
            results.append({"value": await perform(step)})
        except Exception as error:
            results.append(failure(error))
    return {"results": results}


class RuntimeCases:
    """This runtime, each script in objects of its own."""

    def __init__(self, host: Host, clock: ManualClock, plans: dict[str, str]) -> None:
        self._host = host
        self._clock = clock
        self._plans = plans

    async def run_case(self, name: str, calls: Script) -> list[Answer]:
        run = CaseRun(
            self._host.namespace("Case"), self._host.namespace("Plain"), self._clock, self._plans
        )
        return [answer for call in calls for answer in await run.answers(name, call)]


@asynccontextmanager
async def open_runtime_cases(folder: Path) -> AsyncGenerator[RuntimeCases]:
    """A host of the cases' classes; time passes where a script says so."""
    clock = ManualClock()
    plans: dict[str, str] = {}
    host = Host(
        classes={"Case": Case, "Plain": Plain},
        data_dir=folder,
        clock=clock,
        entropy=SeededEntropy(1),
        secrets=SystemSecrets(),
        bindings={"CLOCK": clock, "PLANS": plans},
        backend=inline_backend(folder, clock, "Case"),
    )
    async with host:
        yield RuntimeCases(host, clock, plans)
