"""The amounts that were poured at a tap, in bins of time that are aligned to the clock."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import sqlalchemy as sa

from ..model.pours import factor_at, millilitres
from . import schema
from .pour_rows import Piece, is_corrected, moved_rows, numbered, own_rows, pours_of_rows, within
from .ranges import per_row
from .records import PULSES_PER_LITRE
from .taps import meters_of

_tap = schema.tap.c


@dataclass(frozen=True)
class Bin:
    """The amount that left the keg in the bin that begins at `at_ms`, and the drunk part of it."""

    at_ms: int
    out_ml: float
    drunk_ml: float


def poured_in_bins(connection: sa.engine.Connection, tap_key: int, since_ms: int, until_ms: int, bin_ms: int) -> list[Bin]:
    """The pours of a tap with since_ms <= at_ms < until_ms after their corrections, oldest first, without empty bins.

    The number of queries is the same for any number of pours, and the result has at most a row for each bin.
    """
    meters = meters_of(connection, [tap_key]).get(tap_key, [])
    cuts = sorted({since_ms, until_ms, *(from_ms for from_ms, _ in meters if since_ms < from_ms < until_ms)})
    pieces = [(tap_key, *piece) for piece in itertools.pairwise(cuts)]
    sums: dict[int, tuple[float, float]] = {}

    def add(at_ms: int, out_ml: float, drunk_ml: float) -> None:
        out, drunk = sums.get(at_ms, (0.0, 0.0))
        sums[at_ms] = out + out_ml, drunk + drunk_ml

    for number, at_ms, pulses in _uncorrected(connection, pieces, bin_ms):
        volume = millilitres(pulses, factor_at(meters, pieces[number][1], PULSES_PER_LITRE))
        add(at_ms, volume, volume)
    rows = [*own_rows(connection, pieces, is_corrected()), *moved_rows(connection, [tap_key], pieces)]
    for pour in pours_of_rows(connection, rows):
        if pour.tap == tap_key and not pour.deleted and since_ms <= pour.at_ms < until_ms:
            add(pour.at_ms - pour.at_ms % bin_ms, pour.millilitres, 0.0 if pour.spilled else pour.millilitres)
    return [Bin(at_ms, *sums[at_ms]) for at_ms in sorted(sums)]


def _uncorrected(connection: sa.engine.Connection, pieces: list[Piece], bin_ms: int) -> list[tuple[int, int, float]]:
    """The number of a piece, when a bin begins, and the pulses of its pours without corrections."""
    piece = numbered(connection, pieces)
    taps = piece.join(schema.tap, _tap.key == piece.c.tap)
    source, found = per_row(connection, taps, schema.pour, sa.and_(*within(piece), ~is_corrected()))
    at_ms = found.at_ms - found.at_ms % bin_ms
    # As floating point: SQLite reports an error if a sum of integers is too large.
    query = sa.select(piece.c.number, at_ms, sa.func.sum(sa.cast(found.pulses, sa.Float))).select_from(source)
    return [(number, at_ms, pulses) for number, at_ms, pulses in connection.execute(query.group_by(piece.c.number, at_ms))]
