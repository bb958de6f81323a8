"""--setup: the flow meters of this computer, which the program kegnet-meter sets up."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from ..config import DEFAULT_PATH

_COMMAND = "kegnet-meter"


def offer_meter_setup(path: Path) -> int:
    """Asks on the terminal whether there is a flow meter, and runs `kegnet-meter --setup` then. Returns the exit status.

    Does nothing without a terminal, or where kegnet-meter is not installed. `path` is the client's configuration: the
    meter's is beside it.
    """
    program = _find_program()
    if program is None or not sys.stdin.isatty():
        return os.EX_OK
    print("\nIs a flow meter connected to this computer? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        return os.EX_OK
    path = path.absolute()
    option = [] if path == DEFAULT_PATH else ["--config", str(path.with_name("meter.conf"))]
    sys.stdout.flush()
    status = subprocess.run([program, *option, "--setup"]).returncode
    # A signal has ended it: the status that a shell gives.
    return status if status >= 0 else 128 - status


def _find_program() -> str | None:
    """The command: beside this program, as `meter.py` in a folder with `client.py`, else in PATH."""
    here = Path(sys.argv[0]).resolve()
    for name in (_COMMAND, "meter.py"):
        if os.access(here.with_name(name), os.X_OK):
            return str(here.with_name(name))
    return shutil.which(_COMMAND)
