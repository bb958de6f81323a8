"""Renders pages: the templates, and the values that every page has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from ..model.choices import Choices
from ..model.colours import css_colour, ebc_of
from ..model.units import Units, ago, counted, span
from ..storage.settings import NO_HOUSEHOLD, Household
from . import charts, times
from .access import reader_of, token_query
from .cards import glass_shift
from .database import now_ms
from .sessions import csrf_token, take_report
from .static_files import STATIC

_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.globals.update(
    ago=ago, span=span, counted=counted, css_colour=css_colour, ebc_of=ebc_of, glass_shift=glass_shift, spans=tuple(charts.Span)
)


def render(
    request: Request, template: str, values: Mapping[str, object], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A page for one reader, with the token of its forms and the report of the last change."""
    own = {
        "csrf_token": csrf_token(request),
        "take_report": lambda: take_report(request, path_of(request)) if status == 200 else None,
        "reader": reader_of(request).value,
        "token_query": token_query(request),
    }
    return HTMLResponse(draw(request, template, {**own, **values}), status, headers={"Cache-Control": "no-store", **(headers or {})})


def draw(request: Request, template: str, values: Mapping[str, object]) -> str:
    """The text of a template.

    Each has `root` (the path of the server, mostly empty), `static` (the path of the static files), `path` (of the page, below the root),
    `now_ms`, `household`, and the reader's `choices`, `units` and `clock`. `values` replaces the defaults of those that need the database.
    None of these values depends on the session.
    """
    root = root_path(request)
    common = {
        "root": root,
        "static": root + STATIC,
        "path": path_of(request),
        "now_ms": now_ms(),
        "household": NO_HOUSEHOLD,
        "sample_data": False,
        "csrf_token": "",
        "take_report": lambda: None,
        "reader": "",
        "token_query": "",
        **values,
    }
    home = common["household"]
    assert isinstance(home, Household)  # noqa: S101
    choices = choices_of(request, home)
    clock = times.Clock(times.zone_of(home.time_zone), choices)
    return _templates.get_template(template).render({"choices": choices, "units": choices.units, "clock": clock, **common})


def choices_of(request: Request, home: Household) -> Choices:
    """The reader's choices; those that were not made are the household's."""
    return Choices.of(request.cookies, Units(home.temperature, home.volume))


def units_of(request: Request, home: Household, fields: Mapping[str, str]) -> Units:
    """The units of the amounts in `fields` of a form, and of the page that shows the form again with an error.

    A form sends the units of its labels as `temperature_unit_shown` and `volume_unit_shown`, because those of the reader can have changed
    since it was shown. An absent or unknown one is that of the reader.
    """
    shown = {name: fields.get(f"{name}_unit_shown", "") for name in ("temperature", "volume")}
    return Units.of(shown, choices_of(request, home).units)


def root_path(request: Request) -> str:
    """The path below which the server is reached, without a slash at its end."""
    return str(request.scope.get("root_path", "")).rstrip("/")


def path_of(request: Request) -> str:
    """The path of the page below the root."""
    return request.url.path.removeprefix(root_path(request))


def error_page(request: Request, status: int, text: str, headers: Mapping[str, str] | None = None, *, log_in: bool = False) -> Response:
    """A page for an error, with a link back. `log_in`: also with a link to the log-in, for a form that was sent without one."""
    return render(request, "error.html", {"status": status, "text": text, "log_in": log_in}, status, headers)
