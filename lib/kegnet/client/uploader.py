"""Reads the next pour of the spool, sends it, and applies the result to its file."""

from __future__ import annotations

import grp
import logging
import os
import shlex
import time
from dataclasses import replace
from pathlib import Path

from ..core.messages import LINE_LIMIT_BYTES, Pour, PourError
from ..core.syslog_handler import HourlyLimit, escape_name
from .outcome import Fate, Outcome, Result
from .rest_api import RestApi
from .retry import Retry
from .spool import Content, Entry, NotAFileError, Report, Spool

INVALID_REPORTED_S = 10.0
"""How long an invalid file that inotify reported as finished is kept before it is set aside: it may be written again."""
CLOSED_S = 1.0
"""Delay before a line without a newline that was closed after writing is sent: the report may concern an earlier write."""
UNREPORTED_S = 60.0
"""How long a file that may be incomplete must be unchanged if inotify did not report it as finished."""
UNREADABLE_S = 60.0
"""Interval at which an unreadable file is read again."""

log = logging.getLogger(__name__)


def quiet_time_s(parses: bool, ends_in_newline: bool, report: Report | None) -> float:
    """How long a file must be unchanged before it is sent or set aside, in seconds; see client.conf(5), THE SPOOL.

    A line with a newline is complete. Without one, it is complete if inotify reported it as finished.
    """
    if report is None:
        return 0.0 if parses and ends_in_newline else UNREPORTED_S
    if not parses:
        return INVALID_REPORTED_S
    return 0.0 if ends_in_newline or report is Report.RENAMED else CLOSED_S


class Uploader:
    """Sends the pours in `spool` to `api`, one per `turn()`."""

    def __init__(self, spool: Spool, api: RestApi, retry: Retry) -> None:
        self._spool = spool
        self._api = api
        self._retry = retry
        self._unreadable_limit = HourlyLimit()
        self._ignored_limit = HourlyLimit()

    def due(self, now: float) -> float:
        """When `turn()` is due, in monotonic seconds."""
        return min(self._spool.maintain_due(now), self.send_due(now))

    def send_due(self, now: float) -> float:
        """When a pour may be read and sent."""
        entry = self._spool.next(now)
        if entry is None:
            return self._spool.next_due(now)
        return max(now, self._retry.pour_at(entry.attempts, self._spool.arrived_at, now))

    def turn(self, now: float) -> Result | None:
        """Does one unit of work, at most one request. Returns its result, if there was one."""
        self._spool.maintain(now)
        entry = self._spool.next(now)
        if entry is None or now < self._retry.pour_at(entry.attempts, self._spool.arrived_at, now):
            return None
        try:
            content = self._spool.read(entry.name, LINE_LIMIT_BYTES + 1)
        except FileNotFoundError:
            self._spool.forget(entry.name)
        except NotAFileError as error:
            if self._ignored_limit.allows(entry.name, now):
                log.warning("%s is ignored: it is %s", escape_name(entry.name), error)
            self._spool.drop(entry.name)
        except OSError as error:
            if self._unreadable_limit.allows(entry.name, now):
                fix = f"; fix: {_permit_command(self._spool.path / entry.name)}" if isinstance(error, PermissionError) else ""
                log.warning("%s is kept: it cannot be read (%s); retrying%s", escape_name(entry.name), error.strerror, fix)
            self._spool.drop(entry.name, now + UNREADABLE_S)
        else:
            return self._process(entry, content, now)
        return None

    def _process(self, entry: Entry, content: Content, now: float) -> Result | None:
        report, unchanged_s = self._spool.observe(entry, content, now)
        pour, problem = _parse(content.head)
        needed_s = quiet_time_s(pour is not None, content.head.endswith(b"\n"), report)
        if unchanged_s < needed_s:
            self._spool.put_off(entry.name, now + needed_s - unchanged_s)
            return None
        if pour is None:
            self._spool.apply(entry.name, content, Fate.SET_ASIDE, entry.attempts, problem, now)
            return None
        return self._send(entry, content, pour)

    def _send(self, entry: Entry, content: Content, pour: Pour) -> Result:
        sent_at = time.monotonic()
        result = self._api.post(pour)
        now = time.monotonic()
        fate, attempts = self._retry.record_pour(entry.name, entry.attempts, result, now, sent_at)
        if result.outcome is Outcome.ACCEPTED:
            log.info("pour accepted: %s (pin %d, %d pulses, et %d)", escape_name(entry.name), pour.pin, pour.pulses, pour.et)
        verdict = "refused it" if result.outcome is Outcome.REFUSED else "rejected it as invalid"
        reason = f"the server {verdict} ({result.reason}); --requeue sends it again"
        self._spool.apply(entry.name, content, fate, attempts, reason, now)
        if result.outcome is Outcome.FAILED:
            # The server may fail on this pour alone: name it.
            return replace(result, reason=f"{result.reason} ({escape_name(entry.name)})")
        return result


def _parse(head: bytes) -> tuple[Pour | None, str]:
    """The pour, or None and the reason."""
    try:
        return Pour.parse(head), ""
    except PourError as error:
        return None, str(error)


def _permit_command(path: Path) -> str:
    """The command that lets this process read the pour at `path`."""
    try:
        group = grp.getgrgid(os.getegid()).gr_name
    except KeyError:
        group = str(os.getegid())
    place = shlex.quote(str(path))
    # -h: a link that has taken the name since then leaves its target's group unchanged. chmod has no -h in Debian 12, and follows it.
    return f"chgrp -h {group} {place} && chmod g+r {place}"
