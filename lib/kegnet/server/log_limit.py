"""A log that a burst cannot flood."""

from __future__ import annotations

import asyncio
import logging
import time

LINES_AT_MOST = 10
WINDOW_S = 10.0


class LimitedLog:
    """Logs at most `LINES_AT_MOST` lines in `WINDOW_S` seconds, then one line with the number of those left out.

    For the event loop's thread.
    """

    def __init__(self, logger: logging.Logger, summary: str) -> None:
        """`summary` is the text of the last line, with %d for the number, e.g. `%d more pours accepted`."""
        self._logger = logger
        self._summary = summary
        self._window_ends = 0.0
        self._lines = 0
        self._omitted = 0

    def line(self, level: int, text: str, *values: object, error: BaseException | None = None) -> None:
        """Logs a line, or counts it as left out. `values` are formatted into `text` only if it is logged. `error` adds its traceback."""
        if self._lines >= LINES_AT_MOST:
            if time.monotonic() < self._window_ends:
                self._omit(level)
                return
            self._lines = 0
        if self._lines == 0:
            self._window_ends = time.monotonic() + WINDOW_S
        self._lines += 1
        self._logger.log(level, text, *values, exc_info=error)

    def _omit(self, level: int) -> None:
        self._omitted += 1
        if self._omitted == 1:
            asyncio.get_running_loop().call_later(self._window_ends - time.monotonic(), self._summarize, level)

    def _summarize(self, level: int) -> None:
        self._logger.log(level, self._summary, self._omitted)
        self._omitted = 0
