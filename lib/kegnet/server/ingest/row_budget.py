"""How many rows strangers may have written: everybody can send under invented names, and must not keep the database busy."""

from __future__ import annotations

import time
from collections import Counter

WINDOW_S = 30.0
"""How often the row of a stranger is written: once in a window."""
ROWS_AT_MOST = 20
ROWS_OF_A_NETWORK = 2
REMOTE_ROWS_AT_MOST = 10
"""Upper bounds on the rows that are written in a window: by this process, for one network, for addresses that are not private."""


class RowBudget:
    """Counts the rows of a window. Each network has a share of them, so that it keeps no other network out."""

    def __init__(self) -> None:
        self._window_ends = 0.0
        self._rows: set[tuple[str, str]] = set()
        self._of: Counter[str] = Counter()
        self._remote = 0

    def may_write(self, name: str, sender: str, *, local: bool) -> bool:
        """Whether the row of `name` may be written now, and counts it then. `sender`: its network, see `limits.network`."""
        now = time.monotonic()
        if now >= self._window_ends:
            self._window_ends = now + WINDOW_S
            self._rows.clear()
            self._of.clear()
            self._remote = 0
        if (sender, name) in self._rows or len(self._rows) >= ROWS_AT_MOST or self._of[sender] >= ROWS_OF_A_NETWORK:
            return False
        if not local and self._remote >= REMOTE_ROWS_AT_MOST:
            return False
        self._rows.add((sender, name))
        self._of[sender] += 1
        self._remote += not local
        return True
