"""An event loop for one test."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

Value = TypeVar("Value")


def run(work: Coroutine[object, object, Value], limit_s: float = 60.0) -> Value:
    """The result of `work`; fails if there is none within `limit_s` seconds."""
    return asyncio.run(asyncio.wait_for(work, limit_s))
