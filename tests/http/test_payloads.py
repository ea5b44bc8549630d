"""Views as JSON."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from boomtown.actors.town import views as v
from boomtown.actors.town.model import TownConfig
from boomtown.http.payloads import payload
from boomtown.wire import decode_json, encode_json
from support.fake_town import (
    AT_ISO,
    AT_MS,
    BATCH_VIEW,
    BEAD,
    CONVOY,
    DETAIL_VIEW,
    OTHER,
    PRIME_VIEW,
    SESSION_VIEW,
    STATUS_VIEW,
    VIEWS,
)


def json_of(view: object) -> Any:
    return decode_json(encode_json(payload(view)))


def test_a_convoys_detail_is_flat() -> None:
    said = json_of(DETAIL_VIEW)
    assert said["id"] == CONVOY
    assert "convoy" not in said
    assert said["created_at"] == AT_ISO
    assert said["dependency_edges"] == [{"bead_id": BEAD, "depends_on_bead_id": OTHER}]
    assert [bead["bead_id"] for bead in said["beads"]] == [BEAD]


def test_a_batch_keeps_its_convoy_and_nested_instants_are_text() -> None:
    said = json_of(BATCH_VIEW)
    assert said["convoy"]["created_at"] == AT_ISO
    assert said["beads"][0]["agent"] is None
    assert said["beads"][0]["bead"]["created_at"] == AT_ISO


def test_the_status_snapshot_has_the_reference_systems_names() -> None:
    said = json_of(STATUS_VIEW)
    assert sorted(said) == [
        "agents",
        "alarm",
        "beads",
        "breaker",
        "draining",
        "patrol",
        "paused",
        "recentEvents",
        "reconciler",
    ]
    assert said["alarm"]["nextFireAt"] == AT_ISO
    assert said["recentEvents"][0]["created_at"] == AT_ISO
    quiet = msgspec.structs.replace(STATUS_VIEW, alarm={"nextFireAt": None, "intervalMs": 300_000})
    assert json_of(quiet)["alarm"]["nextFireAt"] is None
    strained = msgspec.structs.replace(
        STATUS_VIEW, drain_started_at=AT_MS, breaker={"openedAt": AT_MS, "probeAt": None}
    )
    assert json_of(strained)["drainStartedAt"] == AT_ISO
    assert json_of(strained)["breaker"] == {"openedAt": AT_ISO, "probeAt": None}


def test_a_rework_context_is_there_only_when_there_is_one() -> None:
    assert "rework_context" not in json_of(PRIME_VIEW)
    told = msgspec.structs.replace(PRIME_VIEW, rework_context={"feedback": "f"})
    assert json_of(told)["rework_context"] == {"feedback": "f"}


def test_an_absent_instant_stays_null_and_lists_stay_lists() -> None:
    said = json_of(SESSION_VIEW)
    assert (said["ended_at"], said["claimed_at"], said["missing"]) == (None, AT_ISO, [])


def test_settings_and_facts_are_themselves() -> None:
    assert json_of(v.ConfigView(config=TownConfig()))["approval"] == "none"
    assert json_of(v.FactsView(facts={"hooked": True})) == {"hooked": True}
    assert payload(v.NothingView()) is None


def test_no_view_shows_its_tag_or_an_instant_as_a_number() -> None:
    for kind, view in VIEWS.items():
        assert wrong_fields(json_of(view), kind.__name__) == []


def wrong_fields(value: Any, path: str) -> list[str]:
    """Paths of tags and of numeric instants; metadata is the users'."""
    if isinstance(value, list):
        return [found for item in cast(list[Any], value) for found in wrong_fields(item, path)]
    if not isinstance(value, dict) or path.endswith(".metadata"):
        return []
    found: list[str] = []
    for name, field in cast(dict[str, Any], value).items():
        if name == "view" or (name.endswith("_at") and isinstance(field, int)):
            found.append(f"{path}.{name}")
        found += wrong_fields(field, f"{path}.{name}")
    return found
