"""Chromium as a phone or a laptop has it, light or dark."""

from __future__ import annotations

import base64
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from .kegnet_server import KegnetServer
from .ports import free_port
from .wait import wait_for
from .web_requests import PASSWORD

PHONE = (390, 844)
LAPTOP = (1440, 900)
_NOTED = """
{
  window.noted = { hellos: 0, begun: 0, awaited: 0 };
  document.addEventListener("kegnet:hello", () => { noted.hellos += 1; });
  const load = window.fetch;
  window.fetch = async (...words) => {
    noted.begun += 1;
    noted.awaited += 1;
    let end = Promise.resolve();
    try {
      const answer = await load(...words);
      end = answer.clone().arrayBuffer();
      return answer;
    } finally {
      end.catch(() => {}).then(() => { noted.awaited -= 1; });
    }
  };
}
"""
_SETTLED = """
const done = arguments[arguments.length - 1];
let begun = 0, ticks = 0;
function tick() {
  const fails = document.getElementById("stale")?.checkVisibility();
  ticks = noted.hellos > 0 && noted.awaited === 0 && noted.begun === begun && !fails ? ticks + 1 : 0;
  begun = noted.begun;
  if (ticks < 12) setTimeout(tick, 200); else done();
}
tick();
"""
"""Waits for many short pauses: however long a busy machine holds up the page, only one of them ends. Together they are longer than those
of follow.js.
"""
_FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars")


class Browsers:
    """Starts browsers, and ends them all."""

    def __init__(self) -> None:
        self._open: list[webdriver.Chrome] = []

    def start(self, size: tuple[int, int] = LAPTOP, *, dark: bool = False) -> webdriver.Chrome:
        """A browser with a page of `size` in CSS pixels, below 500 as a phone's."""
        options = webdriver.ChromeOptions()
        # The test's certificate is by an authority of its own.
        for flag in (*_FLAGS, "--ignore-certificate-errors"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        browser = webdriver.Chrome(service=Service("/usr/bin/chromedriver", port=free_port()), options=options)
        self._open.append(browser)
        browser.set_script_timeout(180)
        width, height = size
        # A window cannot be narrower than 500 pixels; this can.
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        return browser

    def close(self) -> None:
        """Ends them."""
        for browser in self._open:
            browser.quit()


def log_in(browser: webdriver.Chrome, server: KegnetServer, password: str = PASSWORD) -> None:
    """Logs in as administrator, whose password is set; leaves the first page open."""
    server.set_password(password)
    browser.get(f"{server.page_url}login")
    browser.find_element(By.NAME, "password").send_keys(password + Keys.ENTER)
    wait_for(lambda: browser.current_url == server.page_url)


def note_loads(browser: webdriver.Chrome) -> None:
    """Lets the pages that are opened from now on note what `settled()` needs."""
    browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": _NOTED})


def settled(browser: webdriver.Chrome) -> None:
    """Waits until the page reads the stream, has loaded what it could have missed, and is not about to load more.

    A page whose stream opens late loads once before it, and once after it.
    """
    browser.execute_async_script(_SETTLED)


def save_picture(browser: webdriver.Chrome, path: Path, height: int) -> None:
    """A picture of the top of the page, of `height` CSS pixels at most, as a PNG file."""
    width, whole = browser.execute_script("return [innerWidth, document.documentElement.scrollHeight]")
    clip = {"x": 0, "y": 0, "width": width, "height": min(height, whole), "scale": 1}
    picture = browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
    path.write_bytes(base64.b64decode(picture["data"]))
