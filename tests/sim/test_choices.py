"""Choices are keyed: independent of one another, overridable, recorded."""

from __future__ import annotations

import pytest

from boomtown.sim.choices import (
    Choices,
    ChosenEntropy,
    CountingSecrets,
    format_plan,
    parse_plan,
)

PINNED_PICKS = [4, 1, 0, 3, 0, 3, 0, 0, 2, 1, 2, 0]
PINNED_BELOW = [61, 82, 57, 13, 90, 80]
PINNED_NOISE = "0c8f2d54"


def draws(choices: Choices, label: str, count: int = 50) -> list[int]:
    return [choices.pick(5, label=label) for _ in range(count)]


def test_same_seed_draws_the_same_and_another_seed_does_not() -> None:
    assert draws(Choices(seed=7), "order") == draws(Choices(seed=7), "order")
    assert draws(Choices(seed=7), "order") != draws(Choices(seed=8), "order")


def test_a_label_does_not_move_when_another_is_drawn_more_often() -> None:
    alone = draws(Choices(seed=7), "fault")
    beside = Choices(seed=7)
    draws(beside, "order", count=33)
    assert draws(beside, "fault") == alone


def test_values_are_pinned_across_versions() -> None:
    choices = Choices(seed=27)
    assert draws(choices, "order", 12) == PINNED_PICKS
    assert [choices.below(100, label="jitter") for _ in range(6)] == PINNED_BELOW
    assert choices.noise(4, label="salt").hex() == PINNED_NOISE


def test_about_a_third_of_picks_is_not_boring_and_all_values_occur() -> None:
    drawn = draws(Choices(seed=1), "order", 4_000)
    assert 1_200 < sum(1 for value in drawn if value) < 1_600
    assert set(drawn) == {0, 1, 2, 3, 4}


def test_chance_keeps_its_rate_and_its_edges() -> None:
    choices = Choices(seed=1)
    hits = sum(choices.chance(100, label="rare") for _ in range(4_000))
    assert 320 < hits < 480
    assert not any(choices.chance(0, label="never") for _ in range(500))
    assert all(choices.chance(1000, label="always") for _ in range(500))


def test_a_recorded_plan_gives_the_same_run_again() -> None:
    first = Choices(seed=3)
    wanted = draws(first, "order") + draws(first, "fault")
    again = Choices(seed=3, plan=first.taken)
    assert draws(again, "order") + draws(again, "fault") == wanted
    assert again.taken == first.taken


def test_with_a_plan_everything_else_is_boring() -> None:
    choices = Choices(seed=3, plan={("fault", 2): 9})
    assert draws(choices, "fault", 4) == [0, 0, 4, 0]  # 9 is held at the bound
    assert draws(choices, "order", 4) == [0, 0, 0, 0]


def test_noise_is_the_same_under_any_plan() -> None:
    assert Choices(seed=3).noise(8, label="id") == Choices(seed=3, plan={}).noise(8, label="id")


def test_entropy_draws_by_its_label() -> None:
    choices = Choices(seed=5)
    entropy = ChosenEntropy(choices)
    first = entropy.random_bytes(16, label="uuid")
    assert entropy.random_bytes(16, label="uuid") != first
    assert len(first) == 16
    assert 0 <= entropy.below(10, label="jitter") < 10
    assert choices.uses == {"entropy.uuid": 2, "entropy.jitter": 1}


def test_secrets_count() -> None:
    secrets = CountingSecrets()
    assert secrets.token_bytes(4) == b"\0\0\0\1"
    assert secrets.token_bytes(16) == b"\0" * 15 + b"\2"
    assert secrets.token_text(3) == "AAAD"
    assert secrets.token_bytes(0) == b""


def test_plan_text_goes_both_ways() -> None:
    plan = {("order", 3): 1, ("fault.disk.sync", 29): 2}
    assert format_plan(plan) == "fault.disk.sync.29=2,order.3=1"
    assert parse_plan(format_plan(plan)) == plan
    assert parse_plan("") == {}


@pytest.mark.parametrize("text", ["fault", "fault.x=1", "3=1", "fault.3", "fault.3=-1"])
def test_unreadable_plan_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="expected label"):
        parse_plan(text)
