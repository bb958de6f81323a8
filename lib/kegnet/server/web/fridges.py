"""The badge of a client's temperature. Its template is `templates/fridges.html`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..model.sparkline import SLOT_MS, SLOTS, slot_of, sparkline
from ..overview import ClientState
from ..storage import Connection
from ..storage.readings import samples


@dataclass(frozen=True)
class Fridge:
    """A client's temperature now (None: it has sent none), its alarms, and the path of the line of the last day."""

    client: str
    name: str
    millicelsius: int | None
    alarms: tuple[str, ...]
    path: str


def fridges_of(connection: Connection, states: Sequence[ClientState], now_ms: int) -> list[Fridge]:
    """The badges: of clients that send temperatures or have an alarm; those with an alarm first. One query for all."""
    last = slot_of(now_ms)
    found = samples(connection, [state.client.key for state in states if state.reading], SLOT_MS, range(last - SLOTS + 1, last + 1))
    badges = [
        Fridge(
            client=state.client.uuid,
            name=state.client.name,
            millicelsius=state.reading.millicelsius if state.reading else None,
            alarms=tuple(alarm.kind for alarm in state.alarms if alarm.tap is None),
            path=sparkline(found.get(state.client.key, {}), last),
        )
        for state in states
    ]
    return sorted((badge for badge in badges if badge.alarms or badge.millicelsius is not None), key=lambda badge: not badge.alarms)
