"""The command line: its options and their valid combinations."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ... import __version__
from ...core.command_line import default_if_same
from ..config import DEFAULT_PATH, HIGHEST_PIN

PROGRAM = "kegnet-meter"

HELP = """\
From a flow meter to the first pour:
  sudo kegnet-meter --setup             asks for the pins of the flow meters, and writes meter.conf
  sudo kegnet-meter --watch             shows the pulses live: turn the wheel, and see it
  sudo kegnet-meter --calibrate 17      finds out how many pulses a litre has
  sudo kegnet-meter --check             examines everything, and prints a fix for each problem
  sudo systemctl enable --now kegnet-meter

Exit status: 0 success, Ctrl-C ended --watch, or SIGTERM or SIGINT ended the daemon; 1 --check found a failure, or a
line cannot be used; 2 wrong command line; 70 unexpected error; 74 the output cannot be written; 78 the configuration
cannot be used; 130 Ctrl-C in a mode; 141 a pipe was closed.
See also kegnet-meter(8) and meter.conf(5).
"""


@dataclass(frozen=True)
class Wanted:
    """What --setup was asked for on the command line. The keys are pins."""

    pins: tuple[int, ...]
    spool: str | None
    report_as: dict[int, int]
    pulses_per_litre: dict[int, int]

    def __bool__(self) -> bool:
        """Whether any option was given."""
        return bool(self.pins or self.spool is not None or self.report_as or self.pulses_per_litre)


def parse() -> argparse.Namespace:
    """The parsed command line. Ends the process with status 2 if it is wrong."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Counts the pulses of flow meters and writes pours into the spool, in the foreground until SIGTERM. Modes:",
        epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument("--setup", action="store_true", help="writes the pins into meter.conf; overwrites nothing")
    modes.add_argument("--watch", action="store_true", help="shows the pulses of each pin live, until Ctrl-C")
    modes.add_argument("--calibrate", metavar="PIN", type=_pin, help="measures the pulses of a litre, with a measuring cup")
    modes.add_argument("--check", action="store_true", help="examines configuration, kernel, lines, noise, spool and service")
    modes.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    parser.add_argument("--config", metavar="FILE", type=Path, default=DEFAULT_PATH, help="the configuration (%(default)s)")
    parser.add_argument("--json", action="store_true", help="with --check: prints JSON")
    setup = parser.add_argument_group("with --setup; without any of these it asks")
    setup.add_argument("--pin", metavar="PIN", type=_pin, action="append", default=[], help="the GPIO number of a flow meter; repeatable")
    setup.add_argument("--spool", metavar="DIR", help="the spool directory")
    setup.add_argument(
        "--report-as", metavar="PIN=N", type=_of_pin(0, 999_999), action="append", default=[], help="its number on the server"
    )
    setup.add_argument("--pulses-per-litre", metavar="PIN=N", type=_of_pin(1, 1_000_000), action="append", default=[], help="if known")
    parsed = parser.parse_args()
    parsed.wanted = Wanted(tuple(parsed.pin), parsed.spool, dict(parsed.report_as), dict(parsed.pulses_per_litre))
    if parsed.wanted and not parsed.setup:
        parser.error("--pin, --spool, --report-as and --pulses-per-litre need --setup")
    if parsed.json and not parsed.check:
        parser.error("--json needs --check")
    parsed.config = default_if_same(parsed.config, DEFAULT_PATH)
    return parsed


def is_mode(parsed: argparse.Namespace) -> bool:
    """Whether the command line selects a mode instead of the daemon."""
    return bool(parsed.setup or parsed.watch or parsed.check or parsed.calibrate is not None)


def _pin(text: str) -> int:
    """The number of a GPIO line of the header."""
    return _whole(text, 0, HIGHEST_PIN)


def _of_pin(low: int, high: int) -> Callable[[str], tuple[int, int]]:
    """A parser of `PIN=N`, with N from `low` to `high`."""

    def parse_assignment(text: str) -> tuple[int, int]:
        pin, equals, value = text.partition("=")
        if not equals:
            raise argparse.ArgumentTypeError(f"{text!r} is not PIN=N, e.g. 17={high if low else 0}")
        return _pin(pin), _whole(value, low, high)

    return parse_assignment


def _whole(text: str, low: int, high: int) -> int:
    if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high}")
    return int(text)
