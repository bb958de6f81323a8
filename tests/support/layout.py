"""Measures a page's layout in the browser: what overlaps, sticks out, is cut off, or makes the page scroll sideways."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from selenium import webdriver

SIZES = ((360, 740), (390, 844), (768, 1024), (1440, 900), (1920, 1080), (3840, 2160))
"""Phones, a tablet, a laptop, and walls of 1080p and 4K, in CSS pixels."""

_PROBLEMS = Path(__file__).with_suffix(".js").read_text()


def resize(browser: webdriver.Chrome, size: tuple[int, int], *, dark: bool | None = None, text_percent: int = 100) -> None:
    """Gives an open browser another screen: its size in CSS pixels, below 500 a phone's; light or dark; the size of its text."""
    width, height = size
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    if dark is not None:
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    browser.execute_script("document.documentElement.style.setProperty('font-size', arguments[0])", f"{text_percent}%")
    # What follows a change of a size, such as a chart, runs with the next frame.
    browser.execute_async_script("const [done] = arguments; requestAnimationFrame(() => requestAnimationFrame(() => done()))")


def layout_problems(browser: webdriver.Chrome) -> list[str]:
    """What is wrong with the layout of the page as it is now, a sentence each.

    Text, controls and pictures are compared with all others: none overlaps another one, sticks out of the window or of its card, or is
    cut off without an ellipsis; the page does not scroll sideways; buttons and fields are at least 44 px high. Fixed and sticky elements
    are compared with each other only. `data-layout="free"` exempts an element, for example the drawing of a chart.
    """
    found: Any = browser.execute_script(_PROBLEMS)
    return [str(problem) for problem in found]
