"""Reading the feed, keeping one's place in it, and what retention and rollbacks take."""

from __future__ import annotations

import pytest

from boomtown.actors.town.commands import Caller, CallerKind
from boomtown.actors.town.commands_of_feed import (
    DeleteFeedCursor,
    GetFeedCursor,
    ListFeedCursors,
    PutFeedCursor,
    ReadFeed,
)
from boomtown.actors.town.feed_cursors import (
    answer_feed,
    handle_delete_cursor,
    handle_put_cursor,
)
from boomtown.actors.town.feed_invariants import (
    EVERY_CHANGE_HAS_ITS_TRIGGER,
    FEED_IS_PRUNED_BY_RETENTION,
    SEQ_IS_NEVER_REUSED,
    check_feed,
)
from boomtown.actors.town.feed_log import (
    append_tombstone,
    forget_session_rows,
    prune_feed,
    read_facts,
    read_page,
)
from boomtown.actors.town.feed_speaker import feed_actor
from boomtown.actors.town.feed_views import FeedCursorsView, FeedCursorView
from boomtown.actors.town.transaction import TownTransaction
from boomtown.errors import BoomtownError
from boomtown.ids import AgentId, InstanceId, RigId, SessionId
from boomtown.limits import TownLimits
from support.feed_rows import (
    head,
    insert_agent,
    insert_bead,
    insert_session,
    open_feed,
    told,
    topics,
)
from support.town_database import later

OPERATOR = Caller(kind=CallerKind.OPERATOR, user_id="ann")
DAY_MS = 86_400_000


@pytest.fixture
def tx() -> TownTransaction:
    return open_feed()


def put(tx: TownTransaction, seq: int, *, name: str = "c", rewind: bool = False) -> int:
    command = PutFeedCursor(consumer=name, seq=seq, rewind=rewind)
    return handle_put_cursor(tx, OPERATOR, command).seq


def beads(tx: TownTransaction, count: int, *, first: int = 0) -> None:
    for number in range(first, first + count):
        insert_bead(tx, f"b{number}")


def code_of(refused: pytest.ExceptionInfo[BoomtownError]) -> str:
    return refused.value.code.value


def test_pages_go_on_where_the_last_one_ended(tx: TownTransaction) -> None:
    beads(tx, 5)
    seen: list[int] = []
    after = 0
    while after < head(tx):
        page = read_page(tx, ReadFeed(after=after, limit=2))
        seen += [event.seq for event in page.events]
        after = page.next
    assert seen == [1, 2, 3, 4, 5]
    assert read_page(tx, ReadFeed(after=5, limit=2)).next == 5


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_i12_a_filter_leaves_out_events_and_never_the_cursor(
    tx: TownTransaction, limit: int
) -> None:
    insert_agent(tx)
    beads(tx, 3)
    insert_agent(tx, "a2")
    beads(tx, 2, first=3)
    seen: list[str] = []
    after = 0
    while after < head(tx):
        page = read_page(tx, ReadFeed(after=after, limit=limit, topic="agent"))
        seen += [event.entity_id for event in page.events]
        assert page.next > after
        after = page.next
    assert seen == ["a1", "a2"]


def test_a_topic_is_a_whole_word(tx: TownTransaction) -> None:
    insert_agent(tx)
    tx.run("UPDATE agents SET status_message = 'x'")
    beads(tx, 1)

    def found(topic: str) -> list[str]:
        page = read_page(tx, ReadFeed(after=0, limit=10, topic=topic))
        return [event.topic for event in page.events]

    assert found("agent") == ["agent.created", "agent.updated"]
    assert found("agent.updated") == ["agent.updated"]
    assert found("age") == []


def test_one_agents_changes_can_be_read_alone(tx: TownTransaction) -> None:
    insert_agent(tx)
    insert_agent(tx, "a2")
    insert_session(tx, "s1", agent_id="a2")
    page = read_page(tx, ReadFeed(after=0, limit=10, agent_id=AgentId("a2")))
    assert [event.topic for event in page.events] == ["agent.created", "session.created"]


def test_a_cursor_past_the_newest_is_refused_with_where_that_is(tx: TownTransaction) -> None:
    beads(tx, 2)
    with pytest.raises(BoomtownError) as refused:
        read_page(tx, ReadFeed(after=3, limit=1))
    assert (code_of(refused), refused.value.details) == ("CURSOR_AHEAD", {"head": 2})
    with pytest.raises(BoomtownError) as refused:
        put(tx, 3)
    assert code_of(refused) == "CURSOR_AHEAD"
    with pytest.raises(BoomtownError) as refused:
        put(tx, -1)
    assert code_of(refused) == "INVALID_CURSOR"


def test_a_cursor_only_moves_forward_unless_it_is_told_otherwise(tx: TownTransaction) -> None:
    beads(tx, 9)
    assert put(tx, 5) == 5
    assert put(tx, 3) == 5
    assert put(tx, 8) == 8
    assert put(tx, 2, rewind=True) == 2
    assert answer_feed(tx, GetFeedCursor(consumer="c")) == FeedCursorView(
        consumer="c", seq=2, updated_at=tx.now_ms
    )


def test_cursors_are_listed_deleted_and_unknown_afterwards(tx: TownTransaction) -> None:
    put(tx, 0, name="b")
    put(tx, 0, name="a")
    listed = answer_feed(tx, ListFeedCursors())
    assert isinstance(listed, FeedCursorsView)
    assert [cursor.consumer for cursor in listed.cursors] == ["a", "b"]
    handle_delete_cursor(tx, OPERATOR, DeleteFeedCursor(consumer="a"))
    with pytest.raises(BoomtownError) as refused:
        answer_feed(tx, GetFeedCursor(consumer="a"))
    assert code_of(refused) == "CURSOR_NOT_FOUND"
    with pytest.raises(BoomtownError) as refused:
        handle_delete_cursor(tx, OPERATOR, DeleteFeedCursor(consumer="a"))
    assert code_of(refused) == "CURSOR_NOT_FOUND"


@pytest.mark.parametrize("name", ["", "a b", "../x", "x" * 101])
def test_a_cursors_name_is_plain(tx: TownTransaction, name: str) -> None:
    with pytest.raises(BoomtownError) as refused:
        put(tx, 0, name=name)
    assert code_of(refused) == "INVALID_CURSOR"


def test_there_are_only_so_many_cursors() -> None:
    tx = open_feed(limits=TownLimits(feed_cursors_max=2))
    put(tx, 0, name="a")
    put(tx, 0, name="b")
    put(tx, 0, name="b")
    with pytest.raises(BoomtownError) as refused:
        put(tx, 0, name="c")
    assert code_of(refused) == "OVERLOADED"


def test_retention_takes_what_is_old_and_a_bounded_number_at_once() -> None:
    tx = open_feed(limits=TownLimits(feed_prune_rows_max=4))
    beads(tx, 6)
    fresh = later(tx, 8 * DAY_MS)
    beads(fresh, 2, first=6)
    assert prune_feed(fresh) == 4
    assert prune_feed(fresh) == 6
    assert prune_feed(fresh) == 6
    assert [event.seq for event in told(fresh, after=6)] == [7, 8]


def test_retention_takes_what_is_too_many() -> None:
    tx = open_feed(limits=TownLimits(feed_rows_max=3))
    beads(tx, 5)
    assert prune_feed(tx) == 2


def test_a_cursor_in_use_holds_retention_back_and_a_forgotten_one_does_not(
    tx: TownTransaction,
) -> None:
    beads(tx, 5)
    old = later(tx, 8 * DAY_MS)
    put(old, 2)
    assert prune_feed(old) == 2
    assert prune_feed(later(old, DAY_MS - 1)) == 2
    assert prune_feed(later(old, DAY_MS)) == 5


def test_a_place_that_retention_passed_is_gone_and_says_what_is_left(tx: TownTransaction) -> None:
    beads(tx, 3)
    old = later(tx, 8 * DAY_MS)
    beads(old, 1, first=3)
    prune_feed(old)
    for after in (0, 2):
        with pytest.raises(BoomtownError) as refused:
            read_page(old, ReadFeed(after=after, limit=1))
        assert code_of(refused) == "CURSOR_EXPIRED"
        assert (refused.value.details["oldest"], refused.value.details["head"]) == (4, 4)
        assert refused.value.details["snapshot"]
    page = read_page(old, ReadFeed(after=3, limit=5))
    assert ([event.seq for event in page.events], page.oldest) == ([4], 4)
    with pytest.raises(BoomtownError) as refused:
        put(old, 1, rewind=True)
    assert code_of(refused) == "CURSOR_EXPIRED"


def test_i12_a_number_is_not_given_again_after_everything_is_gone(tx: TownTransaction) -> None:
    beads(tx, 3)
    old = later(tx, 8 * DAY_MS)
    prune_feed(old)
    assert head(old) == 3
    beads(old, 1, first=3)
    assert [event.seq for event in told(old, after=3)] == [4]


def test_i11_a_seeds_rows_are_taken_back_and_only_they(tx: TownTransaction) -> None:
    insert_agent(tx)
    insert_session(tx, "s0")
    tx.run("UPDATE sessions SET state = 'ended', ended_at_ms = 1 WHERE session_id = 's0'")
    insert_agent(tx, "a2")
    insert_session(tx, "s1", agent_id="a2")
    seen_by_a_client = head(tx)
    forget_session_rows(tx, SessionId("s1"))
    tx.run("DELETE FROM sessions WHERE session_id = 's1'")
    append_tombstone(
        tx,
        topic="session.rolled_back",
        entity="session",
        entity_id="s1",
        rig_id=RigId("r1"),
        payload={"session_id": "s1"},
    )
    assert topics(tx) == [
        "agent.created",
        "session.created",
        "session.updated",
        "agent.created",
        "session.rolled_back",
    ]
    (tombstone,) = told(tx, after=seen_by_a_client)
    assert (tombstone.agent_id, tombstone.session_id, tombstone.entity_id) == (None, None, "s1")
    assert (tombstone.actor, tombstone.rig_id) == ("operator:ann", "r1")


def test_a_tombstone_wakes_those_who_wait() -> None:
    woken: list[str] = []
    tx = open_feed(notify=lambda: woken.append("x"))
    append_tombstone(tx, topic="t.x", entity="t", entity_id="1", rig_id=None, payload={})
    assert woken == ["x"]


def test_a_healthy_feed_violates_nothing(tx: TownTransaction) -> None:
    assert check_feed(read_facts(tx)) == ()
    beads(tx, 2)
    put(tx, 2)
    assert check_feed(read_facts(tx)) == ()


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("DROP TRIGGER feed_of_beads_updated", EVERY_CHANGE_HAS_ITS_TRIGGER),
        ("UPDATE feed_state SET pruned_seq = 1", FEED_IS_PRUNED_BY_RETENTION),
        ("UPDATE feed_state SET pruned_seq = 9", FEED_IS_PRUNED_BY_RETENTION),
        ("UPDATE feed_cursors SET seq = 9", SEQ_IS_NEVER_REUSED),
        ("UPDATE sqlite_sequence SET seq = 1 WHERE name = 'feed_log'", SEQ_IS_NEVER_REUSED),
    ],
)
def test_what_cannot_be_is_found(tx: TownTransaction, statement: str, name: str) -> None:
    beads(tx, 2)
    put(tx, 2)
    tx.run(statement)
    assert name in [violation.name for violation in check_feed(read_facts(tx))]


def test_actors_are_named_by_what_they_are() -> None:
    callers = [
        OPERATOR,
        Caller(kind=CallerKind.SESSION, user_id="ann", session_id=SessionId("s")),
        Caller(kind=CallerKind.CONTAINER, user_id="ann", instance_id=InstanceId("i")),
        Caller(kind=CallerKind.SYSTEM, user_id="ann"),
    ]
    assert [feed_actor(caller) for caller in callers] == [
        "operator:ann",
        "session:s",
        "container:i",
        "system",
    ]
