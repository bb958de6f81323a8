"""One daemon at a time: a second one would take the pours that run for those of a crash, and send them twice."""

from __future__ import annotations

import fcntl
import logging
import os
import select
import signal
import time
from pathlib import Path

from ..core import syslog_handler
from ..core.clock import poll_timeout_ms
from ..core.signals import Signals
from ..core.systemd import ServiceManager

RETRY_S = 5.0

log = logging.getLogger(__name__)


def wait(config: Path, signals: Signals, service: ServiceManager) -> bool:
    """Waits until no other daemon runs with a configuration in the directory of `config`. Returns False if SIGTERM or SIGINT comes.

    The lock is on the directory, because editors and `--setup` replace the file. It ends with the process. Where the file system has
    no locks, nothing waits.
    """
    try:
        directory = os.open(config.absolute().parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        # Reading the configuration tells what is wrong.
        return True
    is_logged = False
    while not _lock(directory):
        if not is_logged:
            is_logged = True
            problem = f"another kegnet-meter counts with a configuration in {config.absolute().parent}; this one waits for its end"
            log.error("%s; fix: end one of them; kegnet-meter --watch shows what the other one counts", problem)
            service.ready()
            service.status(problem)
        service.alive(time.monotonic())
        syslog_handler.flush()
        poll = select.poll()
        poll.register(signals.fileno(), select.POLLIN)
        poll.poll(poll_timeout_ms(RETRY_S))
        received = signals.read()
        if signal.SIGTERM in received or signal.SIGINT in received:
            return False
    return True


def _lock(directory: int) -> bool:
    """Whether no other process has the lock."""
    try:
        fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
