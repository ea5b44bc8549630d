"""Waiting in a program that has one thread and no event loop."""

from __future__ import annotations

import threading


def pause(seconds: float) -> None:
    """Block for so long; signals with their default action still end the process."""
    threading.Event().wait(seconds)
