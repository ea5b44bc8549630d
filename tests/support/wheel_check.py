"""Builds sdist and wheel, installs the wheel alone into an empty environment, and uses it there.

A checkout without symbolic links builds a near-empty wheel without a word; this says so. Run by
`make wheel-check` and by CI, not by pytest: it installs the dependencies from the package index.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LINKED = ("actors", "container_sim", "http", "monitoring")
IMPORT_ALL = """
import importlib, pkgutil, boomtown
names = [name for _, name, _ in pkgutil.walk_packages(boomtown.__path__, "boomtown.")]
for name in names:
    if not name.endswith(("__main__", "pytest_plugin")):  # the plugin needs pytest
        importlib.import_module(name)
print(len(names), "modules imported from", boomtown.__file__)
"""


def run(*command: str, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def expected_files() -> set[str]:
    found: set[str] = set()
    for top in ("src/boomtown", *LINKED):
        prefix = "boomtown" if top.startswith("src/") else f"boomtown/{top}"
        for path in (ROOT / top).rglob("*"):
            if path.suffix in {".py", ".sql", ".typed"}:
                found.add(f"{prefix}/{path.relative_to(ROOT / top)}")
    return found


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(sys.executable, "-m", "build", "--outdir", str(folder / "dist"), str(ROOT), cwd=folder)
        (wheel,) = (folder / "dist").glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            missing = expected_files() - set(archive.namelist())
        if missing:
            raise SystemExit(f"not in the wheel: {sorted(missing)}")
        run(sys.executable, "-m", "venv", "venv", cwd=folder)
        python = str(folder / "venv" / "bin" / "python")
        pins = ("--constraint", str(ROOT / "constraints.txt"))
        run(python, "-m", "pip", "install", "--quiet", *pins, str(wheel), cwd=folder)
        print(run(python, "-c", IMPORT_ALL, cwd=folder).strip())
        print(run(str(folder / "venv" / "bin" / "boomtown"), "--version", cwd=folder).strip())


if __name__ == "__main__":
    main()
