"""workerd itself: npm's package, in a folder of the checkout that git ignores.

Shared by the differential harness and the benchmarks, so that both speak of the same version.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".workerd-cache"
WORKERD_VERSION = "1.20261117.1"
COMPATIBILITY_DATE = "2026-11-01"


def install_workerd() -> Path | None:
    """The program, installed by npm where it is missing; None without npm or the registry."""
    program = CACHE / "node_modules" / "workerd" / "bin" / "workerd"
    manifest = CACHE / "node_modules" / "workerd" / "package.json"
    if not manifest.exists() or json.loads(manifest.read_text())["version"] != WORKERD_VERSION:
        npm = shutil.which("npm")
        if npm is None:
            return None
        CACHE.mkdir(exist_ok=True)
        package = f"workerd@{WORKERD_VERSION}"
        asked = [npm, "install", "--no-save", "--no-audit", "--no-fund", package]
        if subprocess.run(asked, cwd=CACHE, check=False, capture_output=True).returncode != 0:
            return None
    return program if program.exists() else None
