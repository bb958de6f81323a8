"""The fuzzer: gives a parser input after input, each bred from those that have reached new places in its code.

usage: fuzz.py PARSER [options of libFuzzer] FOLDER...      keeps what it finds in the first FOLDER
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import atheris  # type: ignore[import-untyped]

TESTS = Path(__file__).resolve().parents[1]
sys.path[:1] = [str(TESTS), str(TESTS.parent / "lib")]

# The models as well: where they look at characters one by one, the fuzzer sees how far an input has come.
with atheris.instrument_imports(include=["kegnet", "faults", "configparser"]):
    from faults.models import CHECKS

parser = sys.argv.pop(1)
check = CHECKS[parser]
# Far from Greenwich, or a time that is taken for local would pass.
os.environ["TZ"] = "Pacific/Chatham"
time.tzset()
atheris.Setup(sys.argv, check)
atheris.Fuzz()
