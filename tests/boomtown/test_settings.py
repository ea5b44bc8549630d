"""Where a setting comes from, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from boomtown.errors import InvalidRequest
from boomtown.settings import HarnessSetting, Settings, load_settings


def write(folder: Path, text: str) -> Path:
    path = folder / "boomtown.toml"
    path.write_text(text)
    return path


def test_defaults() -> None:
    settings = load_settings(flags={}, environment={}, config_file=Path("absent.toml"))
    assert settings == Settings()
    assert (settings.host, settings.port, settings.durability) == ("127.0.0.1", 8787, "full")


def test_flags_win_over_environment_over_file(tmp_path: Path) -> None:
    file = write(tmp_path, '[server]\nport = 1\nhost = "::1"\ndurability = "process"\n')
    settings = load_settings(
        flags={"port": 3, "host": None},
        environment={"BOOMTOWN_PORT": "2", "BOOMTOWN_HOST": "localhost", "BOOMTOWN_OTHER": "x"},
        config_file=file,
    )
    assert (settings.port, settings.host, settings.durability) == (3, "localhost", "process")


def test_harnesses_limits_and_town_defaults_come_from_the_file(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        '[harness.mine]\ncommand = "agent {prompt}"\ntty = true\n'
        "[limits.town]\nheartbeat_ms = 1000\n"
        "[town.defaults]\nmax_polecats_per_rig = 2\n",
    )
    settings = load_settings(flags={}, environment={}, config_file=file)
    assert settings.harnesses["mine"] == HarnessSetting(command="agent {prompt}", tty=True)
    assert settings.limits.town.heartbeat_ms == 1_000
    assert settings.town_defaults.max_polecats_per_rig == 2


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("[server]\nprot = 1\n", "prot"),
        ("[sever]\nport = 1\n", "sever"),
        ("[server]\nport = 'x'\n", "server.port"),
        ("[limits.town]\nheartbeat_mss = 1\n", "heartbeat_mss"),
        ("[server\n", "boomtown.toml"),
        ("[server]\nport = 70000\n", "port"),
        ("[server]\ndurability = 'some'\n", "durability"),
        ("[server]\nno_auth = true\nhost = '0.0.0.0'\n", "no_auth"),
    ],
)
def test_what_nobody_knows_is_refused_by_name(tmp_path: Path, text: str, names: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        load_settings(flags={}, environment={}, config_file=write(tmp_path, text))
    assert names in refused.value.message
    assert "\n" not in refused.value.message
