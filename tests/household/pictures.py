#!/usr/bin/env python3
"""Takes the README's pictures of the page, with the demo's made-up week. usage: pictures.py    after tests/household/run"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1] / "lib")]

from household.conftest import Browsers  # noqa: E402
from kegnet.server.demo import PINS  # noqa: E402
from kegnet.server.history import make_up  # noqa: E402
from support.kegnet_server import KegnetServer  # noqa: E402
from support.wait import wait_for  # noqa: E402

CLIENT = "6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11"
SHOTS = (("laptop", 1100, 1250), ("phone", 500, 1100))


def main() -> None:
    """Takes all four."""
    with tempfile.TemporaryDirectory() as folder:
        server, browsers = KegnetServer(Path(folder), None), Browsers()
        now_ms = time.time_ns() // 10**6
        server.store.set_client(CLIENT, name="Garage", public_key="", coldest=2000, warmest=6500)
        for pin, name in zip(PINS, ("IPA", "Stout"), strict=True):
            server.store.set_tap(CLIENT, pin, name=name, keg_ml=19_000, tapped_ms=now_ms - 4 * 86_400_000)
        make_up(server.store, CLIENT, PINS, now_ms)
        for name, width, height in SHOTS:
            for dark in (False, True):
                browser = browsers.start(width, height, dark)
                browser.get(server.page_url)
                loaded = "return [...document.images].slice(0, 1).every((image) => image.complete && image.naturalWidth)"
                wait_for(lambda browser=browser, loaded=loaded: browser.execute_script(loaded))  # type: ignore[misc]
                browser.save_screenshot(str(HERE / f"{name}-{'dark' if dark else 'light'}.png"))
        browsers.close()
        server.stop()


if __name__ == "__main__":
    main()
