"""Every choice of a simulation, drawn by (label, nth use).

Theory of operation. A choice is an integer in [0, bound); 0 is always the boring one (first in
line, no fault, no delay). Its value is a hash of (seed, label, nth use of that label), so it does
not depend on how often other labels were drawn: taking one fault out of a run leaves all others
where they were, which is what makes shrinking work (keyed choices shrank 522 to 1 in 16 runs, one
positional tape 573 to 377 in 1,670).

With a plan nothing is drawn: a choice in the plan takes the planned value, every other choice is
0. The choices that were not 0 are recorded in `taken`; that record is itself a plan, and running
it gives the same run again. Bytes (ids, salts) are no choices: they have no boring value, so they
come from the seed in either mode and are not recorded.

Nothing here is durable, and nothing touches the process's own random state.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping

ChoiceKey = tuple[str, int]  # label, nth use of it from 0
Plan = Mapping[ChoiceKey, int]

# Two draws of three are boring: a run in which everything is strange finds less (swarm testing).
BORING_PER_MILLE = 650


class Choices:
    """The source of every choice of one run."""

    def __init__(self, *, seed: int, plan: Plan | None = None) -> None:
        self.seed = seed
        self.plan = plan
        self.taken: dict[ChoiceKey, int] = {}
        self.uses: dict[str, int] = {}

    def pick(self, bound: int, *, label: str) -> int:
        """An integer in [0, bound), most often 0: for order, kinds of fault, delays."""
        return self._choose(bound, label, boring_per_mille=BORING_PER_MILLE)

    def below(self, bound: int, *, label: str) -> int:
        """An integer in [0, bound), evenly."""
        return self._choose(bound, label, boring_per_mille=None)

    def chance(self, per_mille: int, *, label: str) -> bool:
        """True `per_mille` times of 1,000; one choice, whose boring value is False."""
        return self._choose(2, label, boring_per_mille=1000 - per_mille) == 1

    def noise(self, count: int, *, label: str) -> bytes:
        """`count` bytes from the seed; the same under any plan."""
        nth = self._next_use(label)
        material = f"{self.seed}/{label}/{nth}/bytes".encode()
        return hashlib.shake_256(material).digest(count)

    def _next_use(self, label: str) -> int:
        nth = self.uses.get(label, 0)
        self.uses[label] = nth + 1
        return nth

    def _choose(self, bound: int, label: str, *, boring_per_mille: int | None) -> int:
        assert bound >= 1, f"choice {label} has nothing to choose from"
        nth = self._next_use(label)
        if self.plan is not None:
            value = min(self.plan.get((label, nth), 0), bound - 1)
        else:
            value = self._draw(bound, label, nth, boring_per_mille)
        if value:
            self.taken[label, nth] = value
        return value

    def _draw(self, bound: int, label: str, nth: int, boring_per_mille: int | None) -> int:
        material = f"{self.seed}/{label}/{nth}".encode()
        drawn = int.from_bytes(hashlib.blake2b(material, digest_size=16).digest(), "big")
        if boring_per_mille is None:
            return drawn % bound
        drawn, thousandth = divmod(drawn, 1000)
        if thousandth < boring_per_mille or bound == 1:
            return 0
        # Zero had its share; the others have the rest, evenly.
        return 1 + drawn % (bound - 1)


class ChosenEntropy:
    """Satisfies boomtown.entropy.Entropy: numbers are choices, bytes are noise of the seed."""

    def __init__(self, choices: Choices) -> None:
        self._choices = choices

    def below(self, bound: int, *, label: str) -> int:
        return self._choices.below(bound, label=f"entropy.{label}")

    def random_bytes(self, count: int, *, label: str) -> bytes:
        return self._choices.noise(count, label=f"entropy.{label}")


class CountingSecrets:
    """Satisfies boomtown.entropy.Secrets by counting (decisions 16): every secret is different,
    none is unguessable, and no draw moves another."""

    def __init__(self) -> None:
        self._count = 0

    def token_bytes(self, count: int) -> bytes:
        self._count += 1
        return self._count.to_bytes(max(count, 8), "big")[-count:] if count else b""

    def token_text(self, count: int) -> str:
        return base64.urlsafe_b64encode(self.token_bytes(count)).decode().rstrip("=")


def format_plan(plan: Plan) -> str:
    """`fault.29=2,order.3=1`: sorted, so that equal plans give equal text."""
    return ",".join(f"{label}.{nth}={value}" for (label, nth), value in sorted(plan.items()))


def parse_plan(text: str) -> dict[ChoiceKey, int]:
    """The plan of such a text. Raises ValueError that quotes the part it cannot read."""
    plan: dict[ChoiceKey, int] = {}
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        label, dot, nth = key.rpartition(".")
        if not (equals and dot and label and nth.isdigit() and value.isdigit()):
            raise ValueError(f"no choice: {part!r} (expected label.nth=value)")
        plan[label, int(nth)] = int(value)
    return plan
