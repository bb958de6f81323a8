#!/usr/bin/env python3
"""Takes the README's pictures: the home page on a laptop and on a phone, and the wall. usage: pictures.py    after tests/household/run."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1] / "lib")]

from kegnet.server.storage.settings import set_household  # noqa: E402
from support.browsers import LAPTOP, PHONE, Browsers, save_picture  # noqa: E402
from support.kegnet_server import KegnetServer  # noqa: E402
from support.taps import Tapped, add_client, wait_for_alarms  # noqa: E402

WALL = (1920, 1080)
TAPS = (
    Tapped("Two Sunsets IPA", "Own brew", "American IPA", 6.4, 58.0, 8.0, 0.48, minutes=5, litres_a_day=2.2),
    Tapped("Night Shift", "Own brew", "Dry stout", 4.3, 38.0, 40.0, 0.59, minutes=190, litres_a_day=1.8),
    Tapped("Kellerbier", "Brauerei Meister", "Zwickl", 5.1, 24.0, 5.0, 0.92, minutes=20, size_ml=50_000, litres_a_day=2.1),
    Tapped("Donaudampfschifffahrtsbräu Jubiläumsbock", "Own brew", "Doppelbock", 7.9, 26.0, 18.0, 0.09, minutes=61, litres_a_day=2.6),
    Tapped("Copper Line", "Own brew", "Altbier", 4.8, 42.0, 12.0, 0.74, minutes=130, litres_a_day=1.3),
    Tapped("Sour & Wild", "Friends' share", "Kettle sour", 3.9, 6.0, 3.0, 0.35, minutes=185, litres_a_day=1.6),
    Tapped("Winter Porter", "Own brew", "Baltic porter", 8.6, 34.0, 30.0, 0.97, minutes=1500, litres_a_day=0.3),
    Tapped("Pale Moon Hefeweizen", "Own brew", "Weissbier", 5.3, 13.0, 3.5, 0.66, minutes=44, litres_a_day=1.9),
)


def main() -> None:
    """Takes all five."""
    browsers = Browsers()
    with tempfile.TemporaryDirectory() as folder, KegnetServer(Path(folder)) as server:
        with server.writing() as connection:
            set_household(connection, title="The Garage", time_zone="Europe/Berlin")
        add_client(server, "Garage", tapped=TAPS)
        wait_for_alarms(server, 1)
        for name, size in (("laptop", LAPTOP), ("phone", PHONE)):
            for dark in (False, True):
                browser = browsers.start(size, dark=dark)
                browser.get(server.page_url)
                save_picture(browser, HERE / f"{name}-{'dark' if dark else 'light'}.png", size[1])
        browser = browsers.start(WALL, dark=True)
        browser.get(f"{server.page_url}tv")
        save_picture(browser, HERE / "wall.png", WALL[1])
    browsers.close()


if __name__ == "__main__":
    main()
