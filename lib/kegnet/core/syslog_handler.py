"""Sends Python's logging to syslog(3): one escaped line per record; rate limits for states that last."""

from __future__ import annotations

import logging
import sys
import syslog
from collections import deque

REPEAT_S = 3600.0
LINES_AN_HOUR = 10
"""Maximum number of lines per hour for a state that comes and goes."""
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
    """Writes records to syslog(3). INFO lines are buffered until `flush()`, because each write wakes the log daemon."""

    def __init__(self) -> None:
        super().__init__()
        self._buffer: deque[tuple[int, str]] = deque()

    def emit(self, record: logging.LogRecord) -> None:
        self._buffer.append((_SEVERITY.get(record.levelno, syslog.LOG_NOTICE), escape(_text(record))))
        if record.levelno > logging.INFO:
            self.flush()

    def flush(self) -> None:
        while self._buffer:
            # Remove the line only after it was written: an interruption in between then repeats a line instead of losing one.
            severity, line = self._buffer[0]
            syslog.syslog(severity, line)
            self._buffer.popleft()


def start(ident: str) -> None:
    """Opens the log: facility user, `ident[pid]`; on stderr as well if that is a terminal."""
    options = syslog.LOG_PID | (syslog.LOG_PERROR if sys.stderr.isatty() else 0)
    syslog.openlog(ident, options, syslog.LOG_USER)
    root = logging.getLogger()
    root.handlers = [_SyslogHandler()]
    root.setLevel(logging.WARNING)
    logging.getLogger("kegnet").setLevel(logging.INFO)
    # Our own modules report the same events in the user's terms.
    for library in ("urllib3", "pyinotify"):
        logging.getLogger(library).setLevel(logging.CRITICAL)


def flush() -> None:
    """Writes what has been logged so far."""
    for handler in logging.getLogger().handlers:
        handler.flush()


def escape(text: str, limit: int = _LINE_CHARACTERS) -> str:
    """`text` as one printable line, so that nothing from outside can forge one. Cut to `limit` characters before escaping."""
    cut = text if len(text) <= limit else text[:limit] + "..."
    if cut.isprintable():
        return cut
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode("ascii") for c in cut)


def escape_name(name: str) -> str:
    """A name or a server's answer, escaped and cut to fit into a line."""
    return escape(name, _NAME_CHARACTERS)


class HourlyLimit:
    """Limits how often one state is logged.

    Logs once, then at most hourly while the state lasts. A state that comes and goes, or whose text changes, is logged at
    most `LINES_AN_HOUR` times an hour.
    """

    def __init__(self) -> None:
        self._logged: dict[str, float] = {}
        self._times: deque[float] = deque(maxlen=LINES_AN_HOUR)

    def allows(self, text: str, now: float) -> bool:
        """Whether `text` may be logged at `now` (monotonic seconds). If so, it counts as logged."""
        if now - self._logged.get(text, float("-inf")) < REPEAT_S:
            return False
        if len(self._times) == LINES_AN_HOUR and now - self._times[0] < REPEAT_S:
            return False
        self._logged = {**{old: when for old, when in self._logged.items() if now - when < REPEAT_S}, text: now}
        self._times.append(now)
        return True

    def end(self) -> bool:
        """Ends the state. Returns whether its start was logged, so that its end should be logged, too."""
        was_logged = bool(self._logged)
        self._logged.clear()
        return was_logged


def _text(record: logging.LogRecord) -> str:
    """The message; after an exception its name and text, then the innermost frames, as far as a line allows."""
    text = record.getMessage()
    if record.exc_info and record.exc_info[1] is not None:
        error = record.exc_info[1]
        trace = logging.Formatter().formatException(record.exc_info)
        text = f"{text}: {type(error).__name__}: {error}; {trace[-_LINE_CHARACTERS // 2 :]}"
    return text
