"""One server, and one repository, for all refusals."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from boomtown.entropy import SystemSecrets
from support.processes import processes_of_run, wait_for
from support.refusal_scene import Scene
from support.refusal_server import RefusalServer
from support.shell_repository import make_repository


@pytest.fixture(scope="session")
def refusal_mark() -> Iterator[str]:
    """What marks the processes of the servers; none of them is left."""
    mark = SystemSecrets().token_text(12)
    yield mark
    wait_for(lambda: not processes_of_run(mark), "no process is left")


@pytest.fixture(scope="session")
def refusal_server(
    tmp_path_factory: pytest.TempPathFactory, refusal_mark: str
) -> Iterator[RefusalServer]:
    with RefusalServer(tmp_path_factory.mktemp("refusals"), run_id=refusal_mark) as server:
        yield server


@pytest.fixture(scope="session")
def origin(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_repository(tmp_path_factory.mktemp("origin")))


@pytest.fixture
def scene(refusal_server: RefusalServer, origin: str) -> Scene:
    return Scene(refusal_server, origin)
