"""Programs for simulated agents: what gates, `run` steps and agent commands execute.

A program is a function of its words, the worktree's files and its input; it may change the files.
Words are what the real program of that name would get, so one gate is written for both worlds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from boomtown.container_sim.agent.surroundings import Run

Files = dict[str, bytes]  # the worktree's, to be changed in place
Program = Callable[[tuple[str, ...], Files, str], Run]  # argv, files, standard input


def succeed(argv: tuple[str, ...], files: Files, text_in: str) -> Run:
    return Run(0, "")


def fail(argv: tuple[str, ...], files: Files, text_in: str) -> Run:
    return Run(1, "")


def echo(argv: tuple[str, ...], files: Files, text_in: str) -> Run:
    return Run(0, " ".join(argv[1:]) + "\n")


def touch(argv: tuple[str, ...], files: Files, text_in: str) -> Run:
    for path in argv[1:]:
        files.setdefault(path, b"")
    return Run(0, "")


def check_file(argv: tuple[str, ...], files: Files, text_in: str) -> Run:
    """`test -f PATH` and nothing else of it."""
    match argv:
        case (_, "-f", path):
            return Run(0 if path in files else 1, "")
        case _:
            return Run(2, "test: unknown condition\n")


SHELL_PROGRAMS: Mapping[str, Program] = {
    "true": succeed,
    "false": fail,
    "echo": echo,
    "touch": touch,
    "test": check_file,
}
