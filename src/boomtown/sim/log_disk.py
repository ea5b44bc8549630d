"""The commit log's disk on a simulated one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from boomtown.sim.disk import Disk
from boomtown.sim.vfs import DiskFlush, folder_lister, folder_maker


class SimulatedLogDisk(DiskFlush):
    """Satisfies boomtown.actors.runtime.log_disk.LogDisk over one life of a disk."""

    def __init__(self, disk: Disk) -> None:
        super().__init__(disk)
        self.disk = disk

    def exists(self, file: Path) -> bool:
        return self.disk.exists(str(file))

    def size(self, file: Path) -> int:
        return self.disk.size(str(file))

    def read(self, file: Path, offset: int, count: int) -> bytes:
        return self.disk.read(str(file), offset, count)

    def create(self, file: Path) -> None:
        self.disk.create(str(file))

    def write(self, file: Path, offset: int, data: bytes) -> None:
        self.disk.write(str(file), offset, data)

    def write_new(self, file: Path, data: bytes) -> None:
        self.create(file)
        self.write(file, 0, data)
        self.sync(file)

    def rename(self, source: Path, target: Path) -> None:
        self.disk.rename(str(source), str(target))

    def remove(self, file: Path) -> None:
        self.disk.delete(str(file))

    def make_folders(self, folder: Path) -> None:
        folder_maker(self.disk)(folder)

    def list_folder(self, folder: Path) -> Sequence[str]:
        return folder_lister(self.disk)(folder)
