"""One evaluation of the alarms: reads the facts of some clients in grouped queries, and stores which alarms begin and end.

The number of queries is constant for each chunk of clients, whatever the history.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from .client_directory import in_chunks
from .model import alarms as model
from .model.alarms import AlarmKind, Condition, Heard, Signal
from .model.levels import left_ml
from .storage import Change, Connection, Database, announce
from .storage import alarms as storage
from .storage.boards import boards_heard
from .storage.clients import registered_again
from .storage.kegs import kegs_on
from .storage.pours import poured_ml
from .storage.ranges import MOST_MS
from .storage.readings import heard, latest_readings
from .storage.records import Alarm, Client, Keg, Reading, Tap
from .storage.taps import taps_of

_Open = dict[tuple[int, int | None, str], Alarm]


@dataclass(frozen=True)
class Turn:
    """An alarm that begins (`alarm` is None) or ends at `at_ms`. `notify`: people are notified of it."""

    client: Client
    tap: int | None
    kind: AlarmKind
    at_ms: int
    alarm: Alarm | None
    notify: bool = True


@dataclass(frozen=True)
class Round:
    """The result of an evaluation: when each client (by key) becomes silent, and how many alarms began or ended."""

    silent_from: Mapping[int, int]
    turns: int


def evaluate(database: Database, clients: Sequence[Client], now_ms: int, *, kegs: bool, receiving_since_ms: int = 0) -> Round:
    """Begins and ends the alarms of `clients`, those of kegs only if `kegs`. Raises UnavailableError.

    `receiving_since_ms` is since when servers receive messages without a break: silence before that is not counted.
    """
    silent_from: dict[int, int] = {}
    number = 0
    for some in in_chunks(clients):
        with database.reading() as c:
            facts = _facts(c, some, now_ms, receiving_since_ms)
            silent_from.update({key: max(facts.silent_from[key], facts.noticed_from[key]) for key in facts.silent_from})
            turns = list(_client_turns(facts, some, now_ms))
            if kegs:
                turns += _keg_turns(c, facts.open, some, now_ms)
        _store(database, turns, now_ms)
        number += len(turns)
    return Round(silent_from, number)


def end_alarms_of_removed(database: Database, clients: Sequence[Client], now_ms: int) -> int:
    """Ends the alarms of clients that are not in `clients`, the registered ones, without a notification. How many."""
    registered = {client.key for client in clients}
    with database.reading() as c:
        orphans = [alarm for alarm in storage.open_alarms(c) if alarm.client not in registered]
    if orphans:
        with database.writing() as c:
            for alarm in orphans:
                storage.end_alarm(c, alarm.key, now_ms, notify=False)
            announce(c, Change(frozenset(), frozenset({"alarm"})))
    return len(orphans)


@dataclass(frozen=True)
class _Facts:
    open: _Open
    readings: Mapping[int, Reading]
    heard: Mapping[int, Heard]
    silent_from: Mapping[int, int]
    noticed_from: Mapping[int, int]
    """From when on a silence is certain, because a server could receive for long enough."""
    beyond: Mapping[tuple[int, bool], int]
    """Since when a client's temperature is beyond its limit, by key and whether it is the warm one."""
    moved: frozenset[tuple[int, bool]]
    """Whose limit was moved during its alarm, so that no temperature of the alarm is beyond it; by the same."""


def _facts(c: Connection, clients: Sequence[Client], now_ms: int, receiving_since_ms: int) -> _Facts:
    keys = [client.key for client in clients]
    heard_ = _heard(c, clients, now_ms)
    readings = latest_readings(c, keys)
    open_ = {(alarm.client, alarm.tap, alarm.kind): alarm for alarm in storage.open_alarms(c, keys)}
    beyond: dict[tuple[int, bool], int] = {}
    for warm in (False, True):
        suspects = [client.key for client in clients if client.key in readings and _temperature(client, readings[client.key], warm).raised]
        since = storage.beyond_since(c, suspects, warm=warm, since_ms=now_ms - storage.RUN_MS) if suspects else {}
        beyond.update({(key, warm): at_ms for key, at_ms in since.items()})
    return _Facts(
        open_,
        readings,
        heard_,
        _silent_from(c, clients, heard_, now_ms),
        {key: receiving_since_ms + model.silence_allowed_ms(heard_[key]) for key in keys},
        beyond,
        frozenset((key, warm) for warm in (False, True) for key in _moved(c, open_, clients, readings, warm)),
    )


def _moved(c: Connection, open_: _Open, clients: Sequence[Client], readings: Mapping[int, Reading], warm: bool) -> set[int]:
    """Whose alarm is on although no temperature since its begin was beyond the limit that it has now."""
    since: dict[int, int] = {}
    for client in clients:
        alarm = open_.get((client.key, None, (AlarmKind.TOO_WARM if warm else AlarmKind.TOO_COLD).value))
        if alarm is not None and client.key in readings and _temperature(client, readings[client.key], warm) == model.UNCHANGED:
            since[client.key] = alarm.began_ms
    return since.keys() - storage.ever_beyond(c, since, warm=warm) if since else set()


def _heard(c: Connection, clients: Sequence[Client], now_ms: int) -> dict[int, Heard]:
    """When the last messages of each client came, and the last sign of life of each board."""
    until_ms = now_ms + model.AHEAD_MS
    found = heard(c, [client.key for client in clients], until_ms)
    boards = [client.key for client in clients if client.kind == "kegboard"]
    if boards:
        signs = {key: at_ms if at_ms <= until_ms else 0 for key, at_ms in boards_heard(c).items()}
        found.update({key: replace(found[key], sign_ms=signs.get(key)) for key in boards})
    return found


def _silent_from(c: Connection, clients: Sequence[Client], heard_: Mapping[int, Heard], now_ms: int) -> dict[int, int]:
    """From when on each client is silent. The time counts from its last message or its last registration, whichever is later."""
    again = registered_again(c, [client.key for client in clients])
    times = {client.key: (client.added_ms, again.get(client.key, 0)) for client in clients}
    registered = {key: max(at_ms for at_ms in (0, *each) if at_ms <= now_ms + model.AHEAD_MS) for key, each in times.items()}
    return {key: model.silent_from_ms(heard_[key], at_ms) for key, at_ms in registered.items()}


def _temperature(client: Client, reading: Reading, warm: bool) -> Signal:
    signal = model.warmth_signal if warm else model.cold_signal
    return signal(reading.millicelsius, client.coldest, client.warmest)


def _client_turns(facts: _Facts, clients: Sequence[Client], now_ms: int) -> Iterator[Turn]:
    """Silence, and the temperatures."""
    for client in clients:
        silent_from, noticed_from = facts.silent_from[client.key], facts.noticed_from[client.key]
        signal = model.silence_signal(silent_from, now_ms, noticed_from=noticed_from)
        # A silence ends with the last message, or when the client was registered again.
        last_ms = silent_from - model.silence_allowed_ms(facts.heard[client.key])
        at_ms = max(silent_from, noticed_from) if signal.raised else last_ms
        yield from _turn(facts.open, client, None, AlarmKind.SILENT, signal, at_ms)
        for warm, kind in ((True, AlarmKind.TOO_WARM), (False, AlarmKind.TOO_COLD)):
            reading = facts.readings.get(client.key)
            if reading is None:
                continue
            # Where the limit is gone or was moved, the alarm ends now, not with the last reading.
            moved = (client.key, warm) in facts.moved
            limited = (client.warmest if warm else client.coldest) is not None and not moved
            signal = model.CLEARED if moved else _temperature(client, reading, warm)
            at_ms = reading.at_ms if limited else now_ms
            since_ms = facts.beyond.get((client.key, warm))
            yield from _turn(facts.open, client, None, kind, signal, at_ms, since_ms, model.DELAY_MS)


def _keg_turns(c: Connection, open_: _Open, clients: Sequence[Client], now_ms: int) -> Iterator[Turn]:
    by_key = {client.key: client for client in clients}
    taps = taps_of(c, list(by_key))
    kegs = kegs_on(c, [tap.key for tap in taps if not tap.hidden])
    left = _left_ml(c, kegs)
    for tap in taps:
        yield from _tap_turns(open_, by_key[tap.client], tap, kegs.get(tap.key), left.get(tap.key), now_ms)


def _tap_turns(open_: _Open, client: Client, tap: Tap, keg: Keg | None, left_ml: float | None, now_ms: int) -> Iterator[Turn]:
    full_ml = keg.full_ml if keg is not None else None
    signal = model.empty_signal(left_ml, full_ml)
    empty = Condition((client.key, tap.key, AlarmKind.KEG_EMPTY.value) in open_).after(now_ms, signal).on
    yield from _turn(open_, client, tap.key, AlarmKind.KEG_EMPTY, signal, now_ms)
    low = _turn(open_, client, tap.key, AlarmKind.KEG_LOW, model.low_signal(left_ml, full_ml, empty), now_ms)
    # Where "empty" replaces "low", one notification is enough.
    yield from (Turn(turn.client, turn.tap, turn.kind, turn.at_ms, turn.alarm, notify=not empty) for turn in low)


def _left_ml(c: Connection, kegs: Mapping[int, Keg]) -> dict[int, float]:
    """What is left in each keg of which that is known, by tap."""
    known = [(tap, keg.on_ms, keg.start_ml) for tap, keg in kegs.items() if keg.start_ml is not None]
    spans = [(tap, on_ms, MOST_MS) for tap, on_ms, _ in known]
    poured = poured_ml(c, spans) if spans else []
    return {tap: left_ml(start_ml, out_ml) for (tap, _, start_ml), (out_ml, _) in zip(known, poured, strict=True)}


def _turn(
    open_: _Open,
    client: Client,
    tap: int | None,
    kind: AlarmKind,
    signal: Signal,
    at_ms: int,
    since_ms: int | None = None,
    delay_ms: int = 0,
) -> Iterator[Turn]:
    """The turn, if there is one."""
    alarm = open_.get((client.key, tap, kind.value))
    after = Condition(alarm is not None, since_ms).after(at_ms, signal, delay_ms)
    if after.on != (alarm is not None):
        yield Turn(client, tap, kind, at_ms, alarm)


def _without_heard(c: Connection, turns: Sequence[Turn], now_ms: int) -> Iterator[Turn]:
    """Drops a new silence if the client was heard since its facts were read."""
    silent = [turn.client for turn in turns if turn.kind is AlarmKind.SILENT and turn.alarm is None]
    silent_from = _silent_from(c, silent, _heard(c, silent, now_ms), now_ms) if silent else {}
    back = {key for key, at_ms in silent_from.items() if at_ms > now_ms}
    yield from (turn for turn in turns if turn.kind is not AlarmKind.SILENT or turn.client.key not in back)


def _store(database: Database, turns: Sequence[Turn], now_ms: int) -> None:
    if not turns:
        return
    with database.writing() as c:
        for turn in _without_heard(c, turns, now_ms):
            if turn.alarm is None:
                storage.begin_alarm(c, turn.client.key, turn.tap, turn.kind.value, turn.at_ms, now_ms=now_ms)
            else:
                storage.end_alarm(c, turn.alarm.key, turn.at_ms, now_ms=now_ms, notify=turn.notify)
        announce(c, Change(frozenset(turn.client.uuid for turn in turns), frozenset({"alarm"})))
