"""One server, and one forge with the repository of all, for all refusals."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from boomtown.entropy import SystemSecrets
from support.processes import processes_of_run, wait_for
from support.refusal_forge import RefusalForge
from support.refusal_scene import Scene
from support.refusal_server import CONFIG, SILENT_FORGE_CONFIG, RefusalServer


@pytest.fixture(scope="session")
def refusal_mark() -> Iterator[str]:
    """What marks the processes of the servers; none of them is left."""
    mark = SystemSecrets().token_text(12)
    yield mark
    wait_for(lambda: not processes_of_run(mark), "no process is left")


@pytest.fixture(scope="session")
def forge(tmp_path_factory: pytest.TempPathFactory, refusal_mark: str) -> Iterator[RefusalForge]:
    with RefusalForge(tmp_path_factory.mktemp("forge"), run_id=refusal_mark) as forge:
        yield forge


@pytest.fixture(scope="session")
def refusal_server(
    tmp_path_factory: pytest.TempPathFactory, refusal_mark: str, forge: RefusalForge
) -> Iterator[RefusalServer]:
    folder = tmp_path_factory.mktemp("refusals")
    config = CONFIG + SILENT_FORGE_CONFIG + forge.settings
    with RefusalServer(folder, run_id=refusal_mark, config=config) as server:
        yield server


@pytest.fixture
def scene(refusal_server: RefusalServer, forge: RefusalForge) -> Scene:
    return Scene(refusal_server, str(forge.origin.path), forge_url=forge.url)
