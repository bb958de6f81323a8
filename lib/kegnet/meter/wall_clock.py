"""Whether the wall clock is believed, and what turns monotonic times into Unix times."""

from __future__ import annotations

import time
from pathlib import Path

from ..core import clock
from .checkpoint import Clock

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
SYNCHRONISED = Path("/run/systemd/timesync/synchronized")
"""systemd-timesyncd(8) makes this file when it has set the clock."""
_MOMENT_NS = 10**7
SETTLED_NS = 300 * 10**9
"""After this time since boot, the clock is believed without that file: another program may set it."""


def boot_id() -> str:
    """The identity of this boot. Raises OSError."""
    return BOOT_ID.read_text().strip()


def _both_clocks() -> tuple[int, int]:
    """The monotonic and the Unix time of the same moment, in ns: read again if the process was held up between them."""
    while True:
        monotonic_ns = time.monotonic_ns()
        unix_ns = time.time_ns()
        if time.monotonic_ns() - monotonic_ns < _MOMENT_NS:
            return monotonic_ns, unix_ns


class WallClock:
    """The wall clock: not believed before the release's date, and not at a boot before something has set it.

    Once it is believed, only the release's date counts.
    """

    def __init__(self, boot: str, synchronised: Path = SYNCHRONISED) -> None:
        self.boot_id = boot
        self._synchronised = synchronised
        self._believed = False

    def read(self) -> Clock | None:
        """The clock as it is now; None if it is not believed. Each new pour takes a new one, so that it follows the clock's steps."""
        now_ns, unix_ns = _both_clocks()
        if not clock.is_set(unix_ns / 1e9):
            return None
        self._believed = self._believed or now_ns >= SETTLED_NS or self._synchronised.exists()
        return Clock(self.boot_id, (unix_ns - now_ns) // 10**6) if self._believed else None
