#!/usr/bin/env python3
"""A stand-in KegNet: takes signed pings and pours over HTTPS, verifies them, keeps them in SQLite."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication
from kegnet.server.app import create_app
from kegnet.server.clients import Clients
from kegnet.server.store import Store

KEEP_ALIVE_S = 75


class Server(BaseApplication):  # type: ignore[misc]
    """gunicorn with one worker process of several threads, told what to do by our own command line."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        super().__init__()

    def load_config(self) -> None:
        """Tells gunicorn its settings."""
        settings = {
            "bind": self._arguments.listen,
            "certfile": self._arguments.certificate,
            "keyfile": self._arguments.key,
            "worker_class": "gthread",
            "threads": 8,
            "keepalive": KEEP_ALIVE_S,
            "loglevel": "warning",
            "proc_name": "kegnet-server",
            "when_ready": self._when_ready,
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """The application; in the worker process, for a SQLite connection does not survive a fork."""
        return create_app(Clients(self._arguments.clients), Store(self._arguments.database))

    def _when_ready(self, arbiter: Any) -> None:
        scheme = "https" if self._arguments.certificate else "http"
        host, port = arbiter.LISTENERS[0].sock.getsockname()[:2]
        logging.getLogger("kegnet").info("listening at %s://%s:%d/rest/v2", scheme, host, port)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="kegnet-server", description=__doc__)
    parser.add_argument("--clients", metavar="DIR", type=Path, required=True, help="a folder with each client's public key, <uuid>.pem")
    parser.add_argument("--database", metavar="FILE", type=Path, required=True, help="the SQLite database; made if there is none")
    parser.add_argument(
        "--listen", metavar="HOST:PORT", default="127.0.0.1:8443", help="where to listen (%(default)s); port 0 takes a free one"
    )
    parser.add_argument("--certificate", metavar="FILE", help="the server's certificate, PEM; with --key: HTTPS, without: HTTP")
    parser.add_argument("--key", metavar="FILE", help="the certificate's private key, PEM")
    return parser.parse_args()


def main() -> None:
    """Serves until SIGTERM or SIGINT."""
    arguments = _arguments()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    Server(arguments).run()


if __name__ == "__main__":
    main()
