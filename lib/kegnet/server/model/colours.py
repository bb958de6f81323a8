"""The colour of a beer: its units, and how a page shows it. Pure.

SRM (Standard Reference Method, ASBC) and EBC (European Brewery Convention) measure the same absorption of light at 430 nm: EBC is
1.97 times SRM. Degrees Lovibond are an older, visual scale; SRM = 1.3546 L − 0.76 is the usual relation for worts and beers.
"""

from __future__ import annotations

import itertools

EBC_PER_SRM = 1.97
MOST_SRM = 200.0
"""An upper bound: the darkest stouts have 80."""

_SHADES = (
    (0.0, (253, 244, 190)),
    (1.0, (251, 233, 138)),
    (2.0, (249, 222, 100)),
    (3.0, (246, 212, 76)),
    (5.0, (238, 180, 58)),
    (8.0, (217, 143, 43)),
    (12.0, (185, 101, 29)),
    (18.0, (138, 61, 18)),
    (30.0, (74, 28, 12)),
    (40.0, (42, 17, 10)),
    (60.0, (27, 12, 8)),
)
"""Red, green and blue by SRM, of a full glass. Colours between them are interpolated."""


def css_colour(srm: float | None) -> str:
    """The colour for CSS and SVG, for example `#d98f2b`. For an unknown SRM, that of a golden beer."""
    wanted = 5.0 if srm is None else min(max(srm, _SHADES[0][0]), _SHADES[-1][0])
    for (least, low), (most, high) in itertools.pairwise(_SHADES):
        if wanted <= most:
            share = (wanted - least) / (most - least)
            return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in zip(low, high, strict=True))
    raise AssertionError("the last shade is the bound")


def srm_of(value: float, unit: str) -> float:
    """A colour in `unit` (SRM, EBC or Lovibond) as SRM with two decimals, never below 0."""
    match unit:
        case "EBC":
            srm = value / EBC_PER_SRM
        case "Lovibond":
            srm = 1.3546 * value - 0.76
        case _:
            srm = value
    return max(0.0, round(srm, 2))


def ebc_of(srm: float) -> float:
    """SRM as EBC."""
    return srm * EBC_PER_SRM
