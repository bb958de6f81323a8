#!/usr/bin/env python3
"""kegnet-server: the KegNet of a household or a bar. Takes signed pings and pours, keeps them, and shows them on a page."""

from __future__ import annotations

import argparse
import getpass
import logging
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kegnet import __version__
from kegnet.server.clients import UUID, PublicKeyError, public_key
from kegnet.server.password import set_password
from kegnet.server.schema import PIN_AT_MOST
from kegnet.server.store import PULSES_PER_LITRE, Store, StoreError

KEEP_ALIVE_S = 75
THREADS = 48
"""Half of them may be pages that wait for news."""
DATABASE = "sqlite:////var/lib/kegnet-server/kegnet.sqlite"
_HELP = """\
From nothing to a page:
  kegnet-server clients add UUID PUBKEY.pem --name Garage    what kegnet-client --setup has printed
  kegnet-server taps set UUID 17 --name IPA --keg-litres 19 --fresh
  kegnet-server password                                     changes on the page want it
  kegnet-server serve --listen 0.0.0.0:8443 --certificate server.pem --key server.key

The database is SQLite's, or any that a URL names: --database postgresql://user@host/kegnet, or KEGNET_DATABASE in the environment.
"""


class MistakeError(Exception):
    """What was asked for cannot be; the text says why, and the mend."""


def serve(arguments: argparse.Namespace, store: Store) -> None:
    """Serves until SIGTERM or SIGINT."""
    from gunicorn.app.base import BaseApplication
    from kegnet.server.app import create_app
    from kegnet.server.mqtt import Publisher
    from kegnet.server.news import News

    # What the worker process has, it opens itself: a connection does not survive a fork.
    store.close()
    try:
        Publisher.check(arguments.mqtt or "mqtt://nobody")
    except ValueError as error:
        raise MistakeError(str(error)) from error

    class Server(BaseApplication):  # type: ignore[misc]
        """gunicorn with one worker process of several threads, told what to do by our own command line."""

        def load_config(self) -> None:
            settings = {
                "bind": arguments.listen,
                "certfile": arguments.certificate,
                "keyfile": arguments.key,
                "worker_class": "gthread",
                "threads": THREADS,
                "keepalive": KEEP_ALIVE_S,
                "graceful_timeout": 3,
                "limit_request_line": 2048,
                "limit_request_fields": 50,
                "forwarded_allow_ips": arguments.proxy,
                "loglevel": "warning",
                "proc_name": "kegnet-server",
                "when_ready": _when_ready,
            }
            for name, value in settings.items():
                self.cfg.set(name, value)

        def load(self) -> Any:
            news, kept = News(), Store(arguments.database)
            if arguments.mqtt:
                Publisher(arguments.mqtt, kept, news).start()
            return create_app(kept, news, behind_proxy=bool(arguments.proxy))

    Server().run()


def _when_ready(arbiter: Any) -> None:
    scheme = "https" if arbiter.cfg.certfile else "http"
    host, port = arbiter.LISTENERS[0].sock.getsockname()[:2]
    logging.getLogger("kegnet").info("listening at %s://%s:%d/rest/v2", scheme, host, port)


# Clients, taps, the password.


def add_client(arguments: argparse.Namespace, store: Store) -> None:
    """Adds a client, or gives it another key or name."""
    try:
        public_key(arguments.pem)
    except PublicKeyError as error:
        raise MistakeError(f"{arguments.public_key}: {error}") from error
    store.set_client(_uuid(arguments.uuid), public_key=arguments.pem, **({"name": arguments.name} if arguments.name else {}))
    print(f"{arguments.uuid} may speak")


def list_clients(_arguments: argparse.Namespace, store: Store) -> None:
    """Prints them, one a line."""
    for client in store.clients():
        print(f"{client.id}  {client.name}")


def remove_client(arguments: argparse.Namespace, store: Store) -> None:
    """Takes one away; what it has sent stays."""
    if not store.remove_client(_uuid(arguments.uuid)):
        raise MistakeError(f"{arguments.uuid}: is not known; kegnet-server clients list names those that are")
    print(f"{arguments.uuid} may not speak any more; its pings and pours are kept")


def set_tap(arguments: argparse.Namespace, store: Store) -> None:
    """Adds a tap, or changes what is named of it."""
    values: dict[str, object] = {}
    if arguments.name:
        values["name"] = arguments.name
    if arguments.pulses_per_litre is not None:
        values["pulses_per_litre"] = arguments.pulses_per_litre
    if arguments.keg_litres is not None:
        values["keg_ml"] = round(1000 * arguments.keg_litres)
    if arguments.fresh:
        values["tapped_ms"] = time.time_ns() // 10**6
    store.set_tap(_uuid(arguments.uuid), arguments.pin, **values)


def list_taps(_arguments: argparse.Namespace, store: Store) -> None:
    """Prints them, one a line."""
    for tap in store.taps():
        keg = f"  {tap.keg_ml / 1000:g} litres" if tap.keg_ml is not None else ""
        print(f"{tap.client}  {tap.pin}  {tap.name}  {tap.pulses_per_litre} pulses a litre{keg}")


def remove_tap(arguments: argparse.Namespace, store: Store) -> None:
    """Takes one away; its pours stay."""
    if not store.remove_tap(_uuid(arguments.uuid), arguments.pin):
        raise MistakeError(f"{arguments.uuid} {arguments.pin}: is no tap; kegnet-server taps list names those that are")


def ask_password(_arguments: argparse.Namespace, store: Store) -> None:
    """Sets the password that changes on the page want."""
    text = getpass.getpass("New password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    try:
        set_password(store, text)
    except ValueError as error:
        raise MistakeError(f"password: {error}") from error
    print("the password is set")


def _uuid(text: str) -> str:
    if not UUID.fullmatch(text):
        raise MistakeError(f"{text}: is no UUID, e.g. 6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11")
    return text


# The command line.


def _between(least: float, most: float, kind: type = int) -> Any:
    def convert(text: str) -> Any:
        value = kind(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"it takes a number from {least:g} to {most:g}")
        return value

    return convert


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kegnet-server", description=__doc__, epilog=_HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"kegnet-server {__version__}")
    usual = os.environ.get("KEGNET_DATABASE", DATABASE)
    parser.add_argument("--database", metavar="URL", default=usual, help="where things are kept; made if there is none (%(default)s)")
    verbs = parser.add_subparsers(required=True, metavar="serve | clients | taps | password")
    _serve_parser(verbs.add_parser("serve", help="serves until SIGTERM"))
    _client_parsers(verbs.add_parser("clients", help="who may speak").add_subparsers(required=True, metavar="add | list | remove"))
    _tap_parsers(verbs.add_parser("taps", help="what is on tap").add_subparsers(required=True, metavar="set | list | remove"))
    verbs.add_parser("password", help="sets the password that changes on the page want").set_defaults(do=ask_password)
    return parser


def _serve_parser(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--listen", metavar="HOST:PORT", default="127.0.0.1:8443", help="where (%(default)s); port 0 takes a free one")
    parser.add_argument("--certificate", metavar="FILE", help="the server's certificate, PEM; with --key: HTTPS, without: HTTP")
    parser.add_argument("--key", metavar="FILE", help="the certificate's private key, PEM")
    parser.add_argument("--proxy", metavar="ADDRESS", default="", help="of a proxy in front, whose word on who asks is taken")
    parser.add_argument("--mqtt", metavar="URL", help="tells a broker, and so Home Assistant: mqtt://user:password@host:1883")
    parser.set_defaults(do=serve)


def _client_parsers(verbs: Any) -> None:
    add = verbs.add_parser("add", help="adds one, or gives it another key or name")
    add.add_argument("uuid", metavar="UUID")
    add.add_argument("public_key", metavar="PUBKEY.pem", help="its public key; - for standard input")
    add.add_argument("--name", help="what the page calls it")
    add.set_defaults(do=add_client)
    verbs.add_parser("list", help="prints them").set_defaults(do=list_clients)
    remove = verbs.add_parser("remove", help="takes one away; what it has sent stays")
    remove.add_argument("uuid", metavar="UUID")
    remove.set_defaults(do=remove_client)


def _tap_parsers(verbs: Any) -> None:
    change = verbs.add_parser("set", help="adds one, or changes what is named of it")
    remove = verbs.add_parser("remove", help="takes one away; its pours stay")
    for parser in (change, remove):
        parser.add_argument("uuid", metavar="UUID", help="the client's")
        parser.add_argument("pin", metavar="PIN", type=_between(0, PIN_AT_MOST), help="the GPIO of its flow meter")
    change.add_argument("--name", help="what the page calls it")
    change.add_argument("--pulses-per-litre", metavar="N", type=_between(1, 10**6), help=f"of its flow meter ({PULSES_PER_LITRE})")
    change.add_argument("--keg-litres", metavar="N", type=_between(0.1, 10**5, float), help="what a full keg holds")
    change.add_argument("--fresh", action="store_true", help="a new keg is on, from now")
    change.set_defaults(do=set_tap)
    remove.set_defaults(do=remove_tap)
    verbs.add_parser("list", help="prints them").set_defaults(do=list_taps)


def _read_key(arguments: argparse.Namespace) -> None:
    """The public key that is named, if one is: as who has started this, for it may be closed to others."""
    name = getattr(arguments, "public_key", None)
    if name is None:
        return
    try:
        arguments.pem = sys.stdin.read() if name == "-" else Path(name).read_text("utf-8", "replace")
    except OSError as error:
        raise MistakeError(f"{name}: cannot be read ({error.strerror})") from error


def _become_owner(database: str) -> None:
    """Where root asks, whoever owns the folder of SQLite's files: what root made there, the service could not write."""
    folder = Path(database.removeprefix("sqlite:///")).parent
    if os.geteuid() != 0 or not database.startswith("sqlite:///") or not folder.is_dir():
        return
    owner = folder.stat()
    os.setgroups([])
    os.setgid(owner.st_gid)
    os.setuid(owner.st_uid)


def main(words: Sequence[str] | None = None) -> int:
    """Does what the command line says; the exit status."""
    arguments = _parser().parse_args(words)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stdout)
    logging.getLogger("kegnet").setLevel(logging.INFO)
    try:
        _read_key(arguments)
        _become_owner(arguments.database)
        arguments.do(arguments, Store(arguments.database))
    except (MistakeError, StoreError) as error:
        print(f"kegnet-server: {error}", file=sys.stderr)
        return os.EX_CONFIG
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(main())
