"""The fuzzer: gives inputs to a parser, each made from earlier ones that reached new places in its code.

usage: fuzz.py PARSER [options of libFuzzer] FOLDER...      writes what it finds to the first FOLDER
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import atheris  # type: ignore[import-untyped]

TESTS = Path(__file__).resolve().parents[1]
sys.path[:1] = [str(TESTS), str(TESTS.parent / "lib")]

# The models as well: they look at single characters, so the fuzzer sees how far an input gets.
with atheris.instrument_imports(include=["kegnet", "faults", "configparser"]):
    from faults.models import CHECKS

parser = sys.argv.pop(1)
check = CHECKS[parser]
# Otherwise a time that is wrongly read as local time would pass.
os.environ["TZ"] = "Pacific/Chatham"
time.tzset()
atheris.Setup(sys.argv, check)
atheris.Fuzz()
