"""Tells those who wait that something new is kept; nobody has to look again and again."""

from __future__ import annotations

import threading


class News:
    """A count of what was new, and a way to wait for it to rise."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.count = 0

    def tell(self) -> None:
        """Something new is kept."""
        with self._changed:
            self.count += 1
            self._changed.notify_all()

    def wait(self, seen: int, timeout_s: float) -> int:
        """The count, as soon as it is more than `seen`, or after `timeout_s` seconds as it is."""
        with self._changed:
            self._changed.wait_for(lambda: self.count > seen, timeout_s)
            return self.count
