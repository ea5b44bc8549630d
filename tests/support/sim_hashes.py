"""The traces of the first seeds: computed by any Python, recorded by `make sim-hashes`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

TESTS = Path(__file__).resolve().parent.parent
HASHES = TESTS / "sim" / "hashes.json"
SOURCES = TESTS.parent / "src"
SEEDS = 20
HOURS = "0.05"


def compute_hashes(python: str) -> dict[str, str]:
    """Seed -> digest, as that Python runs them, under a hash seed of its own."""
    command = [python, "-m", "boomtown", "sim", "--seeds", str(SEEDS), "--hours", HOURS, "--json"]
    ran = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": str(SOURCES), "PYTHONHASHSEED": "random"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    rows: list[dict[str, Any]] = [msgspec.json.decode(line) for line in ran.stdout.splitlines()]
    return {str(row["seed"]): row["trace_sha256"] for row in rows}


def recorded_hashes() -> dict[str, str]:
    """What hashes.json says."""
    return msgspec.json.decode(HASHES.read_bytes(), type=dict[str, str])


def main() -> None:
    """Write hashes.json anew."""
    text = msgspec.json.format(msgspec.json.encode(compute_hashes(sys.executable)), indent=1)
    HASHES.write_bytes(text + b"\n")


if __name__ == "__main__":
    main()
