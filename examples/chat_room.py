"""A chat room. Its sockets hibernate: a room in which nobody speaks takes no memory.

    boomtown serve chat_room:ChatRoom --no-auth

Then connect any WebSocket client to ws://127.0.0.1:8787/actors/ChatRoom/lobby/?name=Ann.
"""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from boomtown.actors import (
    DurableObject,
    DurableObjectState,
    Env,
    ReadyState,
    Request,
    Response,
    WebSocket,
    WebSocketPair,
)

SHOWN_MAX = 20  # lines that whoever enters is shown


class ChatRoom(DurableObject):
    """One room: its members are its sockets, and what was said is in its database."""

    def __init__(self, ctx: DurableObjectState, env: Env) -> None:
        super().__init__(ctx, env)  # also after each hibernation: the sockets are there already
        ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS line (id INTEGER PRIMARY KEY, said TEXT)")
        ctx.set_web_socket_auto_response("ping", "pong")  # answered without waking the room

    async def fetch(self, request: Request) -> Response:
        if not request.is_upgrade:
            return Response.json(self._lines())
        name = parse_qs(urlsplit(request.url).query).get("name", ["somebody"])[0][:64]
        client, server = WebSocketPair()
        self.ctx.accept_web_socket(server, tags=[name])
        server.serialize_attachment(name)  # kept with the connection while the room sleeps
        for line in self._lines():
            server.send(line)
        self._say(f"{name} has come")
        return Response(status=101, web_socket=client)

    async def web_socket_message(self, ws: WebSocket, message: str | bytes) -> None:
        self._say(f"{ws.deserialize_attachment()}: {message!s}")

    async def web_socket_close(
        self, ws: WebSocket, code: int, reason: str, was_clean: bool
    ) -> None:
        ws.close()
        self._say(f"{ws.deserialize_attachment()} has gone")

    def _say(self, line: str) -> None:
        self.ctx.storage.sql.exec("INSERT INTO line (said) VALUES (?)", line)
        for member in self.ctx.get_web_sockets():
            if member.ready_state is ReadyState.OPEN:
                member.send(line)  # leaves once the line is on the disk: nobody reads what is lost

    def _lines(self) -> list[str]:
        rows = self.ctx.storage.sql.exec(
            "SELECT said FROM line ORDER BY id DESC LIMIT ?", SHOWN_MAX
        )
        return [str(row["said"]) for row in rows][::-1]
