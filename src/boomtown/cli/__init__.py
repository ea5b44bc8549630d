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
from boomtown.cli.forge_command import forge
from boomtown.cli.objects_command import alarms, inspect, ls, sql
from boomtown.cli.serve_command import serve
from boomtown.cli.sim_command import sim
from boomtown.cli.status_command import status

EXIT_CODES = "Exit codes: 0 ok, 1 refused or failed, 2 usage, 3 no server reached."


@click.group(epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="boomtown")
def main() -> None:
    """Durable actors for Python, and the town of coding agents that lives on them."""


for command in (dev, demo, status, doctor, chaos, sim, forge, serve, ls, inspect, sql, alarms):
    command.epilog = EXIT_CODES
    main.add_command(command)
