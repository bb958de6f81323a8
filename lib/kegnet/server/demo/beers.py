"""The beers of the demo."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SampleBeer:
    """A beer, the size of its kegs, and the level of the present keg, 0 to 1. `thirst` is how often it is chosen, relative to others."""

    name: str
    brewery: str
    style: str
    abv_percent: float
    ibu: float
    srm: float
    keg_ml: int
    level: float
    thirst: float
    notes: str = ""


BEERS = (
    SampleBeer("Harbour Light", "Own brew", "American pale ale", 5.2, 38, 6, 19_000, 0.62, 1.0, "Dry-hopped with Citra."),
    SampleBeer("Coal Cellar", "Own brew", "Dry stout", 4.3, 40, 38, 19_000, 0.37, 0.7),
    SampleBeer("Kellerbier Nr. 4", "Brauerei Lindenhof", "Kellerbier", 5.1, 24, 5, 50_000, 0.83, 1.4, "Unfiltered."),
    SampleBeer("Red Barn", "Own brew", "Irish red ale", 4.8, 25, 15, 19_000, 0.07, 0.9),
    SampleBeer("Wheat Field", "Friends of the Garage", "Hefeweizen", 5.4, 13, 3, 19_000, 0.0, 0.8),
    SampleBeer(
        "Grandmother Wilhelmina's Christmas Doppelbock from the Old Cellar", "Own brew", "Doppelbock", 7.9, 26, 22, 19_000, 0.91, 0.4,
        "Brewed in July, and lagered until the first snow.",
    ),
)  # fmt: skip
"""In the order of the taps."""
