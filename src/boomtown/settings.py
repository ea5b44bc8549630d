"""What a server is told: defaults, boomtown.toml, environment, flags; later ones win.

Everything is validated once, here. A key that nobody knows is an error that names it (exit
code 2), because a misspelt setting that is silently ignored is found in production.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from boomtown.actors.town.model import TownConfig
from boomtown.error_codes import ErrorCode
from boomtown.errors import InvalidRequest
from boomtown.forge_accounts import ForgeSetting
from boomtown.limits import ContainerLimits, ForgeLimits, HttpLimits, RuntimeLimits, TownLimits

DEFAULT_PORT = 8787
DEFAULT_DATA_DIR = Path(".boomtown")
CONFIG_NAME = "boomtown.toml"
ENVIRONMENT_PREFIX = "BOOMTOWN_"
EVENT_LOOPS = ("auto", "asyncio", "uvloop")
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class HarnessSetting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[harness.NAME]`: an agent program."""

    command: str  # a template with {prompt}, {prompt_file}, {bead_id}, {branch}, {worktree}
    tty: bool = False  # for a program that wants a terminal; nobody types into it


class LimitSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[limits.runtime]`, `[limits.town]`, …: any field of limits.py."""

    runtime: RuntimeLimits = RuntimeLimits()
    town: TownLimits = TownLimits()
    containers: ContainerLimits = ContainerLimits()
    http: HttpLimits = HttpLimits()
    forge: ForgeLimits = ForgeLimits()


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """One server, fully decided."""

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT  # 0: a free one
    data_dir: Path = DEFAULT_DATA_DIR
    durability: str = "full"  # or "process"
    commit_path: str = "log"  # or "files": each database syncs its own log
    event_loop: str = "auto"  # of `serve`: uvloop where it is installed; or "asyncio", "uvloop"
    no_auth: bool = False
    allow_local_git: bool = False  # file:// and absolute paths as git addresses
    is_development: bool = False  # `boomtown dev`: faults on demand; no setting of a user's
    role_templates: Path | None = None  # a folder of TOML files, beside the built-in templates
    town_defaults: TownConfig = TownConfig()
    harnesses: dict[str, HarnessSetting] = {}
    forges: dict[str, ForgeSetting] = {}  # by address
    limits: LimitSettings = LimitSettings()


class _ServerTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    host: str | None = None
    port: int | None = None
    data_dir: str | None = None
    durability: str | None = None
    commit_path: str | None = None
    event_loop: str | None = None
    no_auth: bool | None = None
    allow_local_git: bool | None = None
    role_templates: str | None = None


class _TownDefaults(TownConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """TownConfig, strict: a stored one may come from a later version, a written one may not."""


class _TownTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    defaults: _TownDefaults = _TownDefaults()


class _ConfigFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    server: _ServerTable = _ServerTable()
    town: _TownTable = _TownTable()
    harness: dict[str, HarnessSetting] = {}
    forges: dict[str, ForgeSetting] = {}
    limits: LimitSettings = LimitSettings()


def load_settings(
    *,
    flags: Mapping[str, Any],
    environment: Mapping[str, str] | None = None,
    config_file: Path | None = None,
) -> Settings:
    """Decide the settings. `flags` holds what the command line named (None: not named); without
    `config_file`, boomtown.toml of the present folder is read where there is one. Raises
    InvalidRequest(INVALID_BODY) with one line that names the key or value."""
    environment = os.environ if environment is None else environment
    file = _read_config(config_file)
    values: dict[str, Any] = {
        key: value
        for key, value in msgspec.structs.asdict(file.server).items()
        if value is not None
    }
    values |= _from_environment(environment)
    values |= {key: value for key, value in flags.items() if value is not None}
    values |= {
        "town_defaults": TownConfig(**msgspec.structs.asdict(file.town.defaults)),
        "harnesses": file.harness,
        "forges": file.forges,
        "limits": file.limits,
    }
    try:
        settings = msgspec.convert(values, Settings, strict=False, dec_hook=_path)
    except (msgspec.ValidationError, AssertionError) as error:
        raise InvalidRequest(ErrorCode.INVALID_BODY, f"settings: {error}") from error
    _check(settings)
    return settings


def _read_config(path: Path | None) -> _ConfigFile:
    path = path or Path(CONFIG_NAME)
    if not path.exists():
        return _ConfigFile()
    try:
        return msgspec.convert(tomllib.loads(path.read_text()), _ConfigFile)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, AssertionError) as error:
        raise InvalidRequest(ErrorCode.INVALID_BODY, f"{path.name}: {error}") from error


def _path(kind: type, value: object) -> object:
    """Paths are text in files and in the environment, and paths already from the command line."""
    if kind is Path and isinstance(value, str | Path):
        return Path(value)
    raise msgspec.ValidationError(f"Expected `{kind.__name__}`")


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """BOOMTOWN_PORT and its like; variables that are no server setting are not ours to judge."""
    known = _ServerTable.__struct_fields__
    return {
        field: environment[name]
        for field in known
        if (name := ENVIRONMENT_PREFIX + field.upper()) in environment
    }


def _check(settings: Settings) -> None:
    problem = None
    if not 0 <= settings.port <= 65_535:
        problem = f"port: {settings.port} is not a port"
    elif settings.durability not in ("full", "process"):
        problem = f'durability: "{settings.durability}" is neither "full" nor "process"'
    elif settings.commit_path not in ("log", "files"):
        problem = f'commit_path: "{settings.commit_path}" is neither "log" nor "files"'
    elif settings.event_loop not in EVENT_LOOPS:
        problem = f'event_loop: "{settings.event_loop}" is none of {", ".join(EVENT_LOOPS)}'
    elif settings.no_auth and settings.host not in LOOPBACK:
        problem = "no_auth: only for a server that is bound to loopback"
    if problem:
        raise InvalidRequest(ErrorCode.INVALID_BODY, f"settings: {problem}")
