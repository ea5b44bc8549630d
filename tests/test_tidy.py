"""Checks of the repository itself: layout, layers, sizes, banned calls. Each rule is a function
from sources to findings, and has one test that proves that it can find."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

ROOT = Path(__file__).resolve().parent.parent
LINKED = ("actors", "container_sim", "http", "monitoring")

# Import only downwards (design 2). The longest prefix counts.
RANKS = {
    "boomtown": 0,
    "boomtown.errors": 0,
    "boomtown.error_codes": 0,
    "boomtown.clock": 0,
    "boomtown.entropy": 0,
    "boomtown.ids": 0,
    "boomtown.limits": 0,
    "boomtown.wire": 0,
    "boomtown.container_sim": 1,
    "boomtown.actors": 2,
    "boomtown.actors.runtime": 2,
    "boomtown.actors.town": 4,
    "boomtown.monitoring": 5,
    "boomtown.client": 5,
    "boomtown.client_observer": 5,
    "boomtown.client_roster": 5,
    "boomtown.client_sessions": 5,
    "boomtown.http": 6,
    "boomtown.served_classes": 7,
    "boomtown.forge_accounts": 7,
    "boomtown.settings": 7,
    "boomtown.data_directory": 7,
    "boomtown.event_loop": 7,
    "boomtown.open_files": 7,
    "boomtown.freed_memory": 7,
    "boomtown.compose": 7,
    "boomtown.cli": 7,
    "boomtown.demo": 7,
    "boomtown.doctor": 7,
    "boomtown.testing": 7,
    "boomtown.sim": 7,
    "boomtown.__main__": 7,
}
# Modules of actors/town that decide: no I/O, no async (rank 3).
PURE = frozenset(
    {
        "actions",
        "alarm_time",
        "blockers",
        "commands",
        "commands_of_agents",
        "commands_of_observer",
        "commands_of_roster",
        "commands_of_sessions",
        "preflight",
        "sightings",
        "commands_of_feed",
        "dependency_graph",
        "ending_invariants",
        "gateway_actions",
        "events",
        "forge_access",
        "feed_invariants",
        "feed_map",
        "feed_views",
        "invariants",
        "lifecycle_diagram",
        "lifecycles",
        "model",
        "naming",
        "nudges",
        "observer_events",
        "observer_invariants",
        "observer_model",
        "observer_views",
        "patrol",
        "patrol_actions",
        "patrol_facts",
        "plan_convoys",
        "plan_town",
        "container_ends",
        "plan_issues",
        "plan_reviews",
        "plan_sessions",
        "prompts",
        "questions",
        "questions_of_observer",
        "questions_of_roster",
        "reconciler",
        "roster_invariants",
        "roster_views",
        "snapshot",
        "views",
    }
)
PURE_BANS = frozenset(
    {"aiohttp", "anyio", "apsw", "asyncio", "logging", "os", "random", "socket"}
    | {"subprocess", "threading", "time"}
)
FLOOR_ALLOWS = frozenset({"msgspec"})
CONTAINER_BANS = frozenset({"apsw"})
# call -> (what to use, files that may)
BANNED_CALLS = {
    "time.time": ("Clock.now_ms", ("clock.py", "fences.py")),
    "time.time_ns": ("Clock.now_ms", ("clock.py", "fences.py")),
    "time.monotonic": ("Clock.monotonic_ms", ("clock.py", "fences.py")),
    "time.sleep": ("Clock.sleep_until_ms", ("fences.py",)),
    "datetime.now": ("Clock.now_ms", ("fences.py",)),
    "asyncio.sleep": ("Clock.sleep_until_ms", ("clock.py", "manual_clock.py")),
    "uuid.uuid4": ("ids.new_id", ("fences.py",)),
    "os.urandom": ("Secrets", ("fences.py",)),
    "random.Random": ("Entropy", ("entropy.py", "fences.py", "choices.py")),
    "random.random": ("Entropy", ("fences.py",)),
    "secrets.token_bytes": ("Secrets", ("entropy.py",)),
    "secrets.token_urlsafe": ("Secrets", ("entropy.py",)),
}
# Programs of their own: they run in another process, without a clock to be given.
STANDALONE = ("container_sim/agent/", "container_sim/launcher.py")
FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70


class Source(msgspec.Struct, frozen=True):
    """One file, under its one name."""

    path: str  # from the root: "actors/runtime/host.py"
    module: str  # "boomtown.actors.runtime.host"
    text: str

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)


def sources() -> Iterator[Source]:
    for top in ("src/boomtown", *LINKED):
        for path in sorted((ROOT / top).rglob("*.py")):
            relative = path.relative_to(ROOT)
            parts = relative.with_suffix("").parts
            names = parts[1:] if parts[0] == "src" else ("boomtown", *parts)
            if names[-1] == "__init__":
                names = names[:-1]
            yield Source(str(relative), ".".join(names), path.read_text())


def every_python_file() -> Iterator[tuple[str, str]]:
    for top in ("src/boomtown", *LINKED, "tests", "benchmarks", "examples"):
        for path in sorted((ROOT / top).rglob("*.py")):
            yield str(path.relative_to(ROOT)), path.read_text()


def imported_modules(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def rank_of(module: str) -> int:
    parts = module.split(".")
    if parts[:3] == ["boomtown", "actors", "town"] and len(parts) > 3 and parts[3] in PURE:
        return 3
    for length in range(len(parts), 0, -1):
        if (rank := RANKS.get(".".join(parts[:length]))) is not None:
            return rank
    raise AssertionError(f"{module} has no rank")


# --- rules


def upward_imports(source: Source) -> list[str]:
    own = rank_of(source.module)
    return [
        f"{source.path} (rank {own}) imports {name} (rank {rank_of(name)})"
        for name in imported_modules(source.tree)
        if name.split(".")[0] == "boomtown" and rank_of(name) > own
    ]


def foreign_imports(source: Source) -> list[str]:
    rank = rank_of(source.module)
    tops = {name.split(".")[0] for name in imported_modules(source.tree)}
    banned: set[str] = set()
    if rank == 0:
        banned = tops - set(sys.stdlib_module_names) - FLOOR_ALLOWS - {"boomtown"}
    elif rank == 1:
        banned = tops & CONTAINER_BANS
    elif rank == 3:
        banned = tops & PURE_BANS
    found = [f"{source.path} imports {name}" for name in sorted(banned)]
    if rank == 3:
        found += [
            f"{source.path}:{node.lineno} is async"
            for node in ast.walk(source.tree)
            if isinstance(node, ast.AsyncFunctionDef | ast.Await)
        ]
    found += [
        f"{source.path} imports {top} from the root" for top in LINKED if top in tops - {"http"}
    ]
    return found


def dotted(node: ast.expr) -> str:
    match node:
        case ast.Attribute(value=value, attr=attr):
            return f"{dotted(value)}.{attr}"
        case ast.Name(id=name):
            return name
        case _:
            return "?"


def banned_calls(source: Source) -> list[str]:
    if source.path.startswith(STANDALONE):
        return []
    found: list[str] = []
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Call):
            continue
        name = ".".join(dotted(node.func).split(".")[-2:])
        if name in BANNED_CALLS:
            instead, allowed = BANNED_CALLS[name]
            if Path(source.path).name not in allowed:
                found.append(f"{source.path}:{node.lineno} calls {name}: use {instead}")
    return found


def long_functions(path: str, text: str) -> list[str]:
    found: list[str] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            is_documented = ast.get_docstring(node) is not None
            start = (first.end_lineno or first.lineno) + 1 if is_documented else node.lineno
            length = (node.end_lineno or node.lineno) - start + 1
            if length > FUNCTION_LINES_MAX:
                found.append(f"{path}:{node.lineno} {node.name} has {length} lines")
    return found


def long_lines(path: str, text: str) -> list[str]:
    count = len(text.splitlines())
    return [f"{path} has {count} lines"] if count > FILE_LINES_MAX else []


def silent_handlers(path: str, text: str) -> list[str]:
    return [
        f"{path}:{node.lineno} swallows what it catches"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ExceptHandler)
        and all(isinstance(line, ast.Pass) for line in node.body)
    ]


def undocumented(path: str, text: str) -> list[str]:
    return [] if ast.get_docstring(ast.parse(text)) else [f"{path} has no docstring"]


UNFINISHED = re.compile(
    r"\b(?:TO" r"DO|FIX" r"ME|NotImplemented" r"Error)\b|pytest\.mark\.(?:sk" r"ip|xf" r"ail)"
)


def unfinished(path: str, text: str) -> list[str]:
    return [f"{path}: {match.group()}" for match in UNFINISHED.finditer(text)]


# --- the tree obeys


@pytest.mark.parametrize("name", LINKED)
def test_link_is_relative_and_resolves(name: str) -> None:
    link = ROOT / "src/boomtown" / name
    assert link.is_symlink(), "checked out without symlinks: git config core.symlinks true"
    assert link.resolve() == ROOT / name
    assert not link.readlink().is_absolute()


def test_nothing_shadows_the_standard_library() -> None:
    assert not (ROOT / "http" / "__init__.py").exists()
    assert not (ROOT / "tests" / "http" / "__init__.py").exists()
    packages = {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()}
    assert not packages & sys.stdlib_module_names
    modules = {source.module.split(".")[-1] for source in sources()} - {*LINKED, "__main__"}
    assert not modules & sys.stdlib_module_names


@pytest.mark.parametrize("rule", [upward_imports, foreign_imports, banned_calls])
def test_sources_obey(rule: Callable[[Source], list[str]]) -> None:
    assert [finding for source in sources() for finding in rule(source)] == []


@pytest.mark.parametrize(
    "rule",
    [long_functions, long_lines, silent_handlers, undocumented, unfinished],
)
def test_python_files_obey(rule: Callable[[str, str], list[str]]) -> None:
    assert [finding for path, text in every_python_file() for finding in rule(path, text)] == []


def test_other_files_are_short() -> None:
    for pattern in ("*.sql", "*.js", "*.css"):
        for top in ("src/boomtown", *LINKED):
            for path in (ROOT / top).rglob(pattern):
                assert len(path.read_text().splitlines()) <= FILE_LINES_MAX, path


def test_imports_have_no_cycle() -> None:
    edges = {
        source.module: {
            name
            for name in imported_modules(source.tree)
            if name.startswith("boomtown.") and name != source.module
        }
        for source in sources()
    }
    seen: dict[str, int] = {}  # 1: on the path, 2: done

    def visit(module: str, path: tuple[str, ...]) -> None:
        if seen.get(module) == 2:
            return
        assert seen.get(module) != 1, " -> ".join((*path, module))
        seen[module] = 1
        for other in sorted(edges.get(module, ())):
            visit(other, (*path, module))
        seen[module] = 2

    for module in sorted(edges):
        visit(module, ())


# --- each rule can find


def planted(path: str, text: str) -> Source:
    module = ".".join(("boomtown", *Path(path).with_suffix("").parts))
    return Source(path, module, text)


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        (upward_imports, "actors/runtime/host.py", "import boomtown.http.app"),
        (upward_imports, "actors/town/plan_issues.py", "import boomtown.actors.town.store_beads"),
        (foreign_imports, "actors/town/plan_issues.py", "import asyncio"),
        (foreign_imports, "actors/town/plan_issues.py", "async def plan(): ..."),
        (foreign_imports, "container_sim/manager.py", "import apsw"),
        (foreign_imports, "clock.py", "import aiohttp"),
        (foreign_imports, "http/app.py", "import actors.runtime"),
        (banned_calls, "http/app.py", "import time\ntime.time()"),
        (banned_calls, "http/app.py", "import datetime\ndatetime.datetime.now()"),
    ],
)
def test_rule_finds_in_sources(rule: Callable[[Source], list[str]], path: str, text: str) -> None:
    assert rule(planted(path, text))


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (long_functions, "def f():\n" + "    x = 1\n" * 71),
        (long_lines, "x = 1\n" * 501),
        (silent_handlers, "try:\n    f()\nexcept ValueError:\n    pass\n"),
        (undocumented, "x = 1\n"),
        (unfinished, "# TO" + "DO: later\n"),
    ],
)
def test_rule_finds_in_files(rule: Callable[[str, str], list[str]], text: str) -> None:
    assert rule("planted.py", text)
