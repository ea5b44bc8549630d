"""The environment in which every git command runs, in control servers and in agents alike.

No prompt, no editor, no configuration of the machine or the user, no hooks, no background
maintenance (it would outlive its session), large files left as pointers, a fixed author; and how
a secret in an address is kept out of messages.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_SETTINGS = (
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("commit.gpgSign", "false"),
    ("tag.gpgSign", "false"),
    ("init.defaultBranch", "main"),
    ("advice.detachedHead", "false"),
    ("merge.conflictStyle", "merge"),
    ("push.default", "nothing"),
    ("protocol.ext.allow", "never"),
)
_USER_PART = re.compile(r"(?<=://)[^/@\s]+@")
_SECRET_WORD = re.compile(r"\b(?:gh[a-z]_|github_pat_|glpat-|xox[a-z]-)[A-Za-z0-9_-]+")


def git_environment(
    base: Mapping[str, str],
    *,
    author_name: str,
    author_email: str,
    credential_file: str | None = None,
) -> dict[str, str]:
    """`base` without any GIT_ variable but the token's, and with ours."""
    kept = {
        name: value
        for name, value in base.items()
        if not name.startswith("GIT_") or name in ("GIT_SSH_COMMAND", "GIT_TOKEN")
    }
    settings = list(_SETTINGS)
    if credential_file is not None:
        settings.append(("credential.helper", f"store --file={credential_file}"))
    kept |= {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "true",
        "GIT_EDITOR": "true",
        "GIT_SEQUENCE_EDITOR": "true",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_AUTHOR_NAME": author_name,
        "GIT_AUTHOR_EMAIL": author_email,
        "GIT_COMMITTER_NAME": author_name,
        "GIT_COMMITTER_EMAIL": author_email,
        "GIT_CONFIG_COUNT": str(len(settings)),
        "LC_ALL": "C.UTF-8",
    }
    for index, (name, value) in enumerate(settings):
        kept[f"GIT_CONFIG_KEY_{index}"] = name
        kept[f"GIT_CONFIG_VALUE_{index}"] = value
    return kept


def redact(text: str) -> str:
    """`text` with what looks like a credential replaced."""
    return _SECRET_WORD.sub("***", _USER_PART.sub("***@", text))


def last_line(text: str) -> str:
    """The last line that says something, redacted: what a person is shown of git's output."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return redact(lines[-1]) if lines else ""
