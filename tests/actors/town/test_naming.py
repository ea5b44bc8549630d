"""naming: branches that git takes, names that do not collide."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boomtown.actors.town.naming import (
    POLECAT_NAMES,
    feature_branch,
    identity_of,
    next_polecat_name,
    slug,
    work_branch,
)
from boomtown.container_sim.model import AgentRole
from boomtown.ids import BeadId, RigId, TownId

BEAD = BeadId("01890a5d-ac96-774b-bcce-b302099a8057")
CONVOY = BeadId("01890a5d-ac96-774b-bcce-b3020000beef")

# git-check-ref-format(1): what no ref may hold.
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//")


def is_valid_ref(name: str) -> bool:
    components = name.split("/")
    return (
        _FORBIDDEN.search(name) is None
        and name != "@"
        and not name.endswith(".")
        and all(
            part and not part.startswith((".", "-")) and not part.endswith(".lock")
            for part in components
        )
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Add a login page", "add-a-login-page"),
        ("  --Fix:: the BUG!!  ", "fix-the-bug"),
        ("Größe über 9000", "grosse-uber-9000"),
        ("../../etc/passwd", "etc-passwd"),
        ("a.lock", "a-lock"),
        ("日本", "nothing"),
        ("", "nothing"),
        ("x" * 60, "x" * 40),
        ("y" * 39 + " z", "y" * 39),
    ],
)
def test_slug_of(text: str, expected: str) -> None:
    assert slug(text, fallback="nothing") == expected


@given(st.text())
def test_branches_of_any_title_and_name_are_refs(text: str) -> None:
    head = feature_branch(text, CONVOY)
    own = work_branch(agent_name=text, bead_id=BEAD, feature_branch=None)
    beside = work_branch(agent_name=text, bead_id=BEAD, feature_branch=head)
    assert all(is_valid_ref(name) for name in (head, own, beside))
    # A ref cannot be a file and a folder at once.
    assert not beside.startswith(f"{head}/")
    assert not head.startswith(f"{beside}/")


def test_ref_check_of_this_test_can_fail() -> None:
    assert not any(is_valid_ref(name) for name in ("a..b", "a/", "-a", "a b", "a.lock", "a/.b"))


def test_branches_are_named_after_agent_bead_and_convoy() -> None:
    head = feature_branch("Login page", CONVOY)
    assert head == "convoy/login-page/0000beef/head"
    assert work_branch(agent_name="Alder", bead_id=BEAD, feature_branch=None) == "gt/alder/099a8057"
    beside = work_branch(agent_name="Alder", bead_id=BEAD, feature_branch=head)
    assert beside == "convoy/login-page/0000beef/gt/alder/099a8057"


def test_feature_branch_that_a_person_named_has_no_siblings() -> None:
    own = work_branch(agent_name="Alder", bead_id=BEAD, feature_branch="feature/login")
    assert own == "gt/alder/099a8057"


def test_names_are_our_own_and_many() -> None:
    assert len(POLECAT_NAMES) >= 40
    assert len({slug(name, fallback="") for name in POLECAT_NAMES}) == len(POLECAT_NAMES)


def test_row_78_names_do_not_repeat_after_a_deletion() -> None:
    taken: list[str] = []
    for _ in range(len(POLECAT_NAMES) + 2):
        taken.append(next_polecat_name(taken))
    assert len(set(taken)) == len(taken)
    assert taken[-2:] == [f"Polecat-{len(taken) - 1}", f"Polecat-{len(taken)}"]
    taken.remove("Cedar")
    assert next_polecat_name(taken) == "Cedar"
    taken.append("Cedar")
    assert next_polecat_name(taken) not in taken


def test_identity_names_agent_rig_and_town() -> None:
    town = TownId("town-0000000a")
    polecat = identity_of(
        name="Alder", role=AgentRole.POLECAT, rig_id=RigId("rig-0000000b"), town_id=town
    )
    assert polecat == "Alder-polecat-0000000b@0000000a"
    mayor = identity_of(name="Mayor", role=AgentRole.MAYOR, rig_id=None, town_id=town)
    assert mayor == "mayor-0000000a"
