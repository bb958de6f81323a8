"""What exactly one of all processes does: alarms, MQTT, notifications, maintenance."""

from __future__ import annotations

import asyncio

from .context import Context


async def leader_work(_context: Context) -> None:
    """Runs until it is cancelled."""
    await asyncio.Event().wait()
