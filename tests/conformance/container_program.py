"""The program of test_containers.py as a real process: hang, serve, exit N, echo."""

from __future__ import annotations

import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Answering(BaseHTTPRequestHandler):
    """Says what it was asked."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.send_response(201)
        self.send_header("X-Own", "yes")
        self.end_headers()
        self.wfile.write(f"POST {self.path} {body}".encode())


def main(verb: str, *words: str) -> int:
    match verb:
        case "hang":
            signal.pause()
        case "serve":
            ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Answering).serve_forever()
        case "exit":
            return int(words[0])
        case "echo":
            sys.stdout.write(sys.stdin.read().upper() + os.environ["GREETING"])
            return 3
        case _:
            return 127
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
