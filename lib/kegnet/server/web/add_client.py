"""`/clients/add`: the one-time code, the command to type on the Pi, and what was received from the Pi so far."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..limits import is_private
from ..model.registration import VALID_MS, Code, CodeState, digits_of, shown
from ..model.units import Units
from ..options import ServeOptions
from ..overview import ClientState, TapState, overview
from ..storage import Connection
from ..storage.clients import clients, find_client
from ..storage.codes import last_code, new_code
from ..storage.first_keg import first_keg, forget_first_keg, put_first_keg_on
from ..storage.records import Client
from ..storage.settings import get_setting, household
from ..storage.taps import find_tap
from .clients import fingerprint_of
from .database import context_of, now_ms, read
from .forms import Form
from .pages import CLIENTS_A_PAGE, SAMPLE_DATA
from .render import render, root_path
from .submit import NO_MISTAKE, Done, Mistake, guard_of, submit

COOKIE = "kegnet_code"
"""The cookie with the code, for the browser that requested it: the database contains only its hash."""
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")
_TAP = re.compile("(?P<client>[0-9a-fA-F-]{36})/(?P<pin>[0-9]{1,4})")
_LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True)
class ShownCode:
    """A code that can be used until `until_ms`; `digits` is None if another browser requested it."""

    digits: str | None
    until_ms: int


async def show_add(request: Request) -> Response:
    """The page."""
    await guard_of(request).check(request)
    return await _show(request, NO_MISTAKE)


async def _show(request: Request, mistake: Mistake) -> Response:
    cookie, now = request.cookies.get(COOKIE, ""), now_ms()
    values = await read(request, lambda connection: _values(connection, cookie, now))
    server = client_url(request, context_of(request).options)
    return render(request, "add_client.html", {**values, "mistake": mistake, "server": server}, 400 if mistake.errors else 200)


def _values(c: Connection, cookie: str, now: int) -> dict[str, object]:
    home, code = household(c), last_code(c)
    came = _state(c, code, now)
    return {
        "household": home,
        "sample_data": get_setting(c, SAMPLE_DATA) is not None,
        "code": _shown(code, cookie, now),
        "state": CodeState.NONE.name if code is None else code.state(now).name,
        "came": came,
        "fingerprint": "" if came is None else fingerprint_of(came.client),
        "pours": [] if came is None else sorted((tap for tap in came.taps if tap.last), key=lambda tap: -tap.last[0].at_ms),
        "first_keg": first_keg(c),
        "free": _free_taps(c, came, now),
        "minutes": VALID_MS // 60_000,
    }


def _state(c: Connection, code: Code | None, now: int) -> ClientState | None:
    """The client that used the code, with what was received since the code was made: it can have been registered before."""
    client = find_client(c, code.used_by) if code is not None and code.used_by else None
    if code is None or client is None:
        return None
    state = overview(c, [client], now)[0]
    heard = state.heard_ms is not None and state.heard_ms >= code.made_ms
    reading = state.reading if state.reading is not None and state.reading.received_ms >= code.made_ms else None
    taps = [replace(tap, last=tuple(pour for pour in tap.last if pour.received_ms >= code.made_ms)) for tap in state.taps]
    return replace(state, heard_ms=state.heard_ms if heard else None, reading=reading, taps=tuple(taps))


def _free_taps(c: Connection, came: ClientState | None, now: int) -> list[tuple[Client, TapState]]:
    """The taps without a keg: of the client that used the code, or of all clients if none did."""
    states = [came] if came is not None else overview(c, clients(c, 0, CLIENTS_A_PAGE), now)
    return [(state.client, tap) for state in states for tap in state.taps if tap.keg is None]


def _shown(code: Code | None, cookie: str, now: int) -> ShownCode | None:
    """The code, if it can be used. `cookie` has its digits and when it was made."""
    if code is None or code.state(now) is not CodeState.OPEN:
        return None
    digits, _, made_ms = cookie.partition(".")
    plain = digits_of(digits) if made_ms == str(code.made_ms) else None
    return ShownCode(shown(plain) if plain else None, code.until_ms)


async def make_code(request: Request) -> Response:
    """Makes a code and shows it."""
    made: list[str] = []

    def change(c: Connection, _form: Form, _units: Units) -> Done:
        made.append(code_cookie(c))
        return Done("/clients/add", "This code is new. Earlier codes cannot be used any more.")

    answer = await submit(request, "the registration code", change, _show)
    if made and answer.status_code == 303:
        set_code_cookie(request, answer, made[-1])
    return answer


def code_cookie(c: Connection) -> str:
    """Makes a code. Returns the value of its cookie."""
    now = now_ms()
    return f"{new_code(c, now)}.{now}"


def set_code_cookie(request: Request, answer: Response, value: str) -> None:
    """Sets the cookie with which the browser shows the code."""
    secure = request.url.scheme == "https"
    answer.set_cookie(COOKIE, value, VALID_MS // 1000, path=root_path(request) or "/", secure=secure, httponly=True, samesite="strict")


async def put_keg_on(request: Request) -> Response:
    """Puts the first keg on a tap: `tap` is the UUID of its client, a slash and its pin. `action` = `later` discards the keg."""

    def change(c: Connection, form: Form, _units: Units) -> Done | None:
        if form.typed.get("action") == "later":
            forget_first_keg(c)
            return Done("/", "The beer is in the library; put it on at its tap.")
        match = _TAP.fullmatch(form.typed.get("tap", ""))
        client = find_client(c, match["client"]) if match else None
        tap = None if client is None or match is None else find_tap(c, client.key, int(match["pin"]))
        if client is None or tap is None or not put_first_keg_on(c, client, tap, now_ms()):
            form.errors["action"] = "choose a tap without a keg"
            return None
        return Done("/", "The keg is on.")

    return await submit(request, "the first keg", change, _show)


def client_url(request: Request, options: ServeOptions) -> str:
    """The serviceBaseURL for a new client: with the configured address, or the one by which this page was opened."""
    if options.url:
        return f"{options.url.rstrip('/')}/rest/v2"
    host, port = _host(request)
    if host in _LOCAL_NAMES and not options.listen.startswith(("127.", "localhost", "[::1]", "unix:")):
        host = own_address() or host
    return f"{request.url.scheme}://{host}{port}{root_path(request)}/rest/v2"


def _host(request: Request) -> tuple[str, str]:
    """The host and the `:port` of the request's Host if they are safe in a shell command; else those of the socket."""
    host, colon, port = request.headers.get("host", "").rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()):
        host, port = request.headers.get("host", ""), ""
    if not _HOST.fullmatch(host):
        address, number = request.scope.get("server") or ("localhost", None)
        host, port = f"[{address}]" if ":" in address else str(address), str(number or "")
    return host, f":{port}" if port else ""


def own_address() -> str | None:
    """An address of this host in its network; None without a network. Nothing is sent: connect(2) of UDP only chooses a route."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address = str(sock.getsockname()[0])
    return address if is_private(address) and not address.startswith("127.") else None


ROUTES = (
    Route("/clients/add", show_add),
    Route("/clients/code", make_code, methods=["POST"]),
    Route("/clients/first-keg", put_keg_on, methods=["POST"]),
)
