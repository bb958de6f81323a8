"""kegnet-server serve: the server itself, until SIGTERM."""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from ...core.ini import ConfigError
from ...core.problem import ProblemError
from ..config import Config
from ..options import SHARED_COUNTS_IN, ServeOptions
from ..parameters import EXPECTED
from . import arguments

OPTIONS = ("listen", "certificate", "key", "proxy", "mqtt", "notify", "url", "names", "workers")

log = logging.getLogger("kegnet.server")


def add_to(verbs: Any) -> None:
    """Adds the command and its options."""
    parser = arguments.add_unopened(verbs, "serve", serve, "serves until SIGTERM; its options take precedence over the configuration")
    for name in OPTIONS:
        parser.add_argument(f"--{name}", dest=f"given_{name}", metavar=name.upper(), help=EXPECTED[name])


def serve(parsed: argparse.Namespace, config: Config) -> int:
    """Serves until SIGTERM or SIGINT. Returns the exit status. Raises ProblemError."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stdout)
    logging.getLogger("kegnet").setLevel(logging.INFO)
    if parsed.given_mqtt and urlsplit(parsed.given_mqtt).password:
        raise ConfigError(
            "--mqtt: a password on the command line can be read by every user of this machine", "put it into the configuration"
        )
    for warning in config.warnings:
        log.warning("%s", warning)
    _check_integrations(config.options)
    with _shared_counts(config.options.workers):
        # The other commands do without the modules of the server, which take seconds to import on a small machine.
        from ..serving import run

        return run(config.options)


@contextmanager
def _shared_counts(workers: int) -> Iterator[None]:
    """Where the processes share their counts. It is in the environment before prometheus_client is imported."""
    if workers == 1:
        yield
        return
    maker = os.getpid()
    folder = tempfile.mkdtemp(prefix="kegnet-server-")
    os.environ[SHARED_COUNTS_IN] = folder
    yield
    if os.getpid() == maker:
        shutil.rmtree(folder, ignore_errors=True)


def _check_integrations(options: ServeOptions) -> None:
    """Raises ConfigError for an address that can never be used: better now than when the first alarm begins."""
    try:
        if options.mqtt:
            from ..integrations.mqtt_connection import check_url

            check_url(options.mqtt)
        if options.notify:
            from ..integrations.apprise_sender import check_urls

            check_urls(options.notify)
    except ProblemError as error:
        raise ConfigError(error.problem, error.fix) from error
