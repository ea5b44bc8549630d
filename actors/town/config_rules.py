"""What a settings patch may say: RFC 7396 on the stored settings, then their shape and bounds.

A value of `env_vars` that looks like the mask under which it was shown keeps what is stored
(town.md 2.8), so that a form that was read can be written back.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

from boomtown.actors.town.merge_patch import merge_patch
from boomtown.actors.town.model import RigConfig, TownConfig
from boomtown.error_codes import ErrorCode
from boomtown.errors import InvalidRequest, Issue
from boomtown.limits import TownLimits

MASK = "****"
_MASKED = re.compile(r"\*{4}.{0,4}")
_SHOWN_TAIL_MIN = 12  # characters of a secret before its last four are shown
_DIRECT = "direct"

Config = TypeVar("Config", TownConfig, RigConfig)


def patched_town_config(
    config: TownConfig, patch: dict[str, Any], *, limits: TownLimits
) -> TownConfig:
    """Raises INVALID_BODY with the field that is wrong."""
    kept = {**patch}
    if isinstance(kept.get("env_vars"), dict):
        kept["env_vars"] = _unmasked(config.env_vars, kept["env_vars"])
    changed = _patched(config, kept, TownConfig)
    _check_bounds(changed, limits)
    return changed


def patched_rig_config(
    config: RigConfig, patch: dict[str, Any], *, limits: TownLimits
) -> RigConfig:
    """Raises INVALID_BODY with the field that is wrong."""
    changed = _patched(config, patch, RigConfig)
    _check_bounds(changed, limits)
    return changed


def masked_config(config: TownConfig) -> TownConfig:
    """The settings as they are shown: no value of `env_vars` in full."""
    shown = {
        name: MASK + (value[-4:] if len(value) >= _SHOWN_TAIL_MIN else "")
        for name, value in config.env_vars.items()
    }
    return msgspec.structs.replace(config, env_vars=shown)


def _unmasked(stored: dict[str, str], wanted: dict[str, Any]) -> dict[str, Any]:
    return {
        name: stored[name] if name in stored and _is_mask(value) else value
        for name, value in wanted.items()
    }


def _is_mask(value: object) -> bool:
    return isinstance(value, str) and _MASKED.fullmatch(value) is not None


def _patched(config: Config, patch: dict[str, Any], shape: type[Config]) -> Config:
    merged = merge_patch(msgspec.to_builtins(config), patch)
    try:
        return msgspec.convert(merged, shape)
    except msgspec.ValidationError as error:
        raise InvalidRequest(ErrorCode.INVALID_BODY, issues=(Issue("", str(error)),)) from error


def _check_bounds(config: TownConfig | RigConfig, limits: TownLimits) -> None:
    issues: list[Issue] = []
    polecats, attempts = config.max_polecats_per_rig, config.max_dispatch_attempts
    if polecats is not None and not 1 <= polecats <= limits.polecats_per_rig_max:
        issues.append(Issue("max_polecats_per_rig", f"From 1 to {limits.polecats_per_rig_max}"))
    if attempts is not None and attempts < 1:
        issues.append(Issue("max_dispatch_attempts", "At least 1"))
    if config.merge_strategy not in (None, _DIRECT):
        issues.append(Issue("merge_strategy", "Only direct is supported"))
    if config.refinery is not None and not all(config.refinery.gates):
        issues.append(Issue("refinery.gates", "A gate is a command with its arguments"))
    if issues:
        raise InvalidRequest(ErrorCode.INVALID_BODY, issues=tuple(issues))
