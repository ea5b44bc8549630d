"""The command line: `boomtown COMMAND`.

Exit codes: 0 ok, 1 refused or failed, 2 usage, 3 no server reached. Each command is one module,
imported when it is asked for (command_group.py); `terminal.py` decides between rich output, plain
lines and JSON. Nothing here decides anything else.
"""

from __future__ import annotations

import click

from boomtown.cli.command_group import CommandGroup, CommandPlace

EXIT_CODES = "Exit codes: 0 ok, 1 refused or failed, 2 usage, 3 no server reached."

PLACES = {
    "agent": CommandPlace(
        "session_command", "Look at single agents, and deal with their sessions."
    ),
    "alarms": CommandPlace("objects_command", "List the alarms that are set, the earliest first."),
    "chaos": CommandPlace(
        "chaos_command", "Kill, stop or disturb what runs in containers; the server repairs it."
    ),
    "demo": CommandPlace(
        "demo_command",
        "Make a repository with failing checks, start a server, and watch agents mend it.",
    ),
    "dev": CommandPlace("dev_command", "Run the development server until SIGTERM or Ctrl-C."),
    "doctor": CommandPlace(
        "doctor_command",
        "Check disk, clock, limits and programs, and look for processes that were left behind.",
    ),
    "feed": CommandPlace("feed_command", "Follow what changes in a town."),
    "forge": CommandPlace(
        "forge_command", "Run a forge of your own, and work at it: pull requests, checks, threads."
    ),
    "hire": CommandPlace("hire_command", "Hire an agent; its body comes when there is work."),
    "inspect": CommandPlace("objects_command", "Show what one object holds, named or by its id."),
    "ls": CommandPlace("objects_command", "List the objects that have a file or are in memory."),
    "offboard": CommandPlace(
        "hire_command", "End an agent's employment: its watches and its bead are free at once."
    ),
    "preflight": CommandPlace("spawn_command", "List everything against a spawn; creates nothing."),
    "reassign": CommandPlace("roster_command", "Give all workers of one coordinator to another."),
    "roster": CommandPlace(
        "roster_command", "Show everybody who is employed, below their boss, stage or rig."
    ),
    "scm": CommandPlace("scm_command", "See and steer a town's observer of the forges."),
    "serve": CommandPlace(
        "serve_command", "Serve classes of durable objects under /actors until SIGTERM or Ctrl-C."
    ),
    "sim": CommandPlace(
        "sim_command",
        "Simulate a town: the real server on a simulated disk, network, clock and containers.",
    ),
    "spawn": CommandPlace("spawn_command", "Give an agent a body, now."),
    "sql": CommandPlace(
        "objects_command",
        "Run QUERY in one object's database; BINDINGS fill its question marks, as text.",
    ),
    "status": CommandPlace(
        "status_command", "Show the towns of a running server: agents, beads, convoys."
    ),
    "watch": CommandPlace("watch_command", "Have agents watch repositories."),
}


@click.group(
    cls=CommandGroup,
    places=PLACES,
    epilog=EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="boomtown")
def main() -> None:
    """Durable actors for Python, and the town of coding agents that lives on them."""
