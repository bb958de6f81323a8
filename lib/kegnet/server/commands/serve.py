"""kegnet-server serve: the server itself, until SIGTERM."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from typing import Any
from urllib.parse import urlsplit

from ...core.ini import ConfigError
from .. import serving
from ..config import Config
from ..parameters import EXPECTED

OPTIONS = ("listen", "certificate", "key", "proxy", "mqtt", "notify", "url")

log = logging.getLogger("kegnet.server")


def add_to(verbs: Any) -> None:
    """Adds the command and its options, which take precedence over the configuration."""
    parser: argparse.ArgumentParser = verbs.add_parser("serve", help="serves until SIGTERM", allow_abbrev=False)
    for name in OPTIONS:
        parser.add_argument(f"--{name}", metavar=name.upper(), help=EXPECTED[name])
    parser.set_defaults(serve=serve)


def serve(parsed: argparse.Namespace, config: Config) -> int:
    """Serves until SIGTERM or SIGINT. Returns the exit status. Raises ProblemError."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stdout)
    logging.getLogger("kegnet").setLevel(logging.INFO)
    if parsed.mqtt and urlsplit(parsed.mqtt).password:
        raise ConfigError(
            "--mqtt: a password on the command line can be read by every user of this machine", "put it into the configuration"
        )
    for warning in config.warnings:
        log.warning("%s", warning)
    for name, path in (("certificate", config.options.certificate), ("key", config.options.key)):
        if path is not None:
            _require_readable(name, str(path))
    return serving.run(config.options)


def _require_readable(name: str, path: str) -> None:
    """Raises ConfigError if the file cannot be read."""
    try:
        with open(path, "rb"):
            return
    except OSError as error:
        fix = "correct the path" if not os.path.exists(path) else "make it readable for the user of the service, or use LoadCredential="
        raise ConfigError(f"{name} = {path}: cannot be read ({error.strerror})", fix) from error
