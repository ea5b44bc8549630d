"""One run of the demonstration, from an empty folder to a convoy's end.

Makes a repository, starts a server of its own, slings three beads, tells what happens, and then
looks at origin's default branch itself: the checks decide, not what the server says of them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from boomtown.client import BoomtownClient
from boomtown.clock import Clock
from boomtown.container_sim.harnesses import find_program, validate_command
from boomtown.demo.held_pushes import HeldPushes
from boomtown.demo.kills import KillRecord, Kills, plan_kills
from boomtown.demo.repository import (
    BRANCH,
    DemoRepository,
    count_merges,
    make_demo_repository,
    run_checks,
)
from boomtown.demo.server_process import ServerProcess
from boomtown.demo.story import Change, Story
from boomtown.demo.tasks import demo_tasks
from boomtown.error_codes import ErrorCode
from boomtown.errors import InvalidRequest

LOOK_EVERY_MS = 100
GATES = [["sh", "check.sh", "--present"]]
HARNESS = "demo"
CONVOY_TITLE = "Word desk"


class DemoOptions(msgspec.Struct, frozen=True, kw_only=True):
    merge_mode: str
    agent_cmd: str | None  # a command template, instead of the recipes
    is_rework: bool
    timeout_ms: int
    folder: Path | None  # kept when named; else a temporary one
    kill_container: int  # how often
    kill_server: int
    kill_seed: int


class DemoResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    why_not: str | None  # None: the convoy is where it should be
    beads: tuple[dict[str, Any], ...]
    sessions: int
    merges: int
    checks_passed: bool
    checks: tuple[str, ...]
    elapsed_ms: int
    repository: DemoRepository
    kills: tuple[KillRecord, ...]


async def run_demo(
    options: DemoOptions,
    *,
    clock: Clock,
    tell: Callable[[Change | KillRecord], None],
    say: Callable[[str], None],
) -> DemoResult:
    """Run it. Raises InvalidRequest for an agent command that does not exist, before anything is
    made; Unavailable where git is missing or the server does not start."""
    if options.agent_cmd is not None:
        _check_command(options.agent_cmd)
    if options.folder is not None:
        folder = options.folder.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        return await _run_in(folder, options, clock=clock, tell=tell, say=say)
    with tempfile.TemporaryDirectory(prefix="boomtown-demo-") as made:
        return await _run_in(Path(made), options, clock=clock, tell=tell, say=say)


def _check_command(command: str) -> None:
    argv = validate_command(command)
    if find_program(argv) is None:
        raise InvalidRequest(
            ErrorCode.AGENT_COMMAND_NOT_FOUND, f"The program {argv[0]!r} does not exist"
        )


async def _run_in(
    folder: Path,
    options: DemoOptions,
    *,
    clock: Clock,
    tell: Callable[[Change | KillRecord], None],
    say: Callable[[str], None],
) -> DemoResult:
    before_ms = clock.monotonic_ms()
    repository = await make_demo_repository(folder)
    is_passing, _ = await run_checks(repository)
    assert not is_passing, "the repository of the demo begins with failing checks"
    say(f"repository   {repository.origin}, its checks fail")
    plan = plan_kills(
        containers=options.kill_container, servers=options.kill_server, seed=options.kill_seed
    )
    pushes = HeldPushes(repository.origin)
    if plan:
        pushes.install()
        say(f"kills        {len(plan)}, seed {options.kill_seed}")
    config = folder / "boomtown.toml"
    config.write_text(_config_text(options.agent_cmd))
    server = await ServerProcess.start(
        data_dir=folder / "data", config=config, log=folder / "server.log"
    )
    say(f"server       {server.ready.url}, process {server.ready.pid}")
    kills = Kills(plan, pushes, server, clock, tell)
    try:
        async with BoomtownClient(server.ready.url, key=server.operator_key) as client:
            story = await _sling(client, repository, options)
            why_not = await _follow(story, kills, options, clock=clock, tell=tell)
            beads = tuple(story.convoy.get("beads", ()))
    finally:
        await kills.server.stop()
    passed, checks = await run_checks(repository)
    if why_not is None and not passed and options.agent_cmd is None:
        why_not = "the checks of the default branch fail"
    return DemoResult(
        why_not=why_not,
        beads=beads,
        sessions=len(story.sessions_seen),
        merges=await count_merges(repository),
        checks_passed=passed,
        checks=tuple(checks),
        elapsed_ms=clock.monotonic_ms() - before_ms,
        repository=repository,
        kills=tuple(kills.records),
    )


async def _sling(client: BoomtownClient, repository: DemoRepository, options: DemoOptions) -> Story:
    town = await client.request("POST", "/api/users/local/towns", {"name": "demo"})
    patch: dict[str, Any] = {"refinery": {"gates": GATES}}
    if options.agent_cmd is not None:
        patch["harness"] = HARNESS
    await client.request("PATCH", f"/api/towns/{town['id']}/config", patch)
    rig = await client.request(
        "POST",
        "/api/users/local/rigs",
        {
            "town_id": town["id"],
            "name": "word-desk",
            "git_url": str(repository.origin),
            "default_branch": BRANCH,
        },
    )
    batch = await client.request(
        "POST",
        f"/api/mayor/{town['id']}/tools/sling-batch",
        {
            "rig_id": rig["id"],
            "convoy_title": CONVOY_TITLE,
            "tasks": demo_tasks(is_rework=options.is_rework),
            "merge_mode": options.merge_mode,
        },
    )
    return Story(client, town_id=town["id"], rig_id=rig["id"], convoy_id=batch["convoy"]["id"])


async def _follow(
    story: Story,
    kills: Kills,
    options: DemoOptions,
    *,
    clock: Clock,
    tell: Callable[[Change | KillRecord], None],
) -> str | None:
    """Tell the story to its end; why the convoy is not where it should be, else None."""
    until_ms = clock.monotonic_ms() + options.timeout_ms
    while clock.monotonic_ms() < until_ms:
        await kills.look()
        for change in await story.look():
            tell(change)
        if story.has_ended:
            break
        await clock.sleep_until_ms(clock.now_ms() + LOOK_EVERY_MS)
    else:
        return f"not within {options.timeout_ms // 1000} s{_blockers(story)}"
    if story.convoy["status"] == "failed":
        return f"the convoy failed{_blockers(story)}"
    if not kills.are_done:
        return "it ended before every planned kill"
    return None


def _blockers(story: Story) -> str:
    blocked: list[dict[str, Any]] = story.convoy.get("blocked_by") or []
    return "".join(f"; {row.get('title')}: {row.get('why')}" for row in blocked)


def _config_text(agent_cmd: str | None) -> str:
    # Short waits: a demo that kills its server is to show the recovery, not the patience. A
    # container that is gone is seen at once; these bound what can only be waited for.
    lines = [
        "[limits.town]",
        "alarm_active_ms = 1000",
        "heartbeat_ms = 1000",
        "lease_ms = 5000",
        "start_timeout_ms = 15000",
        "start_deadline_ms = 30000",
        "silence_after_stop_ms = 10000",
        "dispatch_backoff_ms = [500, 1000, 2000, 5000]",
        "landing_backoff_base_ms = 500",
        "effect_backoff_ms = 200",
    ]
    if agent_cmd is not None:
        quoted = msgspec.json.encode(agent_cmd).decode()  # a JSON string is a TOML basic string
        lines += [f"[harness.{HARNESS}]", f"command = {quoted}"]
    return "\n".join(lines) + "\n"
