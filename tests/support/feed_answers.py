"""What a fake town answers of its feed."""

from __future__ import annotations

from boomtown.actors.town import commands as c
from boomtown.actors.town import views as v
from boomtown.actors.town.commands_of_feed import GetFeedCursor, ListFeedCursors, ReadFeed
from boomtown.actors.town.feed_views import (
    FeedCursorsView,
    FeedCursorView,
    FeedEventView,
    FeedPageView,
)

CURSOR = FeedCursorView(consumer="c1", seq=7, updated_at=1_800_000_000_123)


def feed_event(seq: int, topic: str = "bead.updated") -> FeedEventView:
    return FeedEventView(
        seq=seq,
        topic=topic,
        entity=topic.partition(".")[0],
        entity_id=f"e{seq}",
        rig_id=None,
        agent_id=None,
        session_id=None,
        actor="system",
        reason=None,
        payload={"n": seq},
        created_at=1_800_000_000_123,
    )


def feed_page(*seqs: int, next_seq: int | None = None) -> FeedPageView:
    last = seqs[-1] if seqs else 0
    return FeedPageView(
        events=tuple(map(feed_event, seqs)),
        head=max(last, next_seq or 0),
        oldest=1,
        next=last if next_seq is None else next_seq,
    )


def feed_answers() -> dict[type, v.View]:
    return {
        c.PutFeedCursor: CURSOR,
        c.DeleteFeedCursor: v.NothingView(),
        ReadFeed: feed_page(1),
        GetFeedCursor: CURSOR,
        ListFeedCursors: FeedCursorsView(cursors=(CURSOR,)),
    }
