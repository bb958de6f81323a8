"""The picture of a beer: its address contains its version. A script makes it small and sends it.

It is sent as the whole body of a PUT. A form would need a parser of multipart bodies, and would send photos of many megabytes.
"""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..model.pictures import LARGEST_PIXELS, kind_of
from ..model.units import Units
from ..storage import Connection
from ..storage.beer_pictures import Picture, find_picture, remove_picture, set_picture
from .beers import announce_change, beer_of, show_beer
from .database import now_ms, read, write
from .forms import Form
from .path_keys import KEY
from .render import root_path
from .submit import Done, Mistake, guard_of, submit

POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'"
"""A picture that is opened alone can run nothing."""
MEDIA_TYPES = ("image/png", "image/jpeg", "image/webp")


async def show(request: Request) -> Response:
    """The picture; 304 if the browser has it already. The content at an address with a version never changes."""
    picture = await read(request, lambda connection: find_picture(connection, beer_of(request, connection)[0].key))
    if picture is None or picture.media_type not in MEDIA_TYPES:
        raise HTTPException(404, "this beer has no picture")
    version = str(picture.made_ms)
    lasting = "max-age=31536000, immutable" if request.query_params.get("v") == version else "no-cache"
    headers = {"Cache-Control": f"private, {lasting}", "ETag": f'"{version}"', "Content-Security-Policy": POLICY}
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(picture.data, media_type=picture.media_type, headers=headers)


async def store(request: Request) -> Response:
    """Stores the body as the picture; the answer has its address."""
    await guard_of(request).check(request)
    data = await request.body()
    kind = kind_of(data)
    if kind is None:
        raise HTTPException(415, "the file is not a picture: choose PNG, JPEG or WebP")
    if not kind.is_sane:
        raise HTTPException(
            422, f"the picture has {kind.width} × {kind.height} pixels; at most {LARGEST_PIXELS} × {LARGEST_PIXELS} are accepted"
        )
    picture = Picture(kind.media_type, now_ms(), data)

    def change(connection: Connection) -> int:
        beer, _ = beer_of(request, connection)
        set_picture(connection, beer.key, picture)
        announce_change(connection)
        return beer.key

    key = await write(request, change)
    return JSONResponse({"picture": f"{root_path(request)}/beers/{key}/picture?v={picture.made_ms}"})


async def remove(request: Request) -> Response:
    """Removes the picture."""

    def change(connection: Connection, _form: Form, _units: Units) -> Done:
        beer, _ = beer_of(request, connection)
        remove_picture(connection, beer.key)
        announce_change(connection)
        return Done(f"/beers/{beer.key}", "The picture was removed.")

    async def show_again(request: Request, _mistake: Mistake) -> Response:
        return await show_beer(request)

    return await submit(request, "the picture of a beer", change, show_again)


ROUTES = (
    Route(f"/beers/{KEY}/picture", show),
    Route(f"/beers/{KEY}/picture", store, methods=["PUT"]),
    Route(f"/beers/{KEY}/picture/remove", remove, methods=["POST"]),
)
