"""Scripts of the cases about identity, lifecycle, gates and sockets (A to D, H)."""

from __future__ import annotations

from support.case_operations import (
    ALARM_RUNS,
    BUMP,
    PAUSE,
    READ_LOG,
    SYNC,
    Script,
    block,
    call,
    get,
    identity,
    literal,
    log,
    op,
    plan,
    put,
    sockets,
    throw,
    together,
    wait_ms,
)

OWN_NAME = op("own_name")
NAMED = op("from_name", name="a name", **{"as": "one"})
ABORT = op("abort", reason="stop here")


def named_again(**fields: object) -> dict[str, object]:
    return op("from_name", name="a name", **{"as": "other"}, **fields)


def compared(what: str) -> dict[str, object]:
    return op(what, one="one", other="other")


IDENTITY: dict[int, Script] = {
    1: [identity(NAMED, named_again(), compared("are_equal"), compared("have_one_text"))],
    2: [
        identity(
            op("unique", **{"as": "one"}),
            op("unique", **{"as": "other"}),
            compared("are_equal"),
            op("name", of="one"),
            op("length", of="one"),
        )
    ],
    3: [
        identity(
            NAMED,
            op("from_text", of="one", **{"as": "other"}),
            compared("have_one_text"),
            op("name", of="one"),
            op("name", of="other"),
        )
    ],
    4: [identity(op("from_text", text="1234567", **{"as": "one"}))],
    5: [
        identity(
            NAMED,
            op("from_wrong_text", of="one"),
            op("from_text", text="0" * 64, **{"as": "other"}),
            op("from_text", text="x" * 64, **{"as": "other"}),
        )
    ],
    6: [
        identity(
            NAMED,
            op("from_text", of="one", of_other=True, **{"as": "other"}),
            named_again(of_other=True),
            compared("are_equal"),
        )
    ],
    7: [
        identity(
            NAMED,
            op("from_text", of="one", **{"as": "other"}),
            compared("are_equal"),
        )
    ],
    8: [
        call(OWN_NAME, object=["named", "short", 1]),
        call(OWN_NAME, object=["named", "n", 1024]),
    ],
    9: [call(OWN_NAME, BUMP, object=["named", "n", 1025])],
    10: [
        call(OWN_NAME, object=["unique"]),
        call(OWN_NAME, object=["from_text", "of text"]),
    ],
    11: [identity(op("stubs", name="a name"))],
    12: [identity(op("stubs", name="a name", hint="weur"))],
    13: [
        identity(op("unique_in", jurisdiction=None), op("unique_in", jurisdiction="eu")),
    ],
    14: [identity(op("own_property", name="a name"))],
    15: [
        call(op("set_alarm", at_ms=["in", 150]), SYNC),
        call(ABORT),
        wait_ms(400),
        call(op("alarm_name"), ALARM_RUNS),
    ],
}

LIFECYCLE: dict[int, Script] = {
    17: [together([BUMP], [BUMP], [BUMP])],
    18: [
        call(BUMP, stub="old"),
        call(BUMP, stub="old"),
        call(ABORT, stub="old"),
        call(BUMP, stub="old"),
        call(BUMP),
    ],
    19: [call(BUMP), {"stub": "unused"}, call(ABORT), call(BUMP, stub="unused")],
    20: [call(BUMP, stub="one"), call(throw(), stub="one"), call(BUMP, stub="one")],
    21: [call(ABORT)],
    22: [call(op("abort")), call(BUMP)],
    23: [
        call(put("kept", 1), SYNC),
        call(put("lost", 2), ABORT),
        call(get("kept"), get("lost")),
    ],
    24: [call(put("kept", 1), SYNC, ABORT), call(get("kept"))],
    25: [call(ABORT, put("never", 1)), call(get("never"))],
    31: [plan("throws"), together([BUMP], [BUMP]), call(BUMP)],
    32: [plan("waits"), together([READ_LOG], [log("later"), READ_LOG])],
    33: [call(block(put("a", 1), get("a"), BUMP))],
    34: [call(BUMP), call(block(throw())), call(BUMP)],
    35: [call(BUMP, op("nest", depth=64)), call(op("nest", depth=65)), call(BUMP)],
    40: [
        call(op("background", body=[log("done"), put("a", 1)])),
        wait_ms(100),
        call(READ_LOG, get("a")),
    ],
}

GATES: dict[int, Script] = {
    43: [together([block(PAUSE, log("section"))], [log("event")]), call(READ_LOG)],
    44: [
        call(op("sections", bodies=[[PAUSE, log("first")], [log("second")]]), READ_LOG),
    ],
    45: [
        call(
            block(
                op("block_beside", body=[PAUSE, PAUSE, PAUSE, log("nested")]),
                PAUSE,
                log("parent"),
            ),
            READ_LOG,
        )
    ],
    46: [
        together(
            [block(op("block_beside", body=[PAUSE, PAUSE, log("nested")]))],
            [log("event")],
        ),
        call(READ_LOG),
    ],
    47: [
        together(
            [op("sections", bodies=[[PAUSE, log("first")], [PAUSE, log("second")]])],
            [log("event")],
        ),
        call(READ_LOG),
    ],
    50: [together([block(block(PAUSE, throw()))], [log("event")]), call(READ_LOG)],
    53: [
        together(*([op("increment", key="n")] for _ in range(10))),
        call(get("n")),
    ],
    54: [
        together(*([op("slow_increment", key="n")] for _ in range(3))),
        call(get("n")),
    ],
    55: [
        together([block(op("timer", word="timer"), PAUSE, PAUSE, log("end"))], [log("event")]),
        call(READ_LOG),
    ],
    69: [call(SYNC)],
    70: [
        call(put("a", 1, unconfirmed=True), SYNC, ABORT),
        call(get("a")),
    ],
}

OPENED = op("open", tags=[], **{"as": "one"})


def sends(to: str, what: str | bytes) -> dict[str, object]:
    return op("send", to=to, value=literal(what))


SOCKETS: dict[int, Script] = {
    159: [
        sockets(
            OPENED,
            sends("one", "hello"),
            op("receive", of="one"),
            sends("one", b"\x01\x02"),
            op("receive", of="one"),
        )
    ],
    160: [
        sockets(
            OPENED,
            op("close", to="one", code=1000, reason="done"),
            op("receive", of="one"),
            READ_LOG,
            op("sockets_of"),
        )
    ],
    166: [
        sockets(
            op("open", tags=["red"], **{"as": "red"}),
            op("open", tags=["blue"], **{"as": "blue"}),
            op("open", tags=["red", "blue"], **{"as": "both"}),
            op("sockets_of", tag="red"),
            op("sockets_of", tag="green"),
            op("broadcast", text="to red", tag="red"),
            op("broadcast", text="to all"),
            *(op("receive", of=label) for label in ("red", "red", "blue", "both", "both")),
            sends("blue", "alone"),
            op("receive", of="blue"),
        )
    ],
    167: [
        sockets(
            op("open", tags=[str(number) for number in range(11)], **{"as": "many"}),
            op("open", tags=["t" * 257], **{"as": "long"}),
            op("sockets_of"),
            op("open", tags=["a", "a", *"bcdefghij"], **{"as": "doubled"}),
            op("broadcast", text="x"),
        )
    ],
    168: [
        sockets(
            OPENED,
            op("auto_response", request="ping", response="pong"),
            sends("one", "ping"),
            op("receive", of="one"),
            sends("one", "ping "),
            op("receive", of="one"),
        )
    ],
    170: [
        sockets(
            OPENED,
            op("attached"),
            op("attach", times=16_385),
            op("attached"),
            op("attach", value=literal("kept")),
            op("attached"),
        )
    ],
}

CASES: dict[int, Script] = {
    **IDENTITY,
    **LIFECYCLE,
    **GATES,
    **SOCKETS,
}
