"""Runs a mode of the command line: --setup, --check or --requeue."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys

from ...core.ini import ConfigError
from .. import config
from .arguments import complain


def run(parsed: argparse.Namespace) -> int:
    """Runs the mode of the command line; an error is one line on stderr. Returns the exit status."""
    try:
        status = _dispatch(parsed)
        sys.stdout.flush()
    except ConfigError as error:
        complain(str(error))
        status = os.EX_CONFIG
    except KeyboardInterrupt:
        complain("interrupted")
        status = 128 + signal.SIGINT
    except BrokenPipeError:
        # The reader, such as head(1), has closed the pipe.
        status = 128 + signal.SIGPIPE
    except OSError as error:
        complain(f"{error.filename or 'the output'}: {error.strerror}")
        status = os.EX_IOERR
    with contextlib.suppress(OSError):
        sys.stderr.flush()
    return status


def _dispatch(parsed: argparse.Namespace) -> int:
    # Each mode imports only what it needs: the modules for signing and HTTP take seconds on a small machine.
    if parsed.setup:
        from .setup import set_up

        print(set_up(parsed.config, parsed.server), end="")
        return os.EX_OK
    if parsed.check:
        from .check import check

        return check(parsed.config, parsed.json)
    from .requeue import requeue

    return requeue(config.load(parsed.config), parsed.requeue)
