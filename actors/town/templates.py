"""Role templates: what an employee of some role is, may do, and is told.

A template is a TOML file, named as the file: those of this package, and those of the folder that
the settings name, where one of the same name takes the package's place. All are read and checked
once, when the server starts; a template that names an action nobody knows is an error there, not
a refusal at night. A row of `agents` keeps the template's name only, so that a policy that was
tightened holds for those who were hired before.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from boomtown.actors.town.gateway_actions import GatewayAction
from boomtown.container_sim.model import AgentRole
from boomtown.error_codes import ErrorCode
from boomtown.errors import InvalidRequest

TEMPLATE_NAME = re.compile(r"[a-z][a-z0-9-]{0,63}")
_FOLDER = "role_templates"
_SUFFIX = ".toml"


class RoleTemplate(msgspec.Struct, frozen=True, kw_only=True):
    """`config` is what a hire starts from; the hire's own keys win."""

    name: str
    display_name: str
    role: AgentRole
    prompt: str
    harness: str | None  # None: the rig's
    allowed_actions: tuple[GatewayAction, ...]
    config: dict[str, Any]


Templates = Mapping[str, RoleTemplate]


class _TemplateFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    display_name: str
    role: AgentRole
    prompt: str
    harness: str = ""  # "": the rig's
    allowed_actions: tuple[GatewayAction, ...] = ()
    config: dict[str, Any] = {}


def load_templates(folder: Path | None) -> dict[str, RoleTemplate]:
    """All templates by name, in the order of their names. Raises InvalidRequest(INVALID_BODY) with
    one line that names the file and what is wrong with it."""
    texts: dict[str, str] = {}
    for entry in resources.files(__package__ or "").joinpath(_FOLDER).iterdir():
        if entry.name.endswith(_SUFFIX):
            texts[entry.name.removesuffix(_SUFFIX)] = entry.read_text("utf-8")
    if folder is not None:
        texts |= _texts_of(folder)
    return {name: parse_template(name, texts[name]) for name in sorted(texts)}


def parse_template(name: str, text: str) -> RoleTemplate:
    """One file's template. Raises InvalidRequest(INVALID_BODY)."""
    if not TEMPLATE_NAME.fullmatch(name):
        raise _invalid(name, "the name must be lower-case letters, digits and hyphens")
    try:
        file = msgspec.convert(tomllib.loads(text), _TemplateFile)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise _invalid(name, str(error)) from error
    return RoleTemplate(
        name=name,
        display_name=file.display_name,
        role=file.role,
        prompt=file.prompt.strip(),
        harness=file.harness or None,
        allowed_actions=file.allowed_actions,
        config=file.config,
    )


def find_template_of(templates: Templates, role: AgentRole) -> RoleTemplate | None:
    """The one called as the role, else the first of that role by name: the template of whoever
    was hired, or made by the town, by role alone."""
    named = templates.get(role.value)
    if named is not None and named.role == role:
        return named
    return next((found for found in templates.values() if found.role == role), None)


def find_template_for(
    templates: Templates, *, named: str | None, role: AgentRole
) -> RoleTemplate | None:
    """What an agent goes by: the template of its hire, else its role's. None where the template
    is not there any more: then nothing is allowed."""
    return templates.get(named) if named is not None else find_template_of(templates, role)


def _texts_of(folder: Path) -> dict[str, str]:
    try:
        return {path.stem: path.read_text("utf-8") for path in sorted(folder.glob(f"*{_SUFFIX}"))}
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(ErrorCode.INVALID_BODY, f"role templates: {error}") from error


def _invalid(name: str, problem: str) -> InvalidRequest:
    return InvalidRequest(ErrorCode.INVALID_BODY, f"role template {name}{_SUFFIX}: {problem}")
