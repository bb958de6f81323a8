"""What exactly one of all processes does: alarms, MQTT, notifications, maintenance."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from .context import Context
from .integrations.apprise_sender import receivers
from .maintenance import maintain
from .restarts import always
from .watch import AlarmWatch


async def leader_work(context: Context) -> None:
    """Runs until it is cancelled; then all of it has ended, so that another process can do the same."""
    works: dict[str, Callable[[], Awaitable[None]]] = {
        "maintenance": lambda: maintain(context.database),
        "alarms": lambda: AlarmWatch(context, receivers(context.options.notify)).run(),
    }
    # paho and apprise are imported only where they are used: on a Raspberry Pi that is seconds and megabytes.
    if context.options.mqtt:
        from .integrations.mqtt import Publisher

        works["MQTT"] = lambda: Publisher(context).run()
    if context.options.notify:
        from .integrations.notify import Notifier

        works["notifications"] = lambda: Notifier(context).run()
    async with asyncio.TaskGroup() as group:
        for name, run in works.items():
            group.create_task(always(name, run, context.outage))
