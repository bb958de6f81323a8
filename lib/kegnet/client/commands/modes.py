"""Runs a mode of the command line: --setup, --check or --requeue."""

from __future__ import annotations

import argparse

from ...core.command_line import run_mode
from .. import config
from .arguments import PROGRAM


def run(parsed: argparse.Namespace) -> int:
    """Runs the mode of the command line; an error is one line on stderr. Returns the exit status."""
    return run_mode(PROGRAM, lambda: _dispatch(parsed))


def _dispatch(parsed: argparse.Namespace) -> int:
    # Each mode imports only what it needs: the modules for signing and HTTP take seconds on a small machine.
    if parsed.setup:
        from .flow_meter import offer_meter_setup
        from .setup import describe, set_up

        conf = set_up(parsed.config, parsed.server)
        if parsed.code is None:
            print(describe(conf), end="", flush=True)
        else:
            from .register import register

            status = register(conf, parsed.code)
            if status:
                return status
        return offer_meter_setup(parsed.config)
    if parsed.check:
        from .check import check

        return check(parsed.config, parsed.json)
    from .requeue import requeue

    return requeue(config.load(parsed.config), parsed.requeue)
