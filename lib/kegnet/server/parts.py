"""What all views of the application share."""

from __future__ import annotations

import time
from dataclasses import dataclass

from flask import current_app

from .clients import Clients
from .news import News
from .store import Store


@dataclass(frozen=True)
class Parts:
    """What is kept, who may speak, and who hears of it."""

    store: Store
    clients: Clients
    news: News


def parts() -> Parts:
    """Those of the application that is asked."""
    found: Parts = current_app.extensions["kegnet"]
    return found


def now_ms() -> int:
    """Unix time in milliseconds."""
    return time.time_ns() // 10**6
