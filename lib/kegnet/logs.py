"""The log: Python's logging into the syslog library, one safe line a record."""

from __future__ import annotations

import logging
import sys
import syslog
from collections import deque

IDENT = "kegnet-client"
REPEAT_S = 3600.0
NEWS = 10
"""How many lines an hour one state that comes and goes is worth."""
_LINE_CHARACTERS = 1000
_NAME_CHARACTERS = 120


_SEVERITY = {
    logging.DEBUG: syslog.LOG_DEBUG,
    logging.INFO: syslog.LOG_INFO,
    logging.WARNING: syslog.LOG_WARNING,
    logging.ERROR: syslog.LOG_ERR,
    logging.CRITICAL: syslog.LOG_CRIT,
}


class _SyslogHandler(logging.Handler):
    """Hands records to syslog(3), and to the terminal where somebody sits at one; good news when `flush()` is called."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: list[tuple[int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self._waiting.append((_SEVERITY.get(record.levelno, syslog.LOG_NOTICE), escaped(self.format(record))))
        if record.levelno > logging.INFO:
            self.flush()

    def flush(self) -> None:
        lines, self._waiting = self._waiting, []
        for severity, line in lines:
            syslog.syslog(severity, line)


def start() -> None:
    """Opens the log: facility user, ident `kegnet-client[pid]`; on stderr as well if that is a terminal."""
    options = syslog.LOG_PID | (syslog.LOG_PERROR if sys.stderr.isatty() else 0)
    syslog.openlog(IDENT, options, syslog.LOG_USER)
    # Who logs what is known without a walk over the stack, see "Optimization" in Python's Logging HOWTO.
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    root = logging.getLogger()
    root.handlers = [_SyslogHandler()]
    root.setLevel(logging.WARNING)
    logging.getLogger("kegnet").setLevel(logging.INFO)
    # What these two say of single connections and events, the rooms that use them say in an owner's words.
    for library in ("urllib3", "pyinotify"):
        logging.getLogger(library).setLevel(logging.CRITICAL)


def flush() -> None:
    """Writes what has been logged. For when there is time: to wake the log's reader takes longer than to write to it."""
    for handler in logging.getLogger().handlers:
        handler.flush()


def escaped(text: str, limit: int = _LINE_CHARACTERS) -> str:
    """`text` as one printable line of at most about `limit` characters, so that nothing from outside forges a line."""
    clipped = text if len(text) <= limit else text[:limit] + "..."
    if clipped.isprintable():
        return clipped
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode("ascii") for c in clipped)


def shown(name: str) -> str:
    """A name or answer from outside, fit for the middle of a line."""
    return escaped(name, _NAME_CHARACTERS)


class Hourly:
    """Keeps a state from being said again and again.

    Once, and then at most hourly while it lasts; where it comes and goes, or has new words each time, at most
    `NEWS` times an hour.
    """

    def __init__(self) -> None:
        self._said: dict[str, float] = {}
        self._times: deque[float] = deque(maxlen=NEWS)

    def allows(self, what: str, now: float) -> bool:
        """Whether `what` may be said at `now` (monotonic seconds); if so, it counts as said."""
        if now - self._said.get(what, float("-inf")) < REPEAT_S:
            return False
        if len(self._times) == NEWS and now - self._times[0] < REPEAT_S:
            return False
        self._said = {**{said: when for said, when in self._said.items() if now - when < REPEAT_S}, what: now}
        self._times.append(now)
        return True

    def forget(self) -> bool:
        """The state is over; the next one is news. Whether this one was said, so that its end may be."""
        was_said = bool(self._said)
        self._said.clear()
        return was_said
