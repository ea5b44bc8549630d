"""A repository behind HTTP whose first clone stands still in the middle, until it is released."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from support.shell_repository import git

HOLD_S_MAX = 60


class HeldOrigin:
    """Serves a bare repository by git's plain HTTP, read only."""

    def __init__(self) -> None:
        self.url = ""
        self.is_held = threading.Event()
        self.released = threading.Event()


@contextmanager
def serve_held(origin: Path) -> Generator[HeldOrigin]:
    """Serve for as long as the block lasts; the first look for an object waits for `released`."""
    git(origin, "update-server-info")
    held = HeldOrigin()

    class Handler(SimpleHTTPRequestHandler):
        def send_head(self) -> object:  # type: ignore[override]
            if "/objects/" in self.path and not held.released.is_set():
                held.is_held.set()
                held.released.wait(HOLD_S_MAX)
            return super().send_head()

        def log_request(self, code: object = "-", size: object = "-") -> None:
            """Say nothing: the test's output is the test's."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(origin.parent)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    held.url = f"http://127.0.0.1:{server.server_address[1]}/{origin.name}"
    try:
        yield held
    finally:
        held.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
