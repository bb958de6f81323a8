"""The kegs of a tap, with the poured amount of each."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from .kegs import kegs_of
from .pours import poured_ml
from .ranges import MOST_MS
from .records import Keg


@dataclass(frozen=True)
class PouredKeg:
    """A keg, the amount that left it, and the drunk part of it."""

    keg: Keg
    out_ml: float
    drunk_ml: float


def poured_kegs(connection: sa.engine.Connection, tap_key: int, limit: int, offset: int = 0) -> list[PouredKeg]:
    """The last kegs of a tap, newest first, without the newest `offset` of them. The number of queries is always the same."""
    kegs = kegs_of(connection, tap_key, limit, offset)
    spans = [(tap_key, keg.on_ms, MOST_MS if keg.off_ms is None else keg.off_ms) for keg in kegs]
    return [PouredKeg(keg, *poured) for keg, poured in zip(kegs, poured_ml(connection, spans), strict=True)]
