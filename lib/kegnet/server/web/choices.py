"""`/choices`: units, clock, dates and theme, which each reader chooses for their own browser. They are in cookies."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ..model.choices import CLOCKS, DATES, THEMES, Choices
from ..model.units import VOLUMES, Units
from ..storage.settings import household
from .database import read
from .forms import typed
from .render import render, root_path
from .submit import guard_of

_YEAR_S = 365 * 86_400


async def show_choices(request: Request) -> Response:
    """The form."""
    home = await read(request, household)
    return render(request, "choices.html", {"household": home, "volumes": VOLUMES, "clocks": CLOCKS, "dates": DATES, "themes": THEMES})


async def change_choices(request: Request) -> Response:
    """Stores the choices, or deletes them; the defaults are then valid again. Needs no password."""
    await guard_of(request).check_form(request)
    form = await typed(request)
    root = root_path(request)
    answer = RedirectResponse(f"{root}/", 303)
    for name, value in Choices.of({**request.cookies, **form}, Units()).cookies().items():
        if form.get("action") == "forget":
            answer.delete_cookie(name, path=f"{root}/")
        else:
            secure = request.url.scheme == "https"
            answer.set_cookie(name, value, max_age=_YEAR_S, path=f"{root}/", httponly=True, samesite="lax", secure=secure)
    return answer


ROUTES = (Route("/choices", show_choices), Route("/choices", change_choices, methods=["POST"]))
