"""The list of mutants fits the present code, and its runner tells a killed one from a survivor."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from mutants import MUTANTS, ROOT
from support.mutation import Edit, Fate, Mutant, TestRunBroken, TreeCopy, misfits

GIT_URLS = "container_sim/git_urls.py"
TEST_OF_ROW_06 = (
    "tests/container_sim/test_git_urls.py::test_defect_06_credential_line_keeps_scheme_and_port"
)
HARMLESS = Mutant(
    name="harmless",
    defect="a comment says less",
    edits=(Edit(GIT_URLS, "# leaves room for ", "# room for "),),
    tests=(TEST_OF_ROW_06,),
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> TreeCopy:
    return TreeCopy(ROOT, tmp_path_factory.mktemp("copy"))


def test_names_are_unique() -> None:
    names = [mutant.name for mutant in MUTANTS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_applies_to_the_present_code(mutant: Mutant) -> None:
    assert misfits(ROOT, mutant) == []


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_names_tests_that_exist(mutant: Mutant) -> None:
    assert mutant.tests
    assert [test for test in mutant.tests if not _exists(test)] == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("no such text anywhere", "x", id="absent"),
        pytest.param("raise _bad_url(", "x", id="ambiguous"),
        pytest.param("# leaves room for ", "# leaves room for ", id="idle"),
    ],
)
def test_text_that_does_not_fit_is_a_misfit(old: str, new: str) -> None:
    assert misfits(ROOT, _with_edit(HARMLESS, Edit(GIT_URLS, old, new)))


def test_test_that_does_not_exist_is_found() -> None:
    assert not _exists(TEST_OF_ROW_06 + "_no_more")


def test_copy_keeps_links_and_is_what_its_tests_import(tree: TreeCopy) -> None:
    link = tree.root / "src/boomtown/actors"
    assert link.is_symlink()
    assert link.resolve() == tree.root / "actors"
    assert tree.check_imports() == tree.root / "actors/town/town.py"


def test_row_06_is_killed_and_taken_back(tree: TreeCopy) -> None:
    (mutant,) = (mutant for mutant in MUTANTS if mutant.name == "row-06")
    assert tree.try_mutant(mutant).fate == Fate.KILLED
    assert (tree.root / GIT_URLS).read_text() == (ROOT / GIT_URLS).read_text()


def test_harmless_mutant_survives(tree: TreeCopy) -> None:
    outcome = tree.try_mutant(HARMLESS)
    assert (outcome.fate, TEST_OF_ROW_06 in outcome.note) == (Fate.SURVIVED, True)


def test_mutant_that_does_not_fit_is_not_run(tree: TreeCopy) -> None:
    missing = _with_edit(HARMLESS, Edit(GIT_URLS, "no such text anywhere", "x"))
    assert tree.try_mutant(missing).fate == Fate.UNAPPLIED


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("# leaves room for ", "\n) # ", id="syntax"),
        pytest.param("authority = parts.netloc", "authority = missing.netloc", id="name"),
    ],
)
def test_mutant_that_breaks_the_code_is_no_kill(tree: TreeCopy, old: str, new: str) -> None:
    unusable = _with_edit(HARMLESS, Edit(GIT_URLS, old, new))
    assert tree.try_mutant(unusable).fate == Fate.BROKEN


def test_tree_that_its_tests_would_not_import_is_refused(tmp_path: Path) -> None:
    """An empty repository: the children find the package where it is installed."""
    tree = TreeCopy(ROOT, tmp_path / "copy")
    (tree.root / "src/boomtown/__init__.py").unlink()
    with pytest.raises(TestRunBroken, match="would import"):
        tree.check_imports()


def _with_edit(mutant: Mutant, edit: Edit) -> Mutant:
    return Mutant(name=mutant.name, defect=mutant.defect, edits=(edit,), tests=mutant.tests)


def _exists(test: str) -> bool:
    """A function of that name at the top of that file, with a name that pytest collects."""
    path, _, function = test.partition("::")
    file = ROOT / path
    if not file.is_file() or not file.name.startswith("test_"):
        return False
    name = function.partition("[")[0]
    return name.startswith("test_") and any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name
        for node in ast.parse(file.read_text()).body
    )
