"""Pours with their corrections and their values before them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from ..model.pours import Correction, factor_at, millilitres
from . import schema
from .pour_rows import correction_of
from .ranges import keys_of, per_row
from .records import PULSES_PER_LITRE, Pour
from .taps import meters_of

_correction, _pour, _tap = schema.correction.c, schema.pour.c, schema.tap.c


@dataclass(frozen=True)
class PourDetails:
    """A pour, the key of the tap whose flow meter counted it, the volume of its pulses, and its active corrections, oldest first."""

    pour: Pour
    meter: int
    counted_ml: float
    corrections: tuple[Correction, ...]


def details_of(connection: sa.engine.Connection, pours: Sequence[Pour]) -> list[PourDetails]:
    """The details of `pours`, in their order. The number of queries does not depend on how many there are."""
    keys = [pour.key for pour in pours]
    taps = _counted_by(connection, keys)
    meters = meters_of(connection, list(taps.values()))
    corrections = _corrections(connection, keys)
    return [
        PourDetails(
            pour,
            taps[pour.key],
            millilitres(pour.pulses, factor_at(meters.get(taps[pour.key], []), pour.at_ms, PULSES_PER_LITRE)),
            tuple(corrections.get(pour.key, ())),
        )
        for pour in pours
    ]


def _counted_by(connection: sa.engine.Connection, keys: Sequence[int]) -> dict[int, int]:
    """The key of the tap of each pour's flow meter."""
    wanted = keys_of(connection, keys)
    source, found = per_row(connection, wanted, schema.pour, _pour.key == wanted.c.key)
    source = source.join(schema.tap, sa.and_(_tap.client == found.client, _tap.pin == found.pin))
    return dict(tuple(row) for row in connection.execute(sa.select(found.key, _tap.key).select_from(source)))


def _corrections(connection: sa.engine.Connection, keys: Sequence[int]) -> dict[int, list[Correction]]:
    wanted = keys_of(connection, keys)
    mine = sa.and_(_correction.pour == wanted.c.key, _correction.undone_ms.is_(None))
    source, columns = per_row(connection, wanted, schema.correction, mine)
    found: dict[int, list[Correction]] = {}
    for row in connection.execute(sa.select(*columns).select_from(source)):
        found.setdefault(row.pour, []).append(correction_of(row))
    return {pour: sorted(each, key=lambda correction: correction.key) for pour, each in found.items()}
