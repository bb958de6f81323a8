"""The command line: service/take-over-pourd [--undo] [--now] [PIN...]."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from ...core.command_line import complain, repair_streams, run_mode
from ...core.problem import ProblemError
from . import instance, take_over
from .instance import Instance

PROGRAM = "take-over-pourd"
_ENDS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
_DESCRIPTION = """\
Has kegnet-meter count in the place of pourd, the flow-meter daemon of 2013: one pin after the other, when nobody pours.
Prints each step. After an interruption, run it again."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; the exit status."""
    repair_streams()
    parser = argparse.ArgumentParser(prog=PROGRAM, description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--undo", action="store_true", help="have pourd count again")
    parser.add_argument("--now", action="store_true", help="do not wait until nobody pours: you know that nobody does")
    parser.add_argument("pins", metavar="PIN", nargs="*", type=int, help="the number N in pourdN.conf; by default every pin in use")
    try:
        parsed = parser.parse_args(arguments)
    except SystemExit as end:
        return os.EX_USAGE if end.code else os.EX_OK
    if os.geteuid() != 0:
        complain(PROGRAM, f"needs root: {take_over.COMMAND}")
        return os.EX_NOPERM
    for number in _ENDS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    return run_mode(PROGRAM, lambda: _all(parsed.pins, parsed.undo, parsed.now))


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Undoes the last steps: a connection that is lost must not leave a pin that nothing counts."""
    # Often several come at once. The next one must not interrupt that, nor end the commands that it runs.
    for number in _ENDS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _all(pins: list[int], undo: bool, quiet: bool) -> int:
    """Each of `pins`, or of those in use. A problem with one does not prevent the others."""
    known = instance.numbers()
    status = os.EX_OK
    chosen = 0
    for number in pins or known:
        try:
            chosen += _one(_known(number, known), undo, quiet, named=bool(pins))
        except ProblemError as error:
            complain(PROGRAM, f"pin {number}: {error}")
            status = 1
            chosen += 1
    if not chosen:
        print("nothing to do")
    return status


def _known(number: int, known: list[int]) -> Instance:
    """The instance of a number among `known`. Raises ProblemError."""
    if number not in known:
        fix = f"name one of: {' '.join(map(str, known))}" if known else "is pourd installed in another directory?"
        raise ProblemError(f"there is no {instance.CONF}/pourd{number}.conf", fix)
    return Instance.of(number)


def _one(pourd: Instance, undo: bool, quiet: bool, named: bool) -> bool:
    """One pin. Returns whether there was anything to do. Raises ProblemError."""

    def say(step: str) -> None:
        print(f"pin {pourd.number} (GPIO {pourd.gpio}): {step}", flush=True)

    if undo:
        if not named and not take_over.can_be_undone(pourd):
            return False
        take_over.give_back(pourd, say, quiet)
        return True
    if take_over.is_taken_over(pourd):
        say(f"is taken over already; to undo it: {take_over.COMMAND} --undo {pourd.number}")
        return True
    if not named and not take_over.is_in_use(pourd):
        say(f"ignored: {pourd.unit} is neither enabled nor running; to take it over all the same: {take_over.COMMAND} {pourd.number}")
        return False
    take_over.take_over(pourd, say, quiet)
    return True


if __name__ == "__main__":
    sys.exit(main())
