"""Role templates: those that come with the package, and those of a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from boomtown.actors.town.templates import find_template_of, load_templates, parse_template
from boomtown.container_sim.model import AgentRole
from boomtown.errors import InvalidRequest
from boomtown.settings import load_settings

TEMPLATE = """
display_name = "Scribe"
role = "polecat"
harness = "claude"
prompt = "  Write.  "
allowed_actions = ["memory.list"]
[config]
pages = 3
"""


def test_the_package_brings_a_template_for_each_working_role() -> None:
    templates = load_templates(None)
    assert list(templates) == ["architect", "code-review-engineer", "polecat", "refinery"]
    for role in (AgentRole.ARCHITECT, AgentRole.REVIEWER, AgentRole.POLECAT, AgentRole.REFINERY):
        found = find_template_of(templates, role)
        assert found is not None
        assert found.role == role
    assert find_template_of(templates, AgentRole.MAYOR) is None


def test_a_folder_adds_templates_and_takes_the_place_of_the_packages_own(tmp_path: Path) -> None:
    (tmp_path / "scribe.toml").write_text(TEMPLATE)
    (tmp_path / "polecat.toml").write_text(TEMPLATE.replace("Scribe", "Ours"))
    (tmp_path / "notes.txt").write_text("not a template")
    templates = load_templates(tmp_path)
    assert len(templates) == 5
    scribe = templates["scribe"]
    assert (scribe.prompt, scribe.harness, scribe.config) == ("Write.", "claude", {"pages": 3})
    assert templates["polecat"].display_name == "Ours"
    assert find_template_of(templates, AgentRole.POLECAT) == templates["polecat"]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("scribe", "role = ", "scribe.toml"),
        ("scribe", TEMPLATE.replace("memory.list", "memory.burn"), "memory.burn"),
        ("scribe", TEMPLATE.replace('"polecat"', '"wizard"'), "wizard"),
        ("scribe", TEMPLATE.replace("prompt", "promt"), "promt"),
        ("scribe", TEMPLATE.replace('display_name = "Scribe"', ""), "display_name"),
        ("My Scribe", TEMPLATE, "My Scribe.toml"),
    ],
    ids=["toml", "action", "role", "unknown key", "missing key", "name"],
)
def test_what_is_wrong_with_a_template_is_said_with_its_file(
    name: str, text: str, said: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_template(name, text)
    assert said in caught.value.message
    assert f"{name}.toml" in caught.value.message


def test_the_folder_is_a_setting(tmp_path: Path) -> None:
    file = tmp_path / "boomtown.toml"
    file.write_text('[server]\nrole_templates = "roles"\n')
    settings = load_settings(flags={}, environment={}, config_file=file)
    assert settings.role_templates == Path("roles")
