"""Spool to server: reads the oldest pour, sends it, and decides its fate. The one place that does."""

from __future__ import annotations

import logging
import time

from .api import Api, Verdict
from .logs import Hourly, flush, shown
from .messages import LINE_LIMIT_BYTES, Pour, PourError
from .pourfile import Content, Fate, GoneError, NotAFileError, SpoolError
from .spool import WATCHLESS_S, Spool

UNFINISHED_S = 10.0
"""An invalid file may still be being written; it is judged once it has been as it is for so long."""
UNSEALED_S = 1.0
"""What looks like a pour, but was not seen to be renamed in, may be half of one that is being written: likewise."""
UNREADABLE_S = 60.0
"""How often a file that cannot be read is tried again."""

log = logging.getLogger(__name__)


class Uploader:
    """Empties `spool` into `api`, one pour a turn."""

    def __init__(self, spool: Spool, api: Api) -> None:
        self._spool = spool
        self._api = api
        self._unreadable_said, self._left_alone_said, self._unwatched_said = Hourly(), Hourly(), Hourly()
        self._ahead: tuple[str, Content] | None = None
        self._tell_unwatched(time.monotonic())

    def due(self, now: float) -> float:
        """When there is something to do, in monotonic seconds."""
        return min(self._spool.tend_due(now), max(self._spool.oldest_due(now), self._api.ready_at))

    def turn(self, now: float) -> None:
        """Does one unit of work: at most one request."""
        self._spool.tend(now)
        self._tell_unwatched(now)
        name = self._spool.oldest(now)
        if name is None or now < self._api.ready_at:
            return
        try:
            content = self._content(name)
        except GoneError:
            self._spool.forget(name)
        except NotAFileError as error:
            if self._left_alone_said.allows(name, now):
                log.warning("%s is left alone: %s", shown(name), error)
            self._spool.leave_alone(name)
        except SpoolError as error:
            if self._unreadable_said.allows(str(error), now):
                log.warning("%s is kept: %s; trying again", shown(name), error)
            self._spool.leave_alone(name, now + UNREADABLE_S)
        else:
            self._consider(name, content, now)

    def _content(self, name: str) -> Content:
        """What `name` holds, as it was read ahead if it is so still. Raises as `Spool.read()` does."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead[0] == name and self._spool.stands(*ahead):
            return ahead[1]
        return self._spool.read(name, LINE_LIMIT_BYTES + 1)

    def _read_ahead(self, name: str, now: float) -> Pour | None:
        """The pour that is next after `name`, if there is one. Called while an answer is on its way, and there is time."""
        flush()
        after = self._spool.oldest_after(name, now)
        if after is None:
            return None
        try:
            content = self._spool.read(after, LINE_LIMIT_BYTES + 1)
            pour = Pour.parse(content.head)
        except (SpoolError, PourError):
            # It is judged when its turn comes.
            return None
        self._ahead = after, content
        return pour

    def _consider(self, name: str, content: Content, now: float) -> None:
        unchanged_s = self._spool.unchanged_s(name, content.stamp, now)
        try:
            pour = Pour.parse(content.head)
        except PourError as error:
            if unchanged_s < UNFINISHED_S:
                self._spool.put_off(name, now + UNFINISHED_S - max(unchanged_s, 0.0))
                return
            log.warning("%s is set aside as %s.fail: %s", shown(name), shown(name), error)
            self._spool.settle(name, content, Fate.SET_ASIDE, now)
            return
        if unchanged_s < UNSEALED_S and not self._spool.is_whole(name, content.stamp):
            self._spool.put_off(name, now + UNSEALED_S - max(unchanged_s, 0.0))
            return
        self._send(name, pour, content)

    def _send(self, name: str, pour: Pour, content: Content) -> None:
        outcome = self._api.send(pour, lambda: self._read_ahead(name, time.monotonic()))
        now = time.monotonic()
        if outcome.verdict is Verdict.ACCEPTED:
            log.info("pour accepted: %s (pin %d, %d pulses in %d)", shown(name), pour.pin, pour.pulses, pour.et)
            self._spool.settle(name, content, Fate.REMOVE, now)
        elif outcome.verdict is Verdict.REJECTED:
            log.error(
                "%s is set aside as %s.fail: the server refused it (%s); renamed back, it is sent again",
                shown(name),
                shown(name),
                outcome.reason,
            )
            self._spool.settle(name, content, Fate.SET_ASIDE, now)
        else:
            # Should it be this pour alone that the server cannot take, the others do not wait for it.
            self._spool.send_to_the_back(name)

    def _tell_unwatched(self, now: float) -> None:
        trouble = self._spool.unwatched
        if trouble and self._unwatched_said.allows(trouble, now):
            log.error("spool %s %s: looking every %g s", self._spool.path, trouble, WATCHLESS_S)
        elif not trouble and self._unwatched_said.forget():
            log.info("spool %s is watched again", self._spool.path)
