"""What drives an agent: the scripted harness, or anybody's command line as a template.

A template is split by shell rules once and never sees a shell; placeholders are replaced inside
the words, so a prompt with quotes or dollars stays one word (decisions 50).
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable, Mapping

import msgspec

from boomtown.error_codes import ErrorCode
from boomtown.errors import InvalidRequest

SCRIPTED = "scripted"
PLACEHOLDERS = ("prompt", "prompt_file", "bead_id", "branch", "worktree")

_PLACEHOLDER = re.compile("\\{(" + "|".join(PLACEHOLDERS) + ")\\}")
_ANY_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


class HarnessSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One harness of the configuration. An empty `argv` is the scripted one."""

    argv: tuple[str, ...] = ()
    tty: bool = False  # run under a terminal of its own


def validate_command(template: str) -> tuple[str, ...]:
    """Split a command template into its words. Raises InvalidRequest where quotes do not close,
    nothing is left, or a placeholder is unknown; whether the program exists is asked later."""
    try:
        words = tuple(shlex.split(template))
    except ValueError as error:
        raise InvalidRequest(
            ErrorCode.AGENT_COMMAND_NOT_FOUND, f"The agent command cannot be split: {error}"
        ) from error
    if not words:
        raise InvalidRequest(ErrorCode.AGENT_COMMAND_NOT_FOUND, "The agent command is empty")
    for word in words:
        for name in _ANY_PLACEHOLDER.findall(word):
            if name not in PLACEHOLDERS:
                known = ", ".join(f"{{{known}}}" for known in PLACEHOLDERS)
                raise InvalidRequest(
                    ErrorCode.AGENT_COMMAND_NOT_FOUND,
                    f"The agent command has the unknown placeholder {{{name}}}; known: {known}",
                )
    return words


def fill_command(argv: tuple[str, ...], values: Mapping[str, str]) -> list[str]:
    """The words with their placeholders replaced, once: what a value contains is never replaced
    again. Every other brace stays, for shell functions and JSON."""
    return [_PLACEHOLDER.sub(lambda found: values[found.group(1)], word) for word in argv]


def find_program(argv: tuple[str, ...]) -> str | None:
    """Where the command's program is, None when there is none."""
    return shutil.which(argv[0]) if argv else None


FindProgram = Callable[[tuple[str, ...]], str | None]


def get_harness(harnesses: Mapping[str, HarnessSpec], name: str, find: FindProgram) -> HarnessSpec:
    """The harness of that name, its program found. Raises InvalidRequest(UNKNOWN_HARNESS) or
    InvalidRequest(AGENT_BINARY_NOT_FOUND)."""
    if name == SCRIPTED:
        return HarnessSpec()
    spec = harnesses.get(name)
    if spec is None:
        raise InvalidRequest(ErrorCode.UNKNOWN_HARNESS, f"No harness named {name!r} is configured")
    if find(spec.argv) is None:
        program = repr(spec.argv[0]) if spec.argv else "of an empty command"
        raise InvalidRequest(
            ErrorCode.AGENT_BINARY_NOT_FOUND, f"The program {program} does not exist"
        )
    return spec
