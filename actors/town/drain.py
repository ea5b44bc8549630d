"""Drains: a container that is told to end hands its town over (town.md 7.4, row 55).

Theory of operation. A container that gets SIGTERM says so (`begin_drain`): the town starts nothing
more and concludes nothing from silence until the drain is over. It is over by whichever comes
first: the heartbeat of another instance, the drain's nonce from another instance, the proof that
the draining instance is gone, or `drain_ms_max` (plan_town). Its flag, start, nonce and instance
are one row, written and answered in one transaction, so nobody sees a flag without its nonce.

One instance drains once: its notice again is answered as the first time, and after the end of
its drain it begins no other. Nor does one that is known as gone: that word was overtaken. The
draining instance's own beats, and its own nonce, never end the drain.
"""

from __future__ import annotations

from boomtown.actors.town.inbox import is_known_gone
from boomtown.actors.town.model import Town
from boomtown.actors.town.store_town import get_town, update_town
from boomtown.actors.town.transaction import TownTransaction
from boomtown.ids import InstanceId


def begin_drain(tx: TownTransaction, instance_id: InstanceId | None) -> Town:
    """The town as it is then: with this drain, or with the one that counts instead."""
    town = get_town(tx)
    if instance_id is not None:
        has_drained = town.drain_instance_id == instance_id
        if has_drained or is_known_gone(tx, instance_id):
            return town
    elif town.is_draining:
        return town
    update_town(
        tx,
        is_draining=True,
        drain_nonce=tx.new_id(),
        drain_started_at_ms=tx.now_ms,
        drain_instance_id=instance_id,
    )
    return get_town(tx)


def hand_over(tx: TownTransaction, instance_id: InstanceId | None) -> str | None:
    """A session of `instance_id` lives. When that is not the instance that drains, the drain is
    over: answers its nonce, which the new instance may say again; None otherwise."""
    town = get_town(tx)
    if not town.is_draining or instance_id in (None, town.drain_instance_id):
        return None
    assert instance_id is not None
    if is_known_gone(tx, instance_id):
        return None  # a late beat of an instance before
    _end_drain(tx)
    return town.drain_nonce


def clear_drain(tx: TownTransaction, *, nonce: str, instance_id: InstanceId | None) -> bool:
    """The hand-over by nonce; False when there is no drain, or the nonce or the speaker is not
    the one to end it."""
    town = get_town(tx)
    is_drained_one = instance_id is not None and instance_id == town.drain_instance_id
    if not town.is_draining or town.drain_nonce != nonce or is_drained_one:
        return False
    _end_drain(tx)
    return True


def end_drain_of(tx: TownTransaction, instance_id: InstanceId) -> bool:
    """The instance is proven gone: its drain is over, if it was the one that drained."""
    town = get_town(tx)
    if not town.is_draining or town.drain_instance_id != instance_id:
        return False
    _end_drain(tx)
    return True


def end_late_drain(tx: TownTransaction, *, started_at_ms: int) -> bool:
    """The drain that began then took too long; False when it is over already."""
    town = get_town(tx)
    if not town.is_draining or town.drain_started_at_ms != started_at_ms:
        return False
    _end_drain(tx)
    return True


def _end_drain(tx: TownTransaction) -> None:
    # The rest stays: it is how the same instance's later words are known for what they are.
    update_town(tx, is_draining=False)
