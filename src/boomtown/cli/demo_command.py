"""`boomtown demo`: watch a convoy of three beads from beginning to end."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from boomtown.cli.terminal import Terminal
from boomtown.clock import SystemClock
from boomtown.demo.kills import KILLS_EACH_MAX, SAID, KillRecord
from boomtown.demo.run import DemoOptions, DemoResult, run_demo
from boomtown.demo.story import Change
from boomtown.entropy import SeededEntropy
from boomtown.wire import iso_from_ms

MERGE_MODES = ("review-then-land", "review-and-merge")
KILL_SEED_BOUND = 1_000_000  # short enough to type again
COLOURS = {"closed": "green", "failed": "red", "in_progress": "yellow", "in_review": "cyan"}


@click.command()
@click.option("--merge-mode", type=click.Choice(MERGE_MODES), default=MERGE_MODES[0])
@click.option("--agent-cmd", metavar="TEMPLATE", help="Work with this program: '… {prompt} …'.")
@click.option("--rework", "is_rework", is_flag=True, help="Have the first review ask for changes.")
@click.option("--timeout", type=click.IntRange(1, 3_600), default=180, show_default=True)
@click.option("--folder", type=click.Path(path_type=Path), help="Work in this folder, and keep it.")
@click.option(
    "--kill-container",
    type=click.IntRange(0, KILLS_EACH_MAX),
    default=0,
    metavar="N",
    help="Kill the container N times while its agents work.",
)
@click.option(
    "--kill-server",
    type=click.IntRange(0, KILLS_EACH_MAX),
    default=0,
    metavar="N",
    help="Kill the server N times, and start it again.",
)
@click.option("--kill-seed", type=int, metavar="S", help="Whom to kill when; printed if drawn.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def demo(*, timeout: int, kill_seed: int | None, as_json: bool, **options: Any) -> None:
    """Make a repository with failing checks, start a server, and watch agents mend it."""
    terminal = Terminal(as_json=as_json)
    if kill_seed is None:
        kill_seed = SeededEntropy().below(KILL_SEED_BOUND, label="kill_seed")
    wanted = DemoOptions(timeout_ms=timeout * 1000, kill_seed=kill_seed, **options)
    with terminal.reporting_errors():
        result = asyncio.run(
            run_demo(
                wanted,
                clock=SystemClock(),
                tell=lambda change: _tell(terminal, change),
                say=lambda text: terminal.fact(f"[dim]{text}[/dim]", event="note", text=text),
            )
        )
    _summarise(terminal, result)


def _tell(terminal: Terminal, change: Change | KillRecord) -> None:
    if isinstance(change, KillRecord):
        _tell_kill(terminal, change)
        return
    colour = COLOURS.get(change.after, "default")
    who = f"{change.agent} (pid {change.pid or 'unknown'})" if change.agent else "the town"
    terminal.fact(
        f"{change.at[11:23]}  {change.type:13}  {change.title[:36]:36}  {change.before:>11} -> "
        f"[{colour}]{change.after:11}[/{colour}]  {who}",
        event="status_changed",
        at=change.at,
        bead_id=change.bead_id,
        title=change.title,
        type=change.type,
        before=change.before,
        after=change.after,
        agent=change.agent,
        pid=change.pid,
        session_id=change.session_id,
    )


def _tell_kill(terminal: Terminal, kill: KillRecord) -> None:
    terminal.fact(
        f"{iso_from_ms(kill.at_ms)[11:23]}  [bold red]killed[/bold red]         the {kill.victim} "
        f"(pid {kill.pid}) {SAID[kill.moment]}",
        event="killed",
        victim=kill.victim,
        moment=kill.moment,
        pid=kill.pid,
        at_ms=kill.at_ms,
        gone_at_ms=kill.gone_at_ms,
    )


def _summarise(terminal: Terminal, result: DemoResult) -> None:
    if result.why_not is not None:
        terminal.fail(f"convoy did not land: {result.why_not}", code="CONVOY_DID_NOT_LAND")
    seconds = f"{result.elapsed_ms / 1000:.1f} s"
    checks = "checks pass" if result.checks_passed else "checks fail"
    terminal.fact(
        f"[bold green]convoy landed: {len(result.beads)} beads[/bold green], "
        f"{result.sessions} sessions, {result.merges} merges, {checks}, {seconds}",
        event="convoy_landed",
        beads=len(result.beads),
        sessions=result.sessions,
        merges=result.merges,
        checks_passed=result.checks_passed,
        elapsed_ms=result.elapsed_ms,
    )
    for kill in result.kills:
        terminal.fact(
            f"restarted    the {kill.victim}, killed {SAID[kill.moment]}: "
            f"process {kill.pid}, then {kill.successor_pid}",
            event="restarted",
            victim=kill.victim,
            moment=kill.moment,
            pid=kill.pid,
            successor_pid=kill.successor_pid,
        )
    terminal.table(
        ("bead", "status", "worked on by"),
        [
            (bead["title"], bead["status"], bead["assignee_agent_name"] or "-")
            for bead in result.beads
        ],
    )
