"""When an alarm begins and when it ends. Pure: no I/O, no clock; times are Unix milliseconds, temperatures thousandths of a degree Celsius.

Each alarm is a small state machine, `Condition`: a signal raises it, another one clears it, and between the two nothing
changes (hysteresis). A delay keeps a short disturbance, such as an open door, from being an alarm.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

MINUTE_MS = 60 * 1000
SILENT_MS = 30 * MINUTE_MS
"""The shortest time without a message that counts as silence."""
SILENT_GAPS = 3
"""A client is silent after this many times its usual gap between messages."""
AHEAD_MS = 20 * MINUTE_MS
"""A time that is later than now by more than this is of a clock that was ahead, and does not count for silence.

The clocks of several servers differ by less than this, and a message that is received during an evaluation is later than its time. If a
clock is set back by this much, `storage.receiving` takes that for a break, so a client whose times are ignored has half an hour then.
"""
DELAY_MS = 10 * MINUTE_MS
"""How long a temperature is beyond its limit before that is an alarm. An open door is none."""
HYSTERESIS = 500
"""A temperature has to come back behind its limit by this much, in thousandths of a degree, to end the alarm."""
LOW_PERCENT = 10
EMPTY_PERCENT = 1
HYSTERESIS_PERCENT = 1
"""A keg has to be fuller than its limit by more than this to end the alarm. A new keg is."""


class AlarmKind(Enum):
    """The kinds of alarm. The value is what the table contains and what people read."""

    SILENT = "silent"
    TOO_WARM = "too warm"
    TOO_COLD = "too cold"
    KEG_LOW = "keg low"
    KEG_EMPTY = "keg empty"


@dataclass(frozen=True)
class Signal:
    """What a measurement says about an alarm. Neither raised nor cleared: the alarm stays as it is."""

    raised: bool
    cleared: bool


RAISED = Signal(raised=True, cleared=False)
CLEARED = Signal(raised=False, cleared=True)
UNCHANGED = Signal(raised=False, cleared=False)


@dataclass(frozen=True)
class Condition:
    """The state of one alarm: whether it is `on`, and since when its signal is raised without a break (None: it is not)."""

    on: bool = False
    since_ms: int | None = None

    def after(self, at_ms: int, signal: Signal, delay_ms: int = 0) -> Condition:
        """The state after a measurement at `at_ms`. The alarm goes on when the signal has been raised for `delay_ms`."""
        if signal.cleared:
            return Condition()
        if self.on:
            return self
        if not signal.raised:
            return Condition()
        since_ms = at_ms if self.since_ms is None else min(self.since_ms, at_ms)
        return Condition(at_ms - since_ms >= delay_ms, since_ms)


@dataclass(frozen=True)
class Heard:
    """When the last pings and pours of a client were received, in any order.

    `sign_ms`: when a board last gave a sign of life that is not a message. None: never; 0: its time is ignored. A board gives one every
    minute.
    """

    pings: Sequence[int] = ()
    pours: Sequence[int] = ()
    sign_ms: int | None = None

    @property
    def last_ms(self) -> int | None:
        """When the client was heard last; None: never."""
        signs = () if self.sign_ms is None else (self.sign_ms,)
        return max([*self.pings, *self.pours, *signs], default=None)


def silence_allowed_ms(heard: Heard) -> int:
    """How long a client may be without a message: by its pings while they come, for they are regular; else by its pours."""
    by_pings_ms = _allowed_ms(heard.pings)
    if len(heard.pings) > 1 and max([*heard.pings, *heard.pours]) - max(heard.pings) <= by_pings_ms:
        return by_pings_ms
    return SILENT_MS if heard.sign_ms is not None else _allowed_ms(heard.pours)


def silent_from_ms(heard: Heard, registered_ms: int) -> int:
    """The time from which a client counts as silent if no further message comes.

    For a client that has sent nothing since its last registration, the time that it may be silent begins with that registration.
    """
    return max(heard.last_ms or registered_ms, registered_ms) + silence_allowed_ms(heard)


def silence_signal(silent_from: int, now_ms: int, *, noticed_from: int = 0) -> Signal:
    """Whether a client is silent now; `silent_from` is `silent_from_ms()` of its messages.

    Until `noticed_from` nobody knows: no server received for a while, and the client can have tried in vain.
    """
    if now_ms < silent_from:
        return CLEARED
    return RAISED if now_ms >= noticed_from else UNCHANGED


def warmth_signal(millicelsius: int, coldest: int | None, warmest: int | None) -> Signal:
    """Whether it is too warm. Without a limit it never is."""
    if warmest is None:
        return CLEARED
    return _beyond(millicelsius - warmest, _margin(coldest, warmest))


def cold_signal(millicelsius: int, coldest: int | None, warmest: int | None) -> Signal:
    """Whether it is too cold. Without a limit it never is."""
    if coldest is None:
        return CLEARED
    return _beyond(coldest - millicelsius, _margin(coldest, warmest))


def empty_signal(left_ml: float | None, volume_ml: int | None) -> Signal:
    """Whether the keg is empty. Unknown (None) is not."""
    return _at_most(left_ml, volume_ml, EMPTY_PERCENT)


def low_signal(left_ml: float | None, volume_ml: int | None, empty: bool) -> Signal:
    """Whether the keg is low. `empty`: the alarm for that is on, which replaces this one."""
    return CLEARED if empty else _at_most(left_ml, volume_ml, LOW_PERCENT)


def _allowed_ms(received_ms: Sequence[int]) -> int:
    """Three times the usual gap between these messages, but not less than `SILENT_MS`."""
    gaps = [later - earlier for earlier, later in pairwise(sorted(received_ms))]
    return max(SILENT_MS, round(SILENT_GAPS * statistics.median(gaps))) if gaps else SILENT_MS


def _beyond(excess: int, margin: int) -> Signal:
    """The signal of a temperature that exceeds its limit by `excess`."""
    if excess > 0:
        return RAISED
    return CLEARED if -excess >= margin else UNCHANGED


def _margin(coldest: int | None, warmest: int | None) -> int:
    """How far back behind a limit an alarm ends: at most the middle between both, so that both alarms are never on."""
    if coldest is None or warmest is None:
        return HYSTERESIS
    return min(HYSTERESIS, (warmest - coldest) // 2)


def _at_most(left_ml: float | None, volume_ml: int | None, percent: int) -> Signal:
    """The signal of a keg that contains `left_ml` of `volume_ml`, for a limit in percent."""
    if left_ml is None or volume_ml is None or volume_ml <= 0:
        return CLEARED
    if 100 * left_ml <= percent * volume_ml:
        return RAISED
    return CLEARED if 100 * left_ml > (percent + HYSTERESIS_PERCENT) * volume_ml else UNCHANGED
