"""`/manifest.webmanifest`: what a phone needs to put the page on its home screen (W3C Web Application Manifest)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..storage.settings import household
from .database import read
from .render import root_path
from .static_files import STATIC

_BACKGROUND = "#14100c"


async def manifest(request: Request) -> Response:
    """The manifest, with the title of the installation."""
    root, home = root_path(request), await read(request, household)
    icons = [{"src": f"{root}{STATIC}/icon-{size}.png", "sizes": f"{size}x{size}", "type": "image/png"} for size in (192, 512)]
    values = {
        "name": home.title,
        "short_name": home.title[:12],
        "start_url": f"{root}/",
        "scope": f"{root}/",
        "display": "standalone",
        "background_color": _BACKGROUND,
        "theme_color": _BACKGROUND,
        "icons": [*icons, {"src": f"{root}{STATIC}/keg.svg", "sizes": "any", "type": "image/svg+xml"}],
    }
    return JSONResponse(values, media_type="application/manifest+json", headers={"Cache-Control": "no-cache"})


ROUTES = (Route("/manifest.webmanifest", manifest),)
