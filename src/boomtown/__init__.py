"""boomtown: durable actors for Python, and the town of coding agents that lives on them.

This module re-exports the floor only; the parts are imported by their own names:
`boomtown.actors` (durable objects), `boomtown.client`, `boomtown.testing`.
"""

from boomtown.clock import Clock as Clock
from boomtown.clock import SystemClock as SystemClock
from boomtown.entropy import Entropy as Entropy
from boomtown.entropy import Secrets as Secrets
from boomtown.entropy import SeededEntropy as SeededEntropy
from boomtown.entropy import SystemSecrets as SystemSecrets
from boomtown.error_codes import ErrorCode as ErrorCode
from boomtown.errors import BoomtownError as BoomtownError

__all__ = [
    "BoomtownError",
    "Clock",
    "Entropy",
    "ErrorCode",
    "Secrets",
    "SeededEntropy",
    "SystemClock",
    "SystemSecrets",
]
