"""The three beads of the demonstration, each with what a person would ask and a recipe.

The scripted harness follows the recipe; any other agent reads the sentences above it. The last
bead depends on the first two. With `is_rework` the first review of the first bead asks for
changes, and the second takes them.
"""

from __future__ import annotations

from typing import Any

GREET = """Write `src/greet.sh NAME`: it prints `Hello, NAME!` and nothing else.

```recipe
status writing src/greet.sh
create src/greet.sh echo "Hello, $1!"
run sh check.sh --present
commit Greet a person by name
done
{rework}```
"""

COUNT = """Write `src/count.sh`: it prints how many words its standard input has.

```recipe
status writing src/count.sh
create src/count.sh wc -w | tr -d " "
run sh check.sh --present
commit Count the words of standard input
done
```
"""

REPORT = """Write `src/report.sh NAME`: it prints the greeting of `src/greet.sh`, a space, the count
of `src/count.sh` for its standard input, and ` words.`

```recipe
status writing src/report.sh
create src/report.sh words=$(sh src/count.sh)\\necho "$(sh src/greet.sh "$1") $words words."
run sh check.sh --present
commit Report the greeting and the count
done
```
"""

REWORK = """review changes Say in a comment what the program prints.
rework append src/greet.sh # Prints a greeting for the person named by the first argument.
rework commit Say what the program prints
rework done
"""


def demo_tasks(*, is_rework: bool) -> list[dict[str, Any]]:
    """The tasks of POST sling-batch."""
    greet = GREET.format(rework=REWORK if is_rework else "")
    return [
        {"title": "Greet a person", "body": greet},
        {"title": "Count words", "body": COUNT},
        {"title": "Report both", "body": REPORT, "depends_on": [0, 1]},
    ]
