"""A day that does not end while a test runs."""

from __future__ import annotations

import time


def noon_zone() -> str:
    """The name of a time zone in which it is between 12 and 13 o'clock now. `Etc/GMT+5` is 5 hours behind UTC."""
    return f"Etc/GMT{time.gmtime().tm_hour - 12:+d}"
