"""A container: any program that listens on a port, behind a durable object that starts it.

    boomtown serve file_server:FileServer --no-auth
    curl http://127.0.0.1:8787/actors/FileServer/mine/

The program starts with the first request, is ended when nobody has asked for five minutes, and
starts anew with the next one. A container here is a process tree of the user who runs the server:
it is no security boundary.
"""

from __future__ import annotations

import sys

from boomtown.actors import Command, Container, ContainerStop, Request, Response


class FileServer(Container):
    """One container of its own for each name; it counts how often that was started."""

    container = Command(
        (sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "{port}"), ports=(8000,)
    )
    default_port = 8000
    sleep_after = "5m"

    async def on_start(self) -> None:
        starts: int = await self.ctx.storage.get("starts") or 0
        self.ctx.storage.put("starts", starts + 1)

    async def on_stop(self, stop: ContainerStop) -> None:
        self.ctx.storage.put("last_exit_code", stop.exit_code)

    async def fetch(self, request: Request) -> Response:
        if request.path == "/-/status":
            state = await self.get_state()
            kept = await self.ctx.storage.get(["starts", "last_exit_code"])
            return Response.json({"status": state.status, **kept})
        return await super().fetch(request)

    async def run(self, program: str) -> str:
        """Run a Python program inside, and answer with what it printed."""
        assert self.ctx.container is not None
        if not self.ctx.container.running:
            await self.start_and_wait_for_ports()
        done = await self.ctx.container.exec([sys.executable, "-c", program])
        return done.stdout
