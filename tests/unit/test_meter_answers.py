"""The lines of standard input that the meter's dialogues wait for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

LIB = Path(__file__).parents[2] / "lib"
INTERRUPTED = """
import signal
from kegnet.meter.commands.answers import Answers

answers = Answers()
signal.signal(signal.SIGINT, lambda *_: print("before"))
signal.raise_signal(signal.SIGINT)
answers.wait()
answers.wait(limit_s=0.01)
print("after")
"""


def test_a_signal_just_before_the_wait_ends_it() -> None:
    command = [sys.executable, "-B", "-c", INTERRUPTED]
    program = subprocess.Popen(command, env={"PYTHONPATH": str(LIB)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        # The standard input stays open.
        assert program.wait(timeout=30) == 0
        assert program.stdout is not None
        assert program.stdout.read() == "before\nafter\n"
    finally:
        program.kill()
        program.communicate()
