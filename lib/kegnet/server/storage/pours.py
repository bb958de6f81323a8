"""Pours as they count: by the k-factor of their time, and after their corrections.

A correction is a row of its own. Few pours have one: SQL sums the others, and those that are corrected are counted one by one.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ..model.pours import Correction, CorrectionKind, Effect, effect_of, factor_at, millilitres
from . import schema
from .ranges import MOST_MS, keys_of, per_row, table_of
from .records import PULSES_PER_LITRE, Pour
from .taps import meters_of

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
    return next(iter(_finished(connection, connection.execute(_query().where(_pour.key == key)))), None)


def stream_pours(connection: sa.engine.Connection, client_key: int) -> Iterator[Pour]:
    """All pours that a client reported, oldest first, the deleted ones, too. A few hundred at a time are in memory."""
    taps = connection.execute(sa.select(_tap.pin).where(_tap.client == client_key)).scalars().all()
    return heapq.merge(*(_stream(connection, client_key, pin) for pin in taps), key=lambda pour: (pour.at_ms, pour.key))


def correct(connection: sa.engine.Connection, pour_key: int, kind: CorrectionKind, value: int | None, now_ms: int) -> int:
    """Corrects a pour; the key of the correction. `value` as in `Correction`."""
    fields = {"pour": pour_key, "kind": kind.value, "value": value, "made_ms": now_ms}
    return int(connection.execute(sa.insert(schema.correction).values(fields)).inserted_primary_key[0])


def undo_correction(connection: sa.engine.Connection, key: int, now_ms: int) -> bool:
    """Undoes a correction. Whether there was one that counted."""
    query = sa.update(schema.correction).where(_correction.key == key, _correction.undone_ms.is_(None)).values(undone_ms=now_ms)
    return bool(connection.execute(query).rowcount)


def corrections_of(connection: sa.engine.Connection, pour_key: int) -> list[Correction]:
    """The corrections of a pour, oldest first, those that were undone, too."""
    query = sa.select(schema.correction).where(_correction.pour == pour_key).order_by(_correction.key)
    return [_correction_of(row) for row in connection.execute(query)]


# Sums.


def _pieces(spans: Sequence[tuple[int, int]], meters: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The stretches of time of a tap's spans, cut where a span or a k-factor begins or ends. They do not overlap."""
    cuts = sorted({cut for span in spans for cut in span} | {from_ms for from_ms, _ in meters})
    return [piece for piece in itertools.pairwise(cuts) if any(since <= piece[0] < until for since, until in spans)]


def _sum(counted: Sequence[tuple[int, float, float]], since_ms: int, until_ms: int) -> tuple[float, float]:
    within = [(out, drunk) for at_ms, out, drunk in counted if since_ms <= at_ms < until_ms]
    return sum(out for out, _ in within), sum(drunk for _, drunk in within)


def _uncorrected_pulses(connection: sa.engine.Connection, pieces: Sequence[tuple[int, int, int]]) -> list[float]:
    """The pulses of the pours without corrections in each piece."""
    piece = _numbered(connection, pieces)
    # As floating point: a sum of integers can be too large for SQLite, which is an error.
    total = sa.select(sa.func.sum(sa.cast(_pour.pulses, sa.Float))).where(*_within(piece), ~_is_corrected()).correlate(piece, schema.tap)
    query = sa.select(piece.c.number, total.scalar_subquery()).select_from(piece.join(schema.tap, _tap.key == piece.c.tap))
    found = dict(tuple(row) for row in connection.execute(query))
    return [found.get(number) or 0.0 for number in range(len(pieces))]


def _corrected(connection: sa.engine.Connection, pieces: Sequence[tuple[int, int, int]], taps: Sequence[int]) -> list[Pour]:
    return _finished(connection, [*_own(connection, pieces, _is_corrected()), *_moved_to(connection, taps, pieces)])


def _numbered(connection: sa.engine.Connection, pieces: Sequence[tuple[int, int, int]]) -> Any:
    return table_of(connection, "piece", ["number", "tap", "since_ms", "until_ms"], ((i, *piece) for i, piece in enumerate(pieces)))


def _within(piece: Any) -> tuple[Any, ...]:
    return (_pour.client == _tap.client, _pour.pin == _tap.pin, _pour.at_ms >= piece.c.since_ms, _pour.at_ms < piece.c.until_ms)


def _is_corrected(*kinds: CorrectionKind) -> Any:
    """Whether a pour has a correction that counts, of one of `kinds` if there are any."""
    where = [_correction.pour == _pour.key, _correction.undone_ms.is_(None)]
    if kinds:
        where.append(_correction.kind.in_([kind.value for kind in kinds]))
    return sa.exists(sa.select(sa.literal(1)).where(*where).correlate(schema.pour))


# Rows.


def _columns(pour: Any) -> tuple[Any, ...]:
    return pour.key, _tap.key.label("tap"), pour.at_ms, pour.received_ms, pour.pulses, pour.et_ms, pour.ts_ms


def _query() -> Any:
    return sa.select(*_columns(_pour)).join_from(schema.pour, schema.tap, (_tap.client == _pour.client) & (_tap.pin == _pour.pin))


def _own(connection: sa.engine.Connection, pieces: Sequence[tuple[int, int, int]], *where: Any) -> Sequence[Any]:
    """The rows of flow meters in pieces of (key of a tap, since_ms, until_ms)."""
    piece = _numbered(connection, pieces)
    taps = piece.join(schema.tap, _tap.key == piece.c.tap)
    source, found = per_row(connection, taps, schema.pour, sa.and_(*_within(piece), *where))
    return connection.execute(sa.select(*_columns(found)).select_from(source)).all()


def _moved_to(connection: sa.engine.Connection, taps: Sequence[int], pieces: Sequence[tuple[int, int, int]]) -> Sequence[Any]:
    """The rows since the first of `pieces` that a move has brought to one of `taps`. A later move may have brought them elsewhere."""
    to_them = _correction.value.in_(sa.select(keys_of(connection, taps).c.key))
    moved = sa.select(_correction.pour).where(_correction.kind == CorrectionKind.MOVE.value, to_them, _correction.undone_ms.is_(None))
    first_ms = min((since_ms for _, since_ms, _ in pieces), default=MOST_MS)
    moves = moved.distinct().subquery("moved")
    source, found = per_row(connection, moves, schema.pour, (_pour.key == moves.c.pour) & (_pour.at_ms >= first_ms))
    source = source.join(schema.tap, (_tap.client == found.client) & (_tap.pin == found.pin))
    return connection.execute(sa.select(*_columns(found)).select_from(source)).all()


def _newest(
    connection: sa.engine.Connection, taps: Sequence[int], window: _Window, limit: int, without: Sequence[CorrectionKind]
) -> dict[int, list[Pour]]:
    """The newest pours of each tap: `limit` of them if there are so many, not counting those with a correction of the kinds `without`."""
    wanted = keys_of(connection, taps)
    in_time = (_pour.at_ms >= window.since_ms, _pour.at_ms <= window.until_ms)
    before = (_pour.at_ms < window.until_ms) | (_pour.key < window.until_key)
    nth = sa.select(_pour.at_ms).where(_pour.client == _tap.client, _pour.pin == _tap.pin, *in_time, before, ~_is_corrected(*without))
    nth = nth.order_by(_pour.at_ms.desc()).offset(limit - 1).limit(1).correlate(schema.tap)
    query = sa.select(_tap.key, nth.scalar_subquery()).join_from(wanted, schema.tap, _tap.key == wanted.c.key)
    oldest = [(tap, window.since_ms if at_ms is None else at_ms, window.until_ms + 1) for tap, at_ms in connection.execute(query)]
    rows = [*_own(connection, oldest), *_moved_to(connection, taps, oldest)]
    found: dict[int, list[Pour]] = {tap: [] for tap in taps}
    for pour in sorted(_finished(connection, rows), key=_newest_first):
        if pour.tap in found and (window.since_ms, 0) <= (pour.at_ms, pour.key) < (window.until_ms, window.until_key):
            found[pour.tap].append(pour)
    return found


def _stream(connection: sa.engine.Connection, client_key: int, pin: int) -> Iterator[Pour]:
    at_ms, key = -1, -1
    while True:
        after = (_pour.at_ms >= at_ms) & ((_pour.at_ms > at_ms) | (_pour.key > key))
        query = _query().where(_pour.client == client_key, _pour.pin == pin, after).order_by(_pour.at_ms, _pour.key).limit(_PAGE)
        page = sorted(_finished(connection, connection.execute(query)), key=lambda pour: (pour.at_ms, pour.key))
        if not page:
            return
        yield from page
        at_ms, key = page[-1].at_ms, page[-1].key


def _finished(connection: sa.engine.Connection, rows: Any) -> list[Pour]:
    """The pours of rows of `_columns`, each once."""
    found = {row.key: row for row in rows}
    meters = meters_of(connection, [row.tap for row in found.values()])
    effects = _effects(connection, list(found))
    return [_pour_of(row, effects(row.key), factor_at(meters.get(row.tap, []), row.at_ms, PULSES_PER_LITRE)) for row in found.values()]


def _effects(connection: sa.engine.Connection, pour_keys: Sequence[int]) -> Callable[[int], Effect]:
    wanted = keys_of(connection, pour_keys)
    mine = (_correction.pour == wanted.c.key) & _correction.undone_ms.is_(None)
    source, columns = per_row(connection, wanted, schema.correction, mine)
    found: dict[int, list[Correction]] = {}
    for row in connection.execute(sa.select(*columns).select_from(source)):
        found.setdefault(row.pour, []).append(_correction_of(row))
    return lambda key: effect_of(found.get(key, []))


def _pour_of(row: Any, effect: Effect, pulses_per_litre: int) -> Pour:
    """A moved pour keeps the k-factor of the flow meter that counted it."""
    return Pour(
        key=row.key,
        tap=row.tap if effect.tap is None else effect.tap,
        at_ms=row.at_ms,
        received_ms=row.received_ms,
        pulses=row.pulses,
        et_ms=row.et_ms,
        millilitres=millilitres(row.pulses, pulses_per_litre) if effect.volume_ml is None else float(effect.volume_ml),
        spilled=effect.spilled,
        deleted=effect.deleted,
        corrected=effect.corrected,
        timed_by_receipt=row.at_ms != row.ts_ms,
    )


def _correction_of(row: Any) -> Correction:
    return Correction(row.key, row.pour, CorrectionKind(row.kind), row.value, row.made_ms, row.undone_ms)


def _newest_first(pour: Pour) -> tuple[int, int]:
    return -pour.at_ms, -pour.key
