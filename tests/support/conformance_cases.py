"""The numbered cases of the specification, a line each; those that do not apply, with the reason.

Chapters are letters, and a number is given once. The tests are in tests/conformance; what this
says of a case is checked against them by tests/conformance/test_conformance_page.py.
"""

from __future__ import annotations

import msgspec

_FACETS = "facets are not in this version"
_SNAPSHOTS = "containers are processes here, without images and snapshots"


class Chapter(msgspec.Struct, frozen=True, kw_only=True):
    """The cases of one letter, by number."""

    letter: str
    title: str
    cases: dict[int, str]


IDENTITY = Chapter(
    letter="A",
    title="Identity",
    cases={
        1: "a name has the same id each time",
        2: "unique ids differ, and have no name",
        3: "an id made from its own text is the same id, without the name",
        4: "a text of the wrong length is no id: `TypeError`",
        5: "64 hex digits whose check digits are wrong are no id: `TypeError`",
        6: "an id of another class is refused: `TypeError`",
        7: "ids are compared without their names",
        8: "an object is told a name of up to 1,024 bytes",
        9: "a longer name is not told, and reaches the object all the same",
        10: "an object with a unique id is told no name",
        11: "a stub by name is a stub by id: both have an `id` and a `name`",
        12: "a location hint changes nothing",
        13: "a jurisdiction is refused; none is accepted",
        14: "an attribute set on a stub hides the method, for that stub only",
        15: "an alarm that wakes an object knows its name",
        16: "a nameless change of an alarm keeps the name that was stored",
    },
)

LIFECYCLE = Chapter(
    letter="B",
    title="Stubs and lives",
    cases={
        17: "calls at once to a cold object find one instance, in order",
        18: "after an abort a stub that was connected stays broken, a new one finds a new instance",
        19: "a stub that was not used before the abort works after it",
        20: "an exception of a handler breaks neither the stub nor the object",
        21: "the caller of an abort gets its reason, marked as a reset",
        22: "an abort without a reason has a text of its own",
        23: "an abort loses what its turn wrote, and nothing before it",
        24: "what was synced before the abort is kept",
        25: "no code runs on after an abort",
        26: "an object idle for ten seconds is made again by the next call",
        27: "a class that prevents eviction keeps its instances",
        28: "a pending interval keeps the instance, until ten seconds after it was cleared",
        29: "an interval that nobody waits for is evicted after 70 to 140 seconds",
        30: "a request in time puts the eviction off",
        31: "a constructor that throws fails its callers; the next stub constructs again",
        32: "a request waits for the critical section of the constructor",
        33: "a critical section returns the value of its callback",
        34: "a critical section that throws resets the object, and cannot be caught",
        35: "critical sections nest 64 deep; the next is refused and breaks nothing",
        36: "a critical section of more than 30 seconds is an overload and a reset",
        37: "a forced eviction loses memory and keeps storage",
        38: "an object that never ran cannot be evicted",
        39: "an eviction waits up to 30 seconds for a busy object",
        40: "work in the background ends after the response",
        41: "storage of an ended object is refused",
    },
)

INPUT_GATE = Chapter(
    letter="C",
    title="The input gate",
    cases={
        42: "the gate opens for the next one when every lock is dropped",
        43: "events wait for a critical section, and for the turn in which it ends",
        44: "critical sections made together run one after the other",
        45: "a nested section holds back the one around it",
        46: "a nested section that outlives its parent holds back the object",
        47: "a section that waits begins before events that waited longer",
        48: "a waiter that was cancelled is skipped",
        49: "a lock that outlives its section keeps the gate locked",
        50: "a nested section that fails refuses every waiter at every level",
        51: "a section that is dropped unfinished breaks the gate",
        52: "the depth counts the sections around",
        53: "a read and a write with nothing between lose no update",
        54: "between a read and a write, a `fetch` lets other events run",
        55: "a timer made in a section fires inside it",
    },
)

OUTPUT_GATE = Chapter(
    letter="D",
    title="The output gate",
    cases={
        56: "without a lock nothing waits",
        57: "a wait ends with the locks that were before it",
        58: "a later lock that ends first releases nobody",
        59: "a lock that fails breaks the gate at once, and refuses only those after it",
        60: "a lock that is cancelled breaks the gate",
        61: "a write holds the gate until it is durable",
        62: "unconfirmed writes leave the gate open",
        63: "one confirmed write among unconfirmed ones holds it",
        64: "so does an SQL write",
        65: "a commit that fails breaks the gate, also one of unconfirmed writes",
        66: "a transaction of unconfirmed writes leaves it open",
        67: "a confirmed write of a nested transaction holds it from the outer commit on",
        68: "not when the nested transaction was rolled back",
        69: "`sync` with nothing pending is done at once",
        70: "`sync` waits for unconfirmed writes too",
        71: "`sync` does not wait for later writes",
        72: "`sync` fails when the commit fails",
        73: "a frame leaves when the writes before it are durable",
        74: "an automatic response does not wait, except for frames sent before it",
        75: "a request that follows a write whose commit fails is never sent",
    },
)

STORAGE = Chapter(
    letter="E",
    title="Keys, values and transactions",
    cases={
        76: "what was put is what is read; a missing key is `None`",
        77: "a list is in the order of its keys, reversed or limited",
        78: "prefix, start (with it), end and start_after (without them)",
        79: "start with start_after, or a limit of nothing: `TypeError`",
        80: "a newer `kv.list` ends an older one",
        81: "`delete` tells what was there",
        82: "a value that is unset is left out of a map, and refused alone",
        83: "a put of several keys is stored whole or not at all",
        84: "a key of four million bytes is accepted",
        85: "what was written before an exception stays written",
        86: "a transaction returns its value, committed",
        87: "what was written before a transaction is committed before it",
        88: "a rollback reverts, and the call still returns",
        89: "an exception reverts the transaction, reaches the caller and breaks nothing",
        90: "an outer rollback reverts inner commits",
        91: "`transaction_sync` returns its value, and reverts tables too",
        92: "an inner `transaction_sync` that fails reverts only itself",
        93: "the table of keys, made in a transaction that was reverted, is made again",
        94: "an alarm set in a transaction that was reverted is none",
        95: "`delete_all` takes what the same turn put",
        96: "after `delete_all` everything starts again",
        97: "`delete_all` in a transaction is refused",
        98: "`delete_all` twice in a row",
        99: "a broken object refuses every operation with its reason",
        100: "a full database resets the object, with what was not committed",
        101: "an error of that kind cannot be swallowed in `transaction_sync`",
    },
)

SQL = Chapter(
    letter="F",
    title="SQL",
    cases={
        102: "rows as dicts and as tuples",
        103: "a cursor: one by one, all, or the only one",
        104: "blobs are bytes, NULL is `None`",
        105: "the wrong number of values is refused",
        106: "a text without a statement is refused",
        107: "of several statements the last one gives the rows",
        108: "names of the runtime cannot be used in any spelling",
        109: "BEGIN and SAVEPOINT are refused, with the name of what to use",
        110: "what a pragma may tell, and what it may not set",
        111: "a switch takes eight spellings",
        112: "quick_check of everything, of a number, of a table",
        113: "optimize and ANALYZE",
        114: "functions that are allowed, and sqlite_version that is not",
        115: "five terms in a compound SELECT, not six",
        116: "fts5 and rtree are the virtual tables",
        117: "two columns of one name: the last in a dict, both in a tuple",
        118: "an UPDATE has no columns",
        119: "two cursors of one statement at once",
        120: "nothing temporary",
        121: "a constraint fails the statement, not the object",
        122: "foreign keys are checked, or deferred within a transaction",
        123: "a deferred key that stays violated resets the object at its commit",
        124: "the size of the database follows its tables",
        125: "rows written and rows read are counted",
        126: "a statement in the cache sees a new column",
    },
)

ALARMS = Chapter(
    letter="G",
    title="Alarms",
    cases={
        127: "an alarm is what was set, or none",
        128: "it is delivered at its time, not before, and is told the instant",
        129: "the handler sees none, and leaves none",
        130: "one that was deleted is not delivered",
        131: "deleted in the handler, set and deleted: it ran once",
        132: "one set in the handler stays",
        133: "after a failure the old instant is seen",
        134: "the same instant again makes no commit",
        135: "an earlier one is told to the index before the commit",
        136: "a later one, or none, after it",
        137: "quick moves to earlier instants become one commit",
        138: "moves to later instants are followed by one, the newest",
        139: "an index that refuses an earlier instant breaks the object; a later one does no harm",
        140: "a delivery where there is no alarm is cancelled",
        141: "a delivery of another instant is cancelled and corrected",
        142: "unless the alarm is overdue: it runs",
        143: "so it does with an unconfirmed write, which is kept",
        144: "a deletion that cannot be committed breaks the object, and the alarm is not lost",
        145: "a transaction in the handler sets an alarm only by its commit",
        146: "`delete_all` deletes the alarm; the old flag that keeps it does not exist",
        147: "one set after `delete_all` is not cancelled by it",
        148: "`delete_all` in the handler leaves no alarm",
        149: "a handler that always fails runs seven times, with longer and longer gaps",
        150: "one that fails after it set another leaves only that one",
        151: "an abort may ask that there be no retry",
        152: "one set while the old one is given up is kept",
        153: "giving up an old instant keeps a new one",
        154: "failures of the host are not counted as the handler's",
        155: "alarms survive a restart; those overdue fire at once",
        156: "a class without a handler cannot set one: `TypeError`",
        157: "zero and negative instants are refused; a past one fires at once",
        158: "an alarm of a facet is an error of its parent",
    },
)

WEB_SOCKETS = Chapter(
    letter="H",
    title="WebSockets",
    cases={
        159: "a message reaches its handler, and the reply its sender",
        160: "a close is told, and the handler's code comes back",
        161: "a request after ten idle seconds finds the socket in a new instance",
        162: "so does a message",
        163: "an abort disconnects the sockets of an object that hibernates",
        164: "a loss without a close frame has code 1006",
        165: "a constructor that throws on waking closes the socket",
        166: "sockets are found by their tags, and are independent",
        167: "tags are bounded in number and length; doubles collapse",
        168: "an automatic response wakes nobody",
        169: "a socket whose event could not be delivered is listed no more",
        170: "attachments are bounded, and survive an eviction",
    },
)

CONTAINERS = Chapter(
    letter="I",
    title="Containers",
    cases={
        171: "a start is running at once, until its exit is seen",
        172: "a start while it runs is refused",
        173: "`monitor` tells the exit code, also of a program that cannot start",
        174: "`destroy` ends it with 137",
        175: "the error of a `destroy` is not that of the next run",
        176: "a port where nobody listens is named in the error",
        177: "an abort ends the container, unless it was given a timeout",
        178: "a timeout of zero: `TypeError`",
        179: "an alarm after a reset has its container",
        180: "labels are bounded, replaced, and cleared by `destroy`",
        181: "an image with a snapshot, or a bad name of an instance: `TypeError`",
        182: "a snapshot of a folder comes back as it was",
        183: "requests at once to a cold container start it once",
        184: "a start without room is 429 or tried again; without a port it fails",
        185: "an exit that nobody saw is told by the next tick, once",
        186: "what an older run says changes nothing",
        187: "a tick during a start does not stop it",
    },
)

DEVELOPMENT = Chapter(
    letter="J",
    title="Facets and tests",
    cases={
        188: "a facet that is asked for twice is one instance",
        189: "a facet that was aborted comes back, of another class, with the same data",
        190: "a facet that is deleted takes its files with it",
        191: "the name and the depth of facets are bounded",
        192: "ids of facets are the same after a restart",
        193: "an alarm can be run by a test, once",
        194: "a function in an object may return a redirect",
        195: "ids in use are listed; the index of alarms is none",
        196: "an eviction closes the sockets, or lets them hibernate",
    },
)

CHAPTERS = (
    IDENTITY,
    LIFECYCLE,
    INPUT_GATE,
    OUTPUT_GATE,
    STORAGE,
    SQL,
    ALARMS,
    WEB_SOCKETS,
    CONTAINERS,
    DEVELOPMENT,
)

DOES_NOT_APPLY = {
    158: _FACETS,
    180: "containers have no labels in this version",
    181: _SNAPSHOTS,
    182: _SNAPSHOTS,
    188: _FACETS,
    189: _FACETS,
    190: _FACETS,
    191: _FACETS,
    192: _FACETS,
}
