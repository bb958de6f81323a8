"""The chart library in the tree."""

from __future__ import annotations

import hashlib
import re

from support.keg import REPOSITORY

UPLOT = REPOSITORY / "lib/kegnet/server/web/static/uplot"


def test_the_chart_library_is_the_published_one() -> None:
    stated = dict(re.findall(r"\| (\S+) \| ([0-9a-f]{64}) \|", (UPLOT / "README.md").read_text()))
    found = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in UPLOT.iterdir() if file.name != "README.md"}
    assert found == stated
    assert set(stated) == {"LICENSE", "uPlot.iife.min.js", "uPlot.min.css"}


def test_the_chart_library_is_in_the_packages() -> None:
    assert '"static/uplot/*"' in (REPOSITORY / "setup.py").read_text()
    assert "lib/kegnet/server usr/share" in (REPOSITORY / "service/debian/kegnet-server.install").read_text()
