"""The page: for people, on a phone behind the bar or a laptop. Reading is open; changing wants the password."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pygal
from flask import Blueprint, Response, abort, redirect, render_template, request, url_for
from pygal.style import Style

from . import password, views
from .parts import now_ms, parts
from .store import StoreError
from .units import Units, ago, span

STREAMS = 24
"""How many pages may wait for news at a time; each keeps a thread. The others look again now and then."""
STREAM_S = 25.0
"""A word is sent at least so often, for routers forget silent connections."""
SPANS = {"24h": 86_400_000, "7d": 7 * 86_400_000, "90d": 90 * 86_400_000}
_YEAR_S = 365 * 86_400

HERE = Path(__file__).parent
blueprint = Blueprint(
    "page", __name__, template_folder=str(HERE / "templates"), static_folder=str(HERE / "static"), static_url_path="/static"
)
_streams = threading.BoundedSemaphore(STREAMS)

_STYLE = Style(
    background="transparent", plot_background="transparent", foreground="var(--ink)", foreground_strong="var(--ink)",
    foreground_subtle="var(--faint)", colors=("var(--line)", "var(--alarm)", "var(--alarm)"), guide_stroke_color="var(--faint)",
    font_family="system-ui, sans-serif", label_font_size=22, major_label_font_size=22, no_data_font_size=26,
)  # fmt: skip
_CSS = (
    "file://style.css",
    "file://graph.css",
    # The picture is a document of its own, which the page's style does not reach.
    "inline:svg{--ink:#2a2118;--faint:#7a6a58;--line:#b35c00;--alarm:#b3001b}"
    "@media(prefers-color-scheme:dark){svg{--ink:#f4ead9;--faint:#b3a38c;--line:#f2a33c;--alarm:#ff7b86}}",
)


@blueprint.get("/")
def home() -> Response | str:
    """The page; with `temperature` or `volume` it remembers them for this reader."""
    if request.args.keys() & {"temperature", "volume"}:
        units = Units.of({**request.cookies, **request.args.to_dict()})
        answer: Any = redirect(url_for("page.home"))
        for name, value in (("temperature", units.temperature), ("volume", units.volume)):
            answer.set_cookie(name, value, max_age=_YEAR_S, httponly=True, samesite="Lax")
        return answer  # type: ignore[no-any-return]
    return render_template("page.html", **_shown())


@blueprint.get("/kegs")
def kegs() -> str:
    """What changes of the page, for its script."""
    return render_template("kegs.html", **_shown())


def _shown() -> dict[str, object]:
    number = request.args.get("page", default=0, type=int)
    now = now_ms()
    return {
        "clients": views.overview(parts().store, now, max(0, number)),
        "clients_in_all": len(parts().store.clients()),
        "a_page": views.CLIENTS_A_PAGE,
        "page": max(0, number),
        "now_ms": now,
        "units": Units.of(request.cookies),
        "ago": ago,
        "span": span,
        "clock": lambda at_ms: datetime.fromtimestamp(at_ms / 1000).strftime("%Y-%m-%d %H:%M"),
        "spans": SPANS,
        "made_up": parts().store.setting("made up") is not None,
    }


@blueprint.get("/events")
def events() -> Response:
    """Server-sent events: one whenever something new is kept. 503 where too many listen; then look again later."""
    if not _streams.acquire(blocking=False):
        abort(503, "too many pages listen already")
    news, seen = parts().news, parts().news.count

    def stream() -> Iterator[str]:
        nonlocal seen
        yield "retry: 5000\n\n"
        while True:
            count = news.wait(seen, STREAM_S)
            yield f"data: {count}\n\n" if count > seen else ": still here\n\n"
            seen = count

    answer = Response(stream(), mimetype="text/event-stream", headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
    # Not in the generator, which is never entered for a reader who has gone already.
    answer.call_on_close(_streams.release)
    return answer


@blueprint.get("/courses/<uuid:client>/<any('24h', '7d', '90d'):over>.svg")
def temperature_course(client: Any, over: str) -> Response:
    """The course of a client's temperature, as a picture."""
    until, units = now_ms(), Units.of(request.cookies)
    points = views.course(parts().store, str(client), until - SPANS[over], until)
    known = parts().store.client(str(client))
    if known is None:
        abort(404)
    chart = pygal.DateTimeLine(
        js=(), style=_STYLE, css=_CSS, width=900, height=300, show_legend=False, show_dots=False, fill=False, no_data_text="nothing came",
        x_label_rotation=0, truncate_label=-1, margin=6, disable_xml_declaration=True, explicit_size=False, pretty_print=False,
        x_value_formatter=lambda at: at.strftime("%H:%M" if over == "24h" else "%d.%m."),
        value_formatter=lambda degrees: f"{degrees:.1f}°", include_x_axis=False,
    )  # fmt: skip
    chart.add(
        "temperature",
        [(datetime.fromtimestamp(point.at_ms / 1000), units.degrees(point.mean)) for point in points],
        stroke_style={"width": 3},
    )
    for bound in (known.coldest, known.warmest):
        if bound is not None and points:
            ends = (points[0].at_ms, points[-1].at_ms)
            chart.add(
                "alarm", [(datetime.fromtimestamp(at / 1000), units.degrees(bound)) for at in ends], stroke_style={"dasharray": "8, 8"}
            )
    chart.x_labels = _round_times(until, over)
    svg = chart.render(is_unicode=True)
    return Response(svg, mimetype="image/svg+xml", headers={"Cache-Control": "no-cache"})


def _round_times(until_ms: int, over: str) -> list[datetime]:
    """What stands below a course that ends at `until_ms`: every sixth hour, every day, every fifteenth day."""
    end = datetime.fromtimestamp(until_ms / 1000).replace(minute=0, second=0, microsecond=0)
    if over == "24h":
        return [end.replace(hour=end.hour // 6 * 6) - timedelta(hours=6 * number) for number in range(4)]
    return [end.replace(hour=0) - timedelta(days=(1 if over == "7d" else 15) * number) for number in range(6 if over == "90d" else 7)]


# Changes.


@blueprint.get("/settings")
def settings() -> Response | str:
    """What can be changed."""
    return password.wanted() or render_template("settings.html", **_shown())


@blueprint.post("/settings/<uuid:client>")
def change_client(client: Any) -> Response:
    """A client's name, and what is no alarm."""
    refused = password.wanted()
    if refused:
        return refused
    units = Units.of(request.cookies)
    values: dict[str, object] = {"name": _text("name")}
    for bound in ("coldest", "warmest"):
        text = request.form.get(bound, "").strip()
        values[bound] = units.millicelsius(_number(text, -100, 300)) if text else None
    if parts().store.client(str(client)) is None:
        abort(404)
    parts().store.set_client(str(client), **values)
    return _changed()


@blueprint.post("/settings/<uuid:client>/<int:pin>")
def change_tap(client: Any, pin: int) -> Response:
    """A tap's name, its meter and its keg; `fresh` says that a new keg is on from now."""
    refused = password.wanted()
    if refused:
        return refused
    values: dict[str, object] = {
        "name": _text("name"),
        "pulses_per_litre": round(_number(request.form.get("pulses_per_litre", ""), 1, 10**6)),
    }
    litres = request.form.get("keg_litres", "").strip()
    values["keg_ml"] = round(1000 * _number(litres, 0.1, 10**5)) if litres else None
    if request.form.get("fresh"):
        values["tapped_ms"] = now_ms()
    try:
        parts().store.set_tap(str(client), pin, **values)
    except StoreError as error:
        abort(404, str(error))
    return _changed()


def _changed() -> Response:
    parts().news.tell()
    return redirect(url_for("page.settings"), 303)  # type: ignore[return-value]


def _text(name: str) -> str:
    text = " ".join(request.form.get(name, "").split())
    if not 1 <= len(text) <= 80:
        abort(400, f"{name}: it takes 1 to 80 characters")
    return text


def _number(text: str, least: float, most: float) -> float:
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        number = float("nan")
    if not least <= number <= most:
        abort(400, f"{text}: it takes a number from {least:g} to {most:g}")
    return number
