"""An SMTP server (RFC 5321) that accepts every mail, and remembers it."""

from __future__ import annotations

import email
import email.policy
import socketserver
import threading
from email.message import EmailMessage
from types import TracebackType

_ANSWERS = {b"EHLO": b"250 mailbox", b"DATA": b"354 go on", b"QUIT": b"221 bye"}


class Mailbox:
    """Listens at `port`. `mails` are those that came."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        mailbox = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.wfile.write(b"220 mailbox\r\n")
                for line in self.rfile:
                    verb = line[:4].upper()
                    self.wfile.write(_ANSWERS.get(verb, b"250 ok") + b"\r\n")
                    if verb == b"DATA":
                        text = b"".join(iter(self.rfile.readline, b".\r\n"))
                        mailbox.mails.append(email.message_from_bytes(text, policy=email.policy.default))
                        self.wfile.write(b"250 ok\r\n")
                    if verb == b"QUIT":
                        return

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> Mailbox:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
