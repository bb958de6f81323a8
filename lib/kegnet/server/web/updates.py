"""What an event of the stream contains: the values that changed, or that a page has to be loaded again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..model.levels import glasses, keg_state, level
from ..overview import ClientState, TapState, overview
from ..storage import Change, Database
from ..storage.clients import clients_by_uuid
from ..storage.records import Alarm
from ..storage.settings import household

STRUCTURE = frozenset({"tap", "client", "setting"})
"""Kinds of changes after which pages are reloaded, because they can have other cards or names."""
CLIENTS_AT_MOST = 50
"""Upper bound on the clients whose values are read for one event. If more change at once, the pages are reloaded."""

Values = Mapping[str, object]


@dataclass(frozen=True)
class Update:
    """What changed up to `now_ms`: the kinds of change, and the UUIDs of the `changed` clients (none: all). Without a kind: nothing.

    `clients` (by UUID) and `taps` (by UUID-PIN) are their values. With `reload` there are none: the page has to be loaded again. `many`:
    because too many clients changed, so that there is no hurry.
    """

    now_ms: int
    kinds: frozenset[str] = frozenset()
    changed: frozenset[str] = frozenset()
    clients: Mapping[str, Values] = field(default_factory=dict)
    taps: Mapping[str, Values] = field(default_factory=dict)
    reload: bool = False
    many: bool = False

    def merged(self, later: Update) -> Update:
        """Both together."""
        if not self.kinds or not later.kinds:
            return later if later.kinds else Update(later.now_ms, self.kinds, self.changed, self.clients, self.taps, self.reload, self.many)
        changed = self.changed | later.changed if self.changed and later.changed else frozenset[str]()
        kinds = self.kinds | later.kinds
        if self.reload or later.reload:
            at_once = (self.reload and not self.many) or (later.reload and not later.many)
            return Update(later.now_ms, kinds, changed, reload=True, many=not at_once)
        return Update(later.now_ms, kinds, changed, {**self.clients, **later.clients}, {**self.taps, **later.taps})

    def encoded(self) -> bytes:
        """As a server-sent event: `heartbeat` if nothing changed, else one without a name."""
        if not self.kinds:
            return b'event: heartbeat\ndata: {"now_ms":%d}\n\n' % self.now_ms
        value: dict[str, object] = {"now_ms": self.now_ms, "kinds": sorted(self.kinds), "changed": sorted(self.changed)}
        value |= {"reload": True, "many": self.many} if self.reload else {"clients": self.clients, "taps": self.taps}
        return b"data: " + json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode() + b"\n\n"


def read_update(database: Database, change: Change, now_ms: int) -> Update:
    """The update for `change`. The number of queries is constant. Raises UnavailableError, StorageError."""
    if change.kinds & STRUCTURE:
        return Update(now_ms, change.kinds, change.clients if len(change.clients) <= CLIENTS_AT_MOST else frozenset(), reload=True)
    if not 0 < len(change.clients) <= CLIENTS_AT_MOST:
        return Update(now_ms, change.kinds, reload=True, many=True)
    with database.reading() as connection:
        states = overview(connection, clients_by_uuid(connection, change.clients), now_ms)
        glass_ml = household(connection).glass_ml
    return Update(
        now_ms,
        change.kinds,
        change.clients,
        {state.client.uuid: client_values(state) for state in states},
        {f"{state.client.uuid}-{tap.tap.pin}": tap_values(tap, state.alarms, glass_ml) for state in states for tap in state.taps},
    )


def client_values(state: ClientState) -> Values:
    """A client's temperature, when it was received, when anything was, and the kinds of its open alarms."""
    reading = state.reading
    return {
        "millicelsius": None if reading is None else reading.millicelsius,
        "received_ms": None if reading is None else reading.received_ms,
        "heard_ms": state.heard_ms,
        "alarms": [alarm.kind for alarm in state.alarms if alarm.tap is None],
    }


def tap_values(state: TapState, alarms: tuple[Alarm, ...], glass_ml: int) -> Values:
    """A tap's keg, the last pour of it and the kinds of its open alarms; `alarms` are those of its client."""
    keg, pour, left = state.keg, state.last_of_keg, state.left_ml
    full = None if keg is None else keg.full_ml
    return {
        "state": keg_state(keg is not None, left, full),
        "left_ml": None if left is None else round(left),
        "level": level(left, full),
        "glasses": glasses(left, glass_ml),
        "lasts_ms": state.lasts_ms,
        "today_ml": round(state.today_ml),
        "alarms": [alarm.kind for alarm in alarms if alarm.tap == state.tap.key],
        "last": None if pour is None else {"key": pour.key, "at_ms": pour.at_ms, "ml": round(pour.millilitres)},
    }
