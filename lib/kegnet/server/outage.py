"""The database's absence: logged once when it begins, hourly while it lasts, and once when it is over.

What comes and goes, such as a disk that takes no writes while pages are read from it, is logged ten times an hour at most.
"""

from __future__ import annotations

import logging
import time

from kegnet.core.syslog_handler import HourlyLimit
from kegnet.core.systemd import ServiceManager

_STATE = "away"

log = logging.getLogger(__name__)


class Outage:
    """For the event loop's thread."""

    def __init__(self, *, away: bool, service: ServiceManager | None = None) -> None:
        """`away`: it is away already, and that is logged. `service` shows the state in `systemctl status`."""
        self._service = service
        self._limit = HourlyLimit()
        self._since: float | None = None
        self._set(time.monotonic() if away and self._limit.allows(_STATE, time.monotonic()) else None)

    def began(self, reason: str) -> None:
        """The database does not answer; `reason` names it."""
        if self._since is None:
            self._set(time.monotonic())
        if self._limit.allows(_STATE, time.monotonic()):
            log.error("%s; clients are asked to try again until it answers", reason)

    def over(self) -> None:
        """The database answers."""
        if self._since is not None:
            if self._limit.end():
                log.warning("the database answers again, after %.0f s", time.monotonic() - self._since)
            self._set(None)

    def _set(self, since: float | None) -> None:
        self._since = since
        if self._service is not None:
            self._service.status("accepting messages" if since is None else "the database does not answer; clients are asked to try again")
