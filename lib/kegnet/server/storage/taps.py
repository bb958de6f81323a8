"""Taps and their flow meters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from . import schema
from .errors import StorageError
from .ranges import keys_of
from .records import PULSES_PER_LITRE, Tap

MOST_PULSES_PER_LITRE = 1_000_000
_meter, _tap = schema.meter.c, schema.tap.c


def taps_of(connection: sa.engine.Connection, client_keys: Sequence[int]) -> list[Tap]:
    """The taps of clients, by client and pin, hidden ones among them."""
    wanted = keys_of(connection, client_keys)
    query = _query().join(wanted, wanted.c.key == _tap.client)
    return [Tap(*row) for row in connection.execute(query.order_by(_tap.client, _tap.pin))]


def find_tap(connection: sa.engine.Connection, client_key: int, pin: int) -> Tap | None:
    """The tap with that pin."""
    row = connection.execute(_query().where(_tap.client == client_key, _tap.pin == pin)).first()
    return None if row is None else Tap(*row)


def taps_by_key(connection: sa.engine.Connection, keys: Iterable[int]) -> dict[int, Tap]:
    """The taps with these keys."""
    wanted = keys_of(connection, keys)
    return {row[0]: Tap(*row) for row in connection.execute(_query().join(wanted, wanted.c.key == _tap.key))}


def clients_of_taps(connection: sa.engine.Connection, keys: Iterable[int]) -> frozenset[str]:
    """The UUIDs of the clients of the taps with these keys."""
    wanted, client = keys_of(connection, keys), schema.client.c
    source = wanted.join(schema.tap, wanted.c.key == _tap.key).join(schema.client, client.key == _tap.client)
    return frozenset(connection.execute(sa.select(client.uuid).select_from(source)).scalars())


def set_tap(connection: sa.engine.Connection, client_key: int, pin: int, *, name: str | None = None, hidden: bool | None = None) -> Tap:
    """Adds a tap, or changes what is given of it. `name` has up to 80 characters."""
    fields = {"name": name, "hidden": hidden}
    changed = {field: value for field, value in fields.items() if value is not None}
    found = find_tap(connection, client_key, pin)
    if found is None:
        added = {"client": client_key, "pin": pin, "name": f"tap {pin}", "hidden": False, **changed}
        connection.execute(sa.insert(schema.tap).values(added))
    elif changed:
        connection.execute(sa.update(schema.tap).where(_tap.key == found.key).values(changed))
    tap = find_tap(connection, client_key, pin)
    assert tap is not None  # noqa: S101
    return tap


def set_meter(connection: sa.engine.Connection, tap_key: int, from_ms: int, pulses_per_litre: int) -> None:
    """Sets the k-factor of a tap's flow meter from a time on. 0: for all pours before the next k-factor. Raises StorageError."""
    if not 1 <= pulses_per_litre <= MOST_PULSES_PER_LITRE:
        raise StorageError(f"{pulses_per_litre} pulses per litre cannot be", f"enter 1 to {MOST_PULSES_PER_LITRE}")
    where = sa.and_(_meter.tap == tap_key, _meter.from_ms == from_ms)
    connection.execute(sa.delete(schema.meter).where(where))
    connection.execute(sa.insert(schema.meter).values(tap=tap_key, from_ms=from_ms, pulses_per_litre=pulses_per_litre))


def set_meter_from_now(connection: sa.engine.Connection, tap_key: int, now_ms: int, pulses_per_litre: int) -> None:
    """Sets the k-factor of a tap's flow meter from now on. Removes later ones, of a clock that was ahead. Raises StorageError."""
    connection.execute(sa.delete(schema.meter).where(_meter.tap == tap_key, _meter.from_ms > now_ms))
    set_meter(connection, tap_key, now_ms, pulses_per_litre)


def set_only_meter(connection: sa.engine.Connection, tap_key: int, pulses_per_litre: int) -> None:
    """Replaces all k-factors of a tap's flow meter by one, which is valid for all pours. Raises StorageError."""
    connection.execute(sa.delete(schema.meter).where(_meter.tap == tap_key))
    set_meter(connection, tap_key, 0, pulses_per_litre)


def unset_meter(connection: sa.engine.Connection, tap_key: int, from_ms: int) -> bool:
    """Removes the k-factor that is valid from that time on; the previous one is valid again. Returns whether there was one."""
    where = sa.and_(_meter.tap == tap_key, _meter.from_ms == from_ms)
    return bool(connection.execute(sa.delete(schema.meter).where(where)).rowcount)


def meters_of(connection: sa.engine.Connection, tap_keys: Sequence[int]) -> dict[int, list[tuple[int, int]]]:
    """The k-factors by tap: pairs of when it began to count and its pulses per litre, oldest first."""
    wanted = keys_of(connection, tap_keys)
    query = sa.select(_meter.tap, _meter.from_ms, _meter.pulses_per_litre).join_from(wanted, schema.meter, wanted.c.key == _meter.tap)
    found: dict[int, list[tuple[int, int]]] = {}
    for tap, from_ms, pulses_per_litre in connection.execute(query.order_by(_meter.tap, _meter.from_ms)):
        found.setdefault(tap, []).append((from_ms, pulses_per_litre))
    return found


def _query() -> Any:
    """Taps with their last k-factor."""
    last = sa.select(_meter.pulses_per_litre).where(_meter.tap == _tap.key).order_by(_meter.from_ms.desc()).limit(1).scalar_subquery()
    return sa.select(_tap.key, _tap.client, _tap.pin, _tap.name, _tap.hidden, sa.func.coalesce(last, PULSES_PER_LITRE))
