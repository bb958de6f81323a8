"""Pours as they count: by the k-factor of their time, and after their corrections.

A correction is a row of its own. Few pours have one: SQL sums the others, and those that are corrected are counted one by one.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from ..model.pours import Correction, CorrectionKind, factor_at, millilitres
from . import schema
from .errors import StorageError
from .pour_rows import correction_of, is_corrected, moved_rows, numbered, own_rows, pours_of_rows, query_of_rows, within
from .ranges import MOST_MS, keys_of
from .records import PULSES_PER_LITRE, Pour
from .taps import meters_of, taps_of

_correction, _pour, _tap = schema.correction.c, schema.pour.c, schema.tap.c
_PAGE = 500


@dataclass(frozen=True)
class _Window:
    """The pours with since_ms <= at_ms that are before the place (until_ms, until_key) in the order of time and key."""

    since_ms: int = 0
    until_ms: int = MOST_MS
    until_key: int = 0


def pours_of(
    connection: sa.engine.Connection,
    tap_keys: Sequence[int],
    *,
    since_ms: int | None = None,
    until_ms: int | None = None,
    before: int | None = None,
    limit: int,
) -> list[Pour]:
    """The last pours of taps with since_ms <= at_ms < until_ms, newest first; the deleted ones, too.

    `before` is the key of a pour, for the next page: only the pours that follow it in this order.
    """
    place = (MOST_MS if until_ms is None else until_ms, 0)
    last = None if before is None else find_pour(connection, before)
    if last is not None:
        place = min(place, (last.at_ms, last.key))
    found = _newest(connection, tap_keys, _Window(since_ms or 0, *place), limit, [CorrectionKind.MOVE])
    return sorted((pour for pours in found.values() for pour in pours), key=_newest_first)[:limit]


def last_pours(connection: sa.engine.Connection, tap_keys: Sequence[int], limit: int) -> dict[int, list[Pour]]:
    """The last pours of each tap, newest first, without the deleted ones."""
    found = _newest(connection, tap_keys, _Window(), limit, [CorrectionKind.MOVE, CorrectionKind.DELETE])
    return {tap: [pour for pour in found[tap] if not pour.deleted][:limit] for tap in tap_keys}


def poured_ml(connection: sa.engine.Connection, spans: Sequence[tuple[int, int, int]]) -> list[tuple[float, float]]:
    """What left the keg and what of it was drunk, for each span of (key of a tap, since_ms, until_ms). Each pour is read once."""
    by_tap: dict[int, list[tuple[int, int]]] = {}
    for tap, *span in spans:
        by_tap.setdefault(tap, []).append((span[0], span[1]))
    meters = meters_of(connection, list(by_tap))
    pieces = [(tap, *piece) for tap, mine in by_tap.items() for piece in _pieces(mine, meters.get(tap, []))]
    counted: dict[int, list[tuple[int, float, float]]] = {tap: [] for tap in by_tap}
    for (tap, since_ms, _), pulses in zip(pieces, _uncorrected_pulses(connection, pieces), strict=True):
        volume = millilitres(pulses, factor_at(meters.get(tap, []), since_ms, PULSES_PER_LITRE))
        counted[tap].append((since_ms, volume, volume))
    for pour in _corrected(connection, pieces, list(by_tap)):
        if pour.tap in counted and not pour.deleted:
            counted[pour.tap].append((pour.at_ms, pour.millilitres, 0.0 if pour.spilled else pour.millilitres))
    return [_sum(counted[tap], since_ms, until_ms) for tap, since_ms, until_ms in spans]


def find_pour(connection: sa.engine.Connection, key: int) -> Pour | None:
    """The pour with that key."""
    return next(iter(pours_of_rows(connection, connection.execute(query_of_rows().where(_pour.key == key)))), None)


def stream_pours(connection: sa.engine.Connection, client_key: int) -> Iterator[Pour]:
    """All pours that count for the taps of a client, oldest first, the deleted ones, too.

    Memory contains a few hundred pours at a time, and all pours that were moved here from other clients.
    """
    taps = {tap.key: tap.pin for tap in taps_of(connection, [client_key])}
    moved = [row for row in moved_rows(connection, list(taps), [(0, 0, MOST_MS)]) if row.tap not in taps]
    streams = [
        *(_stream(connection, client_key, pin) for pin in taps.values()),
        sorted(pours_of_rows(connection, moved), key=_oldest_first),
    ]
    return (pour for pour in heapq.merge(*streams, key=_oldest_first) if pour.tap in taps)


def correct(connection: sa.engine.Connection, pour_key: int, kind: CorrectionKind, value: int | None, now_ms: int) -> int:
    """Corrects a pour; the key of the correction. `value` as in `Correction`. A form that is sent twice makes one correction.

    Raises StorageError: there is no such pour or tap.
    """
    if find_pour(connection, pour_key) is None:
        raise StorageError(f"there is no pour {pour_key}", "enter the key of one, from the list of pours")
    if kind is CorrectionKind.MOVE and connection.execute(sa.select(_tap.key).where(_tap.key == value)).first() is None:
        raise StorageError(f"there is no tap {value}", "enter the key of one, from the list of taps")
    if kind is CorrectionKind.VOLUME and (value is None or value < 0):
        raise StorageError(f"{value} millilitres cannot be", "enter a volume of 0 millilitres or more")
    connection.execute(sa.select(_pour.key).where(_pour.key == pour_key).with_for_update(key_share=True))
    last = [each for each in corrections_of(connection, pour_key) if each.kind is kind and each.undone_ms is None][-1:]
    if last and last[0].value == value:
        return last[0].key
    fields = {"pour": pour_key, "kind": kind.value, "value": value, "made_ms": now_ms}
    return int(connection.execute(sa.insert(schema.correction).values(fields)).inserted_primary_key[0])


def undo_correction(connection: sa.engine.Connection, key: int, now_ms: int) -> bool:
    """Undoes a correction. Whether there was one that counted."""
    query = sa.update(schema.correction).where(_correction.key == key, _correction.undone_ms.is_(None)).values(undone_ms=now_ms)
    return bool(connection.execute(query).rowcount)


def corrections_of(connection: sa.engine.Connection, pour_key: int) -> list[Correction]:
    """The corrections of a pour, oldest first, those that were undone, too."""
    query = sa.select(schema.correction).where(_correction.pour == pour_key).order_by(_correction.key)
    return [correction_of(row) for row in connection.execute(query)]


# Sums.


def _pieces(spans: Sequence[tuple[int, int]], meters: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The stretches of time of a tap's spans, cut where a span or a k-factor begins or ends. They do not overlap."""
    cuts = sorted({cut for span in spans for cut in span} | {from_ms for from_ms, _ in meters})
    return [piece for piece in itertools.pairwise(cuts) if any(since <= piece[0] < until for since, until in spans)]


def _sum(counted: Sequence[tuple[int, float, float]], since_ms: int, until_ms: int) -> tuple[float, float]:
    inside = [(out, drunk) for at_ms, out, drunk in counted if since_ms <= at_ms < until_ms]
    return sum(out for out, _ in inside), sum(drunk for _, drunk in inside)


def _uncorrected_pulses(connection: sa.engine.Connection, pieces: Sequence[tuple[int, int, int]]) -> list[float]:
    """The pulses of the pours without corrections in each piece."""
    piece = numbered(connection, pieces)
    # As floating point: a sum of integers can be too large for SQLite, which is an error.
    total = sa.select(sa.func.sum(sa.cast(_pour.pulses, sa.Float))).where(*within(piece), ~is_corrected()).correlate(piece, schema.tap)
    query = sa.select(piece.c.number, total.scalar_subquery()).select_from(piece.join(schema.tap, _tap.key == piece.c.tap))
    found = dict(tuple(row) for row in connection.execute(query))
    return [found.get(number) or 0.0 for number in range(len(pieces))]


def _corrected(connection: sa.engine.Connection, pieces: Sequence[tuple[int, int, int]], taps: Sequence[int]) -> list[Pour]:
    return pours_of_rows(connection, [*own_rows(connection, pieces, is_corrected()), *moved_rows(connection, taps, pieces)])


# Lists.


def _newest(
    connection: sa.engine.Connection, taps: Sequence[int], window: _Window, limit: int, without: Sequence[CorrectionKind]
) -> dict[int, list[Pour]]:
    """The newest pours of each tap: `limit` of them if there are so many, not counting those with a correction of the kinds `without`."""
    wanted = keys_of(connection, taps)
    in_time = (_pour.at_ms >= window.since_ms, _pour.at_ms <= window.until_ms)
    before = sa.or_(_pour.at_ms < window.until_ms, _pour.key < window.until_key)
    nth = sa.select(_pour.at_ms).where(_pour.client == _tap.client, _pour.pin == _tap.pin, *in_time, before, ~is_corrected(*without))
    nth = nth.order_by(_pour.at_ms.desc()).offset(limit - 1).limit(1).correlate(schema.tap)
    query = sa.select(_tap.key, nth.scalar_subquery()).join_from(wanted, schema.tap, _tap.key == wanted.c.key)
    oldest = [(tap, window.since_ms if at_ms is None else at_ms, window.until_ms + 1) for tap, at_ms in connection.execute(query)]
    rows = [*own_rows(connection, oldest), *moved_rows(connection, taps, oldest)]
    found: dict[int, list[Pour]] = {tap: [] for tap in taps}
    for pour in sorted(pours_of_rows(connection, rows), key=_newest_first):
        if pour.tap in found and (window.since_ms, 0) <= (pour.at_ms, pour.key) < (window.until_ms, window.until_key):
            found[pour.tap].append(pour)
    return found


def _stream(connection: sa.engine.Connection, client_key: int, pin: int) -> Iterator[Pour]:
    at_ms, key = -1, -1
    while True:
        after = sa.and_(_pour.at_ms >= at_ms, sa.or_(_pour.at_ms > at_ms, _pour.key > key))
        query = query_of_rows().where(_pour.client == client_key, _pour.pin == pin, after).order_by(_pour.at_ms, _pour.key).limit(_PAGE)
        page = sorted(pours_of_rows(connection, connection.execute(query)), key=_oldest_first)
        if not page:
            return
        yield from page
        at_ms, key = page[-1].at_ms, page[-1].key


def _oldest_first(pour: Pour) -> tuple[int, int]:
    return pour.at_ms, pour.key


def _newest_first(pour: Pour) -> tuple[int, int]:
    return -pour.at_ms, -pour.key
