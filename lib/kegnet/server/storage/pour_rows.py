"""Rows of pours and their corrections, found by indexes, and what they come to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from ..model.pours import Correction, CorrectionKind, Effect, effect_of, factor_at, millilitres
from . import schema
from .ranges import MOST_MS, keys_of, per_row, table_of
from .records import PULSES_PER_LITRE, Pour
from .taps import meters_of

_correction, _pour, _tap = schema.correction.c, schema.pour.c, schema.tap.c
Piece = tuple[int, int, int]
"""The key of a tap, since_ms, until_ms."""


def numbered(connection: sa.engine.Connection, pieces: Sequence[Piece]) -> Any:
    """The pieces as a table of a query, with the column `number`, their place from 0."""
    return table_of(connection, "piece", ["number", "tap", "since_ms", "until_ms"], ((i, *piece) for i, piece in enumerate(pieces)))


def within(piece: Any) -> tuple[Any, ...]:
    """The pours of a piece's tap and time, in a query with `numbered` pieces and their taps."""
    return (_pour.client == _tap.client, _pour.pin == _tap.pin, _pour.at_ms >= piece.c.since_ms, _pour.at_ms < piece.c.until_ms)


def is_corrected(*kinds: CorrectionKind) -> Any:
    """Whether a pour has a correction that counts, of one of `kinds` if there are any."""
    where = [_correction.pour == _pour.key, _correction.undone_ms.is_(None)]
    if kinds:
        where.append(_correction.kind.in_([kind.value for kind in kinds]))
    return sa.exists(sa.select(sa.literal(1)).where(*where).correlate(schema.pour))


def _columns(pour: Any) -> tuple[Any, ...]:
    return pour.key, _tap.key.label("tap"), pour.at_ms, pour.received_ms, pour.pulses, pour.et_ms, pour.ts_ms


def query_of_rows() -> Any:
    """A query of the rows of pours, each with the tap of its flow meter."""
    return sa.select(*_columns(_pour)).join_from(schema.pour, schema.tap, sa.and_(_tap.client == _pour.client, _tap.pin == _pour.pin))


def own_rows(connection: sa.engine.Connection, pieces: Sequence[Piece], *where: Any) -> Sequence[Any]:
    """The rows of flow meters in pieces of time."""
    piece = numbered(connection, pieces)
    taps = piece.join(schema.tap, _tap.key == piece.c.tap)
    source, found = per_row(connection, taps, schema.pour, sa.and_(*within(piece), *where))
    return connection.execute(sa.select(*_columns(found)).select_from(source)).all()


def moved_rows(connection: sa.engine.Connection, taps: Sequence[int], pieces: Sequence[Piece]) -> Sequence[Any]:
    """The rows since the first of `pieces` that a move has brought to one of `taps`. A later move may have brought them elsewhere."""
    to_them = _correction.value.in_(sa.select(keys_of(connection, taps).c.key))
    moved = sa.select(_correction.pour).where(_correction.kind == CorrectionKind.MOVE.value, to_them, _correction.undone_ms.is_(None))
    first_ms = min((since_ms for _, since_ms, _ in pieces), default=MOST_MS)
    moves = moved.distinct().subquery("moved")
    source, found = per_row(connection, moves, schema.pour, sa.and_(_pour.key == moves.c.pour, _pour.at_ms >= first_ms))
    source = source.join(schema.tap, sa.and_(_tap.client == found.client, _tap.pin == found.pin))
    return connection.execute(sa.select(*_columns(found)).select_from(source)).all()


def pours_of_rows(connection: sa.engine.Connection, rows: Any) -> list[Pour]:
    """The pours of rows of the functions above, each once."""
    found = {row.key: row for row in rows}
    meters = meters_of(connection, [row.tap for row in found.values()])
    effects = _effects(connection, list(found))
    return [_pour_of(row, effects(row.key), factor_at(meters.get(row.tap, []), row.at_ms, PULSES_PER_LITRE)) for row in found.values()]


def _effects(connection: sa.engine.Connection, pour_keys: Sequence[int]) -> Callable[[int], Effect]:
    wanted = keys_of(connection, pour_keys)
    mine = sa.and_(_correction.pour == wanted.c.key, _correction.undone_ms.is_(None))
    source, columns = per_row(connection, wanted, schema.correction, mine)
    found: dict[int, list[Correction]] = {}
    for row in connection.execute(sa.select(*columns).select_from(source)):
        found.setdefault(row.pour, []).append(correction_of(row))
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


def correction_of(row: Any) -> Correction:
    """A row of `correction`."""
    return Correction(row.key, row.pour, CorrectionKind(row.kind), row.value, row.made_ms, row.undone_ms)
