#!/usr/bin/env python3
"""Runs shell scripts that come in over a serial port, one a line, in JSON; answers [status, output], likewise."""

from __future__ import annotations

import json
import subprocess
import sys
import termios
import tty
from pathlib import Path


def main() -> None:
    """Serves until the machine ends."""
    with Path(sys.argv[1]).open("r+b", buffering=0) as port:
        tty.setraw(port.fileno(), termios.TCSANOW)
        port.write(b"ready\n")
        line = b""
        while True:
            line += port.read(1)
            if line.endswith(b"\n"):
                done = subprocess.run(["sh", "-c", json.loads(line)], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
                answer = json.dumps([done.returncode, done.stdout + done.stderr]).encode() + b"\n"
                while answer:
                    answer = answer[port.write(answer) :]
                line = b""


if __name__ == "__main__":
    main()
