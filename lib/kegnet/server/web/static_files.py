"""The static files. Their path contains their version, so browsers cache them for a year, and an upgrade is effective at once."""

from __future__ import annotations

import hashlib
from pathlib import Path

from starlette.convertors import Convertor, register_url_convertor
from starlette.datastructures import MutableHeaders
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kegnet import __version__

_FOLDER = Path(__file__).parent / "static"


def _version() -> str:
    """A hash of the names and the contents of all static files."""
    digest = hashlib.sha256()
    for path in sorted(_FOLDER.rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(_FOLDER)} {path.stat().st_size} ".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


STATIC = f"/static/{_version()}"
"""The path of the static files below the root. An import of `./other.js` gets the same version."""
PAGE_VERSION = f"{__version__}-{STATIC.rpartition('/')[2]}"
"""The version of the pages. A page that is open for weeks is reloaded when the server sends another version."""


class VersionConvertor(Convertor[str]):
    """12 hexadecimal digits, as `_version` makes them."""

    regex = "[0-9a-f]{12}"

    def convert(self, value: str) -> str:
        """The digits."""
        return value

    def to_string(self, value: str) -> str:
        """The digits in the path."""
        return value


register_url_convertor("version", VersionConvertor())


class Cached:
    """Adds `Cache-Control` to the responses that are files."""

    def __init__(self, app: ASGIApp, value: str) -> None:
        self._app = app
        self._value = value

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves a request."""

        async def send_with_header(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] in (200, 206, 304):
                MutableHeaders(scope=message)["cache-control"] = self._value
            await send(message)

        await self._app(scope, receive, send_with_header)


FILES = (
    Mount(STATIC, Cached(StaticFiles(directory=_FOLDER), "public, max-age=31536000, immutable")),
    Mount("/static/{version:version}", Cached(StaticFiles(directory=_FOLDER), "no-cache")),
    Mount("/static", Cached(StaticFiles(directory=_FOLDER), "no-cache")),
)
"""The files by their version.

By another version, as on a page of a server with that version behind the same proxy during an upgrade, and without one for links that
do not contain it. Those two are always revalidated.
"""
