"""A web server that gets notifications, answers as the test says, and remembers what was delivered."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from .ports import free_port


class Webhook:
    """Listens at `port`. `delivered` are the messages that it answered by 200, `attempts` counts all. It answers by `status`,
    or (None) not before it is closed; and not while `answering` is cleared.
    """

    def __init__(self, status: int | None = 200, port: int | None = None) -> None:
        self.status = status
        self.delivered: list[dict[str, Any]] = []
        self.attempts = 0
        self.port = port or free_port()
        self.answering = threading.Event()
        self.answering.set()
        self._closed = threading.Event()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                hook.attempts += 1
                if hook.status is None:
                    hook._closed.wait()
                    return
                hook.answering.wait()
                if hook.status == 200:
                    hook.delivered.append(body)
                self.send_response(hook.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def titles(self) -> list[str]:
        """The titles of what was delivered."""
        return [each["title"] for each in self.delivered]

    def close(self) -> None:
        """Ends it."""
        self._closed.set()
        self.answering.set()
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Webhook:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
