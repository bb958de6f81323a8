"""How a page is made: the templates, and the values that every page has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from ..model.units import Units, ago, span
from ..storage.settings import NO_HOUSEHOLD
from . import charts
from .access import reader_of
from .sessions import csrf_token, take_report

_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.globals.update(ago=ago, span=span, spans=tuple(charts.Span))


def render(
    request: Request, template: str, values: Mapping[str, object], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A page for one reader, with the token of its forms and the report of the last change."""
    own = {"csrf_token": csrf_token(request), "flash": take_report(request), "reader": reader_of(request).value}
    return HTMLResponse(draw(request, template, {**own, **values}), status, headers={"Cache-Control": "no-store", **(headers or {})})


def draw(request: Request, template: str, values: Mapping[str, object]) -> str:
    """The text of a template.

    Each has `root`, the path below which the server is reached (mostly empty), `units`, the reader's, and `household`. `values` replaces
    the defaults of those that need the database. Nothing here is of one session: many readers can share the text.
    """
    common = {
        "root": root_path(request),
        "units": Units.of(request.cookies),
        "household": NO_HOUSEHOLD,
        "sample_data": False,
        "csrf_token": "",
        "flash": None,
        "reader": "",
    }
    return _templates.get_template(template).render({**common, **values})


def root_path(request: Request) -> str:
    """The path below which the server is reached, without a slash at its end."""
    return str(request.scope.get("root_path", "")).rstrip("/")


def error_page(request: Request, status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    """A page for an error, with a way back."""
    return render(request, "error.html", {"status": status, "text": text}, status, headers)
