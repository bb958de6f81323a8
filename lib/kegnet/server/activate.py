"""Runs a command with descriptors as the service manager passes them, see sd_listen_fds(3). The process number stays the same.

usage: activate.py NAME=DESCRIPTOR... -- COMMAND...
"""

from __future__ import annotations

import fcntl
import os
import sys

FIRST = 3
ABOVE_ALL = 200


def main() -> None:
    """Moves the descriptors to their places and runs the command."""
    end = sys.argv.index("--")
    passed = [word.split("=") for word in sys.argv[1:end]]
    copies = [fcntl.fcntl(int(descriptor), fcntl.F_DUPFD, ABOVE_ALL) for _, descriptor in passed]
    for number, copy in enumerate(copies, FIRST):
        os.dup2(copy, number)
        os.close(copy)
    os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(passed)), "LISTEN_FDNAMES": ":".join(name for name, _ in passed)}
    command = sys.argv[end + 1 :]
    os.execv(command[0], command)  # noqa: S606 - the caller's own command


if __name__ == "__main__":
    main()
