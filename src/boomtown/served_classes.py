"""Users' classes by name, `module:Class`, and the files that they come from.

Theory of operation. A target is imported with the present folder first on the path. What that
import brought from below the folder is *the source*: its files are watched by their times and
sizes, and before the next load those modules are forgotten, so that the next import reads them
anew. Everything else, installed packages and boomtown itself, stays as it is: a change there needs
a new process. Bytecode is not written while files are watched: it is valid by the second, and an
edit of the same second and size would not be seen.

Nothing is durable. A load that fails leaves the modules forgotten, and the files still watched.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from boomtown.actors import DurableObject
from boomtown.clock import Clock
from boomtown.http.services import PRIVATE_CLASSES

WATCH_MS = 500  # an edit is seen within that

Stamp = tuple[int, int] | None  # of a file: time and size; None where it is gone


class NotServable(Exception):
    """A target that cannot be served; the message names it and says why."""


class ClassSource:
    """The classes of `targets`, loaded from below `folder`."""

    def __init__(self, targets: Sequence[str], folder: Path) -> None:
        self._targets = tuple(targets)
        self._folder = folder.resolve()
        self._before = frozenset(sys.modules)
        self._loaded: dict[Path, Stamp] = {}  # the files as they were when they were read

    def load(self) -> dict[str, type[DurableObject]]:
        """Import the targets anew. Raises NotServable."""
        if str(self._folder) not in sys.path:
            sys.path.insert(0, str(self._folder))
        for name in self._own_modules():
            del sys.modules[name]
        importlib.invalidate_caches()
        # Before the import: an edit meanwhile is a change, and mending a file that failed is one.
        self._loaded = {file: _stamp(file) for file in (*self._loaded, *self._named_files())}
        try:
            return _by_name(_load(target) for target in self._targets)
        finally:
            for file in self._own_modules().values():
                self._loaded.setdefault(file, _stamp(file))

    async def wait_change(self, clock: Clock) -> list[Path]:
        """Return the files that have changed since the last load, once there are any."""
        while True:
            changed = [file for file, stamp in self._loaded.items() if _stamp(file) != stamp]
            if changed:
                return changed
            await clock.sleep_until_ms(clock.now_ms() + WATCH_MS)

    def _own_modules(self) -> dict[str, Path]:
        own: dict[str, Path] = {}
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if name in self._before or not isinstance(file, str):
                continue
            path = Path(file).resolve()
            if path.is_relative_to(self._folder) and "site-packages" not in path.parts:
                own[name] = path
        return own

    def _named_files(self) -> list[Path]:
        """Those of the targets themselves: a module that cannot be imported is not among the
        imported ones."""
        paths = [
            self._folder / Path(*target.partition(":")[0].split(".")) for target in self._targets
        ]
        return [path.with_suffix(".py") for path in paths]


def _load(target: str) -> tuple[str, type[DurableObject]]:
    module_name, colon, class_name = target.partition(":")
    if not colon or not module_name or not class_name.isidentifier():
        raise NotServable(f"{target}: expected MODULE:CLASS, as in counter:Counter")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise NotServable(f"{target}: {type(error).__name__}: {error}") from error
    found = getattr(module, class_name, None)
    if not (isinstance(found, type) and issubclass(found, DurableObject)):
        what = "no class" if found is None else "not a DurableObject"
        raise NotServable(f"{target}: {class_name} is {what} of {module_name}")
    if class_name in PRIVATE_CLASSES:
        raise NotServable(f"{target}: {class_name} is the name of a class of boomtown's own")
    return class_name, found


def _by_name(
    found: Iterable[tuple[str, type[DurableObject]]],
) -> dict[str, type[DurableObject]]:
    classes: dict[str, type[DurableObject]] = {}
    for name, kind in found:
        if classes.setdefault(name, kind) is not kind:
            raise NotServable(f"two classes are named {name}")
    return classes


def _stamp(file: Path) -> Stamp:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
