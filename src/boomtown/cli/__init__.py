"""The command line: `boomtown COMMAND`.

Exit codes: 0 ok, 1 refused or failed, 2 usage, 3 no server reached. Each command is one module;
`terminal.py` decides between rich output, plain lines and JSON. Nothing here decides anything
else.
"""

from __future__ import annotations

import click

from boomtown.cli.chaos_command import chaos
from boomtown.cli.demo_command import demo
from boomtown.cli.dev_command import dev
from boomtown.cli.doctor_command import doctor
from boomtown.cli.feed_command import feed
from boomtown.cli.forge_command import forge
from boomtown.cli.hire_command import hire, offboard
from boomtown.cli.objects_command import alarms, inspect, ls, sql
from boomtown.cli.roster_command import agent, reassign, roster
from boomtown.cli.scm_command import scm
from boomtown.cli.serve_command import serve
from boomtown.cli.session_command import kill, restore, rollback, send
from boomtown.cli.sim_command import sim
from boomtown.cli.spawn_command import preflight, spawn
from boomtown.cli.status_command import status
from boomtown.cli.watch_command import watch

SESSIONS = (spawn, preflight)
STAFF = (roster, hire, offboard, reassign, watch, agent)
EXIT_CODES = "Exit codes: 0 ok, 1 refused or failed, 2 usage, 3 no server reached."


@click.group(epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="boomtown")
def main() -> None:
    """Durable actors for Python, and the town of coding agents that lives on them."""


for command in (
    *STAFF,
    *SESSIONS,
    dev,
    demo,
    status,
    doctor,
    chaos,
    sim,
    forge,
    scm,
    serve,
    ls,
    inspect,
    sql,
    alarms,
    feed,
):
    command.epilog = EXIT_CODES
    main.add_command(command)
for command in (kill, restore, rollback, send):
    command.epilog = EXIT_CODES
    agent.add_command(command)
