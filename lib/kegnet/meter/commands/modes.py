"""Runs a mode of the command line. There is none yet."""

from __future__ import annotations

import argparse
import os


def run(parsed: argparse.Namespace) -> int:
    """Runs the mode. Returns the exit status."""
    del parsed
    return os.EX_USAGE
