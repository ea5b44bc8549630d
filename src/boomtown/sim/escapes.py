"""The error of simulated code that reaches for the real world."""

from __future__ import annotations


class Escape(RuntimeError):
    """Code under simulation asked for real time, randomness, threads, network or processes. It is
    a bug of that code: what it asked for must come through the clock, the entropy or a port."""

    def __init__(self, what: str) -> None:
        self.what = what  # the call, as one would write it: "time.sleep"
        super().__init__(f"{what} inside a simulation")
