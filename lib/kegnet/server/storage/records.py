"""The rows of the tables as frozen values. Times are Unix milliseconds, temperatures thousandths of a degree Celsius."""

from __future__ import annotations

from dataclasses import dataclass

PULSES_PER_LITRE = 5600
"""The k-factor of the usual flow meters, for a tap that nobody has calibrated."""


@dataclass(frozen=True)
class Client:
    """A registered client. `coldest` and `warmest` bound what is no alarm; None is no bound."""

    key: int
    uuid: str
    name: str
    kind: str
    public_key: str
    added_ms: int
    coldest: int | None
    warmest: int | None


@dataclass(frozen=True)
class Tap:
    """A flow meter of a client. `pulses_per_litre` is its k-factor now; `client` is the client's key."""

    key: int
    client: int
    pin: int
    name: str
    hidden: bool
    pulses_per_litre: int


@dataclass(frozen=True)
class Beer:
    """A beer of the library. `srm` is its colour. `picture_ms` is when its picture was stored; None if it has none."""

    key: int
    name: str
    brewery: str
    style: str
    abv_percent: float | None
    ibu: float | None
    srm: float | None
    notes: str
    picture_ms: int | None = None


@dataclass(frozen=True)
class Keg:
    """A keg on a tap. `off_ms` is None while it is on; `volume_ml` and `start_ml` are None where nobody has entered them."""

    key: int
    tap: int
    beer: Beer | None
    on_ms: int
    off_ms: int | None
    volume_ml: int | None
    start_ml: int | None

    @property
    def full_ml(self) -> int | None:
        """What counts as full: the size, or without a size the contents when it was put on. None: unknown."""
        return self.volume_ml or self.start_ml


@dataclass(frozen=True)
class Pour:
    """A pour after its corrections. `tap` is the tap for which it counts, `millilitres` what it counts with.

    `deleted`: it counts for nothing. `spilled`: it left the keg, but is nobody's drink. `timed_by_receipt`: the client's clock was wrong.
    """

    key: int
    tap: int
    at_ms: int
    received_ms: int
    pulses: int
    et_ms: int
    millilitres: float
    spilled: bool
    deleted: bool
    corrected: bool
    timed_by_receipt: bool


@dataclass(frozen=True)
class Reading:
    """A temperature."""

    at_ms: int
    received_ms: int
    millicelsius: int


@dataclass(frozen=True)
class Course:
    """The temperatures of a stretch of time that begins at `at_ms`: `number` of them."""

    at_ms: int
    length_ms: int
    mean: float
    least: int
    most: int
    number: int


@dataclass(frozen=True)
class Alarm:
    """An alarm; `ended_ms` is None while it lasts. `tap` is None where it is the client's."""

    key: int
    client: int
    tap: int | None
    kind: str
    began_ms: int
    ended_ms: int | None
