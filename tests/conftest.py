"""Property tests run the same examples every time and are never timed: a slow machine fails
nothing, and a finding comes back. `HYPOTHESIS_PROFILE=hunt` looks for new ones."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("suite", deadline=None, derandomize=True)
settings.register_profile("hunt", deadline=None, max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))
