"""Whether every public name has a complete type, as `pyright --verifytypes` sees an installed
package; run by `make types`.

Public is what boomtown, boomtown.actors and boomtown.testing export, with its members. Pyright
reports on every module of the package and knows no such choice, so it is made here. It follows no
editable installation, so the source and what it imports are put on its path.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import sysconfig
from collections.abc import Collection, Iterator
from pathlib import Path

import msgspec

SOURCE = Path(__file__).resolve().parents[2] / "src"
PUBLIC_MODULES = ("boomtown", "boomtown.actors", "boomtown.testing")


class Diagnostic(msgspec.Struct, frozen=True):
    """What pyright says of a symbol."""

    message: str


class Symbol(msgspec.Struct, frozen=True, rename="camel"):
    """A name of the package, where it is defined."""

    name: str
    is_type_known: bool
    is_type_ambiguous: bool
    diagnostics: tuple[Diagnostic, ...]


class Completeness(msgspec.Struct, frozen=True):
    """Part of pyright's report."""

    symbols: tuple[Symbol, ...]


class Report(msgspec.Struct, frozen=True, rename="camel"):
    """Pyright's report."""

    type_completeness: Completeness


def public_names() -> Iterator[str]:
    """Each exported name, where it is defined."""
    for module_name in PUBLIC_MODULES:
        module = importlib.import_module(module_name)
        for name in module.__all__:
            exported = getattr(module, name)
            yield f"{exported.__module__}.{exported.__qualname__}"


def incomplete(symbols: Collection[Symbol], public: Collection[str]) -> list[str]:
    """A line for each public symbol whose type is unknown or left to the checker, and for each
    public name that is not among the symbols."""
    known = {symbol.name for symbol in symbols}
    found = [f"{name}: not in the report" for name in sorted(set(public) - known)]
    for symbol in symbols:
        is_public = any(
            symbol.name == name or symbol.name.startswith(f"{name}.") for name in public
        )
        if is_public and (symbol.is_type_ambiguous or not symbol.is_type_known):
            told = "; ".join(each.message for each in symbol.diagnostics) or "by what it refers to"
            found.append(f"{symbol.name}: {' '.join(told.split())}")
    return found


def main() -> None:
    """Exit with 1, and a line for each, where something is incomplete."""
    path = os.pathsep.join((str(SOURCE), sysconfig.get_path("purelib")))
    # Its exit code tells of the whole package.
    told = subprocess.run(
        ["pyright", "--verifytypes", "boomtown", "--ignoreexternal", "--outputjson"],
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
            "PYTHONPATH": path,
        },
        capture_output=True,
        check=False,
    )
    symbols = msgspec.json.decode(told.stdout, type=Report).type_completeness.symbols
    found = incomplete(symbols, list(public_names()))
    if found:
        raise SystemExit("\n".join(found))
    print(f"the public interface is complete: {len(symbols)} symbols seen")


if __name__ == "__main__":
    main()
