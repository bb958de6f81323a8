"""axe-core, which checks a page for accessibility by the rules of WCAG. tests/household/require installs it."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

from selenium import webdriver

_FILE = Path(os.environ.get("KEGNET_LAB", "/var/tmp/kegnet-client-lab")) / "axe/node_modules/axe-core/axe.min.js"
_RUN = """
const done = arguments[arguments.length - 1];
const text = ({ id, help, nodes }) => nodes.map((node) => `${id}: ${help}: ${node.html.slice(0, 200)}: ${node.failureSummary}`);
axe.run(document, { resultTypes: ["violations"], runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] })
  .then(({ violations }) => done(violations.flatMap(text)))
  .catch((error) => done([String(error)]));
"""


@functools.cache
def _script() -> str:
    return _FILE.read_text()


def axe_problems(browser: webdriver.Chrome) -> list[str]:
    """The violations of the page as it is now: the rule, the element and what to do, one text for each element."""
    if not browser.execute_script("return typeof axe === 'object'"):
        # By the developer tools, which the page's Content-Security-Policy does not concern.
        browser.execute_cdp_cmd("Runtime.evaluate", {"expression": _script()})
    found: Any = browser.execute_async_script(_RUN)
    return [str(problem) for problem in found]
