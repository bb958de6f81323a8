"""Opens a database in processes of their own: URL DELAY-S... Prints how each ended: its exit status, or the negative signal.

After its delay a process is killed. A delay of 0 stands for six that start together, and are not killed.
"""

from __future__ import annotations

import os
import signal
import sys
import time

# As early as here, so that a delay is one in the work.
import alembic.command
import psycopg2
from kegnet.server.storage import open_database


def opener(url: str) -> int:
    """Starts one; its process id."""
    pid = os.fork()
    if not pid:
        status = 1
        try:
            open_database(url).close()
            status = 0
        finally:
            os._exit(status)
    return pid


def main(url: str, delays: list[float]) -> None:
    """Prints the results."""
    assert alembic.command
    assert psycopg2
    for delay in delays:
        started = [opener(url) for _ in range(1 if delay else 6)]
        if delay:
            time.sleep(delay)
            os.kill(started[0], signal.SIGKILL)
        for pid in started:
            print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


main(sys.argv[1], [float(word) for word in sys.argv[2:]])
