#!/usr/bin/env python3
"""Takes the README's pictures of the page, with the demo's sample data. usage: pictures.py    after tests/household/run."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1] / "lib")]

from kegnet.server.demo.sample_data import fill  # noqa: E402
from kegnet.server.storage.settings import set_household  # noqa: E402
from support.browsers import LAPTOP, PHONE, Browsers, save_picture  # noqa: E402
from support.kegnet_server import KegnetServer  # noqa: E402
from support.wait import wait_for  # noqa: E402

CLIENT = "6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11"
SHOTS = (("laptop", LAPTOP, 1250), ("phone", PHONE, 1100))
ZONE = "America/New_York"
"""Taken at night in Europe, the day and the week of the picture are not empty."""
DRAWN = "return [...document.images].slice(0, 1).every((image) => image.complete && image.naturalWidth > 0)"


def main() -> None:
    """Takes all four."""
    browsers = Browsers()
    with tempfile.TemporaryDirectory() as folder:
        fill(f"sqlite:///{folder}/kegnet.sqlite", CLIENT, "")
        with KegnetServer(Path(folder)) as server:
            with server.writing() as connection:
                set_household(connection, time_zone=ZONE)
            for name, size, height in SHOTS:
                for dark in (False, True):
                    browser = browsers.start(size, dark=dark)
                    browser.get(server.page_url)
                    wait_for(lambda browser=browser: browser.execute_script(DRAWN))  # type: ignore[misc]
                    save_picture(browser, HERE / f"{name}-{'dark' if dark else 'light'}.png", height)
    browsers.close()


if __name__ == "__main__":
    main()
