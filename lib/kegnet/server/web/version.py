"""The version of the pages: a page that stays open for weeks is loaded again when it changed."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

from kegnet import __version__


@functools.cache
def page_version() -> str:
    """The server's version and a digest of the templates, styles and scripts, as they were when the server started."""
    digest = hashlib.sha256()
    for folder in ("static", "templates"):
        for path in sorted((Path(__file__).parent / folder).rglob("*")):
            if path.is_file():
                digest.update(path.read_bytes())
    return f"{__version__}-{digest.hexdigest()[:8]}"
