"""Where tokens come from, and which forges a server knows."""

from __future__ import annotations

from pathlib import Path

from boomtown.container_sim.forge.addresses import GITHUB
from boomtown.forge_accounts import ForgeSetting, TokenSetting, sites_of

OWN = "http://forge.example:8790"


def test_a_token_is_read_anew_each_time_the_environment_first(tmp_path: Path) -> None:
    file = tmp_path / "token"
    setting = TokenSetting(token_env="FORGE_TOKEN", token_file=str(file))
    assert setting.find({}) is None
    file.write_text("from-file\n")
    assert setting.find({}) == "from-file"
    assert setting.find({"FORGE_TOKEN": "from-environment"}) == "from-environment"
    assert setting.find({"FORGE_TOKEN": ""}) == "from-file"
    file.unlink()
    assert setting.find({}) is None


def test_github_is_always_known_and_the_only_named_forge_is_meant() -> None:
    assert [site.key for site in sites_of({})] == [GITHUB]
    assert [site.key for site in sites_of({OWN: ForgeSetting()})] == [OWN, GITHUB]
    both = {OWN: ForgeSetting(), GITHUB: ForgeSetting(token_env="GH")}
    assert [site.key for site in sites_of(both)] == [GITHUB, OWN]
