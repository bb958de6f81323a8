"""Runs a mode of the command line: --setup, --watch, --calibrate or --check."""

from __future__ import annotations

import argparse
import os

from ...core.command_line import complain, run_mode
from .. import config
from ..gpio_line import GpioError
from .arguments import PROGRAM


def run(parsed: argparse.Namespace) -> int:
    """Runs the mode of the command line; an error is one line on stderr. Returns the exit status."""
    return run_mode(PROGRAM, lambda: _dispatch(parsed))


def _dispatch(parsed: argparse.Namespace) -> int:
    if parsed.setup:
        from .setup import set_up

        print(set_up(parsed.config, parsed.wanted), end="")
        return os.EX_OK
    if parsed.check:
        from .check import check

        return check(parsed.config, parsed.json)
    try:
        if parsed.watch:
            from .watch import watch

            return watch(config.load(parsed.config))
        from .calibrate import calibrate

        return calibrate(config.load(parsed.config), parsed.calibrate)
    except GpioError as error:
        complain(PROGRAM, str(error))
        return 1
