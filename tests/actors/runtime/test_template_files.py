"""The pool of new databases: what a new object finds, and how many wait for it."""

from __future__ import annotations

from pathlib import Path

from boomtown.actors.runtime.database import Database, DatabaseOptions
from boomtown.actors.runtime.log_disk import OsLogDisk
from boomtown.actors.runtime.template_files import FILES_AT_ONCE, TemplatePool, make_image
from boomtown.limits import RuntimeLimits


class Pool:
    """A pool in `folder`, and what is taken from it."""

    def __init__(self, folder: Path, *, files_max: int = 4) -> None:
        self.folder = folder / "pool"
        self.folder.mkdir()
        self._taken = folder / "taken"
        self.pool = TemplatePool(OsLogDisk(), self.folder, page_size=1024, files_max=files_max)

    def target(self, name: str) -> tuple[Path, Path]:
        """A database's place, and its log's."""
        file = self._taken / f"{name}.sqlite"
        return file, file.with_name(f"{name}.sqlite-wal")

    def take(self, name: str) -> tuple[Path, Path]:
        self.pool.take(*self.target(name))
        return self.target(name)

    def fill(self) -> int:
        """As the upkeep does; how many files it made."""
        templates = [self.pool.next_template() for _ in range(self.pool.files_missing)]
        for template in templates:
            for _ in self.pool.make(template):
                pass
            self.pool.keep(template)
        return len(templates)


def test_a_new_database_comes_with_its_folder_and_an_empty_log(tmp_path: Path) -> None:
    pool = Pool(tmp_path)
    file, log = pool.take("a")
    assert file.read_bytes() == make_image(1024)
    assert log.read_bytes() == b""
    assert list(pool.folder.iterdir()) == []


def test_a_new_database_takes_nothing_from_a_log_that_outlived_another(tmp_path: Path) -> None:
    pool = Pool(tmp_path)
    options = DatabaseOptions(make_missing=lambda file, log: pool.pool.take(file, log))
    file, log = pool.target("a")
    database = Database(file, options, RuntimeLimits())
    database.run("CREATE TABLE of_the_erased (a)")
    database.close()
    assert log.stat().st_size > 0
    file.unlink()  # as an erasure that was killed leaves it
    database = Database(file, options, RuntimeLimits())
    assert not database.has_table("of_the_erased")
    database.close()


def test_the_pool_doubles_each_time_that_it_is_empty_up_to_its_bound(tmp_path: Path) -> None:
    pool = Pool(tmp_path, files_max=6)
    assert pool.fill() == 0
    sizes: list[int] = []
    for name in ("a", "b", "c", "d"):
        pool.take(f"{name} of an empty pool")
        sizes.append(pool.fill())
        for number in range(sizes[-1]):
            pool.take(f"{name}{number}")
    assert sizes == [1, 3, 6, 6]


def test_a_pool_that_is_never_empty_does_not_grow(tmp_path: Path) -> None:
    pool = Pool(tmp_path)
    for number in range(5):
        pool.take(f"object{number}")
        assert pool.fill() == 1


def test_a_large_pool_is_filled_in_parts_so_that_the_first_files_are_soon_there(
    tmp_path: Path,
) -> None:
    pool = Pool(tmp_path, files_max=FILES_AT_ONCE + 1)
    for number in range(6):
        pool.take(f"object{number}")
    assert pool.fill() == FILES_AT_ONCE
    assert pool.fill() == 0  # one is too few to begin with


def test_the_pool_is_filled_again_once_a_fourth_is_gone(tmp_path: Path) -> None:
    pool = Pool(tmp_path, files_max=8)
    for number in range(4):
        pool.take(f"object{number}")
    assert pool.fill() == 8
    pool.take("one")
    pool.take("two")
    assert pool.fill() == 0
    pool.take("three")
    assert pool.fill() == 3
