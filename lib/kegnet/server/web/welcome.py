"""`/welcome`: the first page of a new server. It sets the password, and continues with the first client.

The first sender can set the password of a server without one. So this page is only for the server's own network, and only until a
password is set.
"""

from __future__ import annotations

import ipaddress
import logging
import re

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from kegnet.core.syslog_handler import escape_name

from ..limits import is_private
from ..model.units import VOLUMES
from ..storage import Connection
from ..storage.first_keg import remember_first_keg
from ..storage.settings import add_setting, get_setting, household, set_household
from . import password
from .access import Reader
from .add_client import code_cookie, set_code_cookie
from .auth import Checked, address_of
from .database import context_of, in_thread, read, write
from .forms import Form, typed
from .login import begin_login
from .render import render, root_path
from .sessions import ensure_session
from .settings import time_zones
from .submit import NO_MISTAKE, Mistake, guard_of

KEG_SIZES = {
    "": "not known yet", "5000": "5 l (mini keg)", "9500": "9.5 l (2.5 gal)", "19000": "19 l (5 gal, Cornelius)",
    "19500": "19.5 l (sixth barrel)", "20000": "20 l", "30000": "30 l", "50000": "50 l", "58700": "58.7 l (half barrel)",
}  # fmt: skip
"""The usual sizes of kegs, in millilitres. The page of a tap accepts any size."""

_FORWARDED = re.compile("via|.*forwarded.*|(.*-)?(client|real|connecting|remote)-?(ip|addr)")
"""The headers that proxies add to a request, such as X-Forwarded-Host, X-Real-IP and True-Client-IP."""

log = logging.getLogger(__name__)


async def welcome(request: Request) -> Response:
    """The form. A server with a password redirects to its home page."""
    if await _has_password(request):
        return _home(request)
    if not may_claim(request):
        return await _refuse(request)
    ensure_session(request)
    return await _show(request, NO_MISTAKE)


async def _show(request: Request, mistake: Mistake) -> Response:
    home = await read(request, household)
    values = {
        "household": home,
        "reader": "",
        "mistake": mistake,
        "time_zones": {zone: zone.replace("_", " ") for zone in sorted({*time_zones(), home.time_zone})},
        "keg_sizes": KEG_SIZES,
        "volumes": VOLUMES,
    }
    return render(request, "welcome.html", values, 400 if mistake.errors else 200)


async def claim(request: Request) -> Response:
    """Sets the password and the settings, and logs the sender in. Of two concurrent requests, one succeeds."""
    if await _has_password(request):
        return _home(request)
    if not may_claim(request):
        return await _refuse(request)
    await guard_of(request).check_form(request)
    form = Form(await typed(request))
    secret = password_of(form)
    settings, beer = _settings(form), form.name("beer", may_be_empty=True)
    size = form.typed.get("keg", "")
    if size not in KEG_SIZES:
        form.errors["keg"] = "choose one of the list"
    if form.errors or secret is None:
        kept = {name: value for name, value in form.typed.items() if not name.startswith("password")}
        return await _show(request, Mistake(request.url.path, kept, form.errors))
    stored = await in_thread(lambda: password.hashed(secret))

    def change(c: Connection) -> str | None:
        if not add_setting(c, password.SETTING, stored):
            return None
        set_household(c, **settings)
        if beer:
            remember_first_keg(c, beer, int(size) if size else None)
        return code_cookie(c)

    cookie = await write(request, change)
    if cookie is None:
        return _home(request)
    log.info("the first password was set by %s", escape_name(address_of(request)))
    await begin_login(request, Checked(Reader.ADMINISTRATOR, stored))
    answer = RedirectResponse(f"{root_path(request)}/clients/add", 303)
    set_code_cookie(request, answer, cookie)
    return answer


def password_of(form: Form) -> str | None:
    """The new password, which the form contains twice."""
    first, second = form.typed.get("password", ""), form.typed.get("password_again", "")
    if len(first) < password.LEAST_CHARACTERS:
        form.errors["password"] = f"choose one of {password.LEAST_CHARACTERS} characters or more"
    elif first != second:
        form.errors["password_again"] = "this is not the same password"  # noqa: S105
    return None if form.errors else first


def _settings(form: Form) -> dict[str, object]:
    """The settings of the household."""
    title, zone = form.name("title"), form.name("time_zone")
    if zone is not None and zone not in time_zones():
        form.errors["time_zone"] = "choose one of the list"
    if form.typed.get("temperature", "C") not in ("C", "F"):
        form.errors["temperature"] = "choose one of the list"
    if form.typed.get("volume", "l") not in VOLUMES:
        form.errors["volume"] = "choose one of the list"
    chosen = {"title": title, "time_zone": zone, "temperature": form.typed.get("temperature"), "volume": form.typed.get("volume")}
    return {name: value for name, value in chosen.items() if value is not None}


async def _has_password(request: Request) -> bool:
    return await read(request, lambda c: get_setting(c, password.SETTING) is not None)


def may_claim(request: Request) -> bool:
    """Whether the request comes from the server's own network. The guard has already refused names of other sites."""
    server = request.scope.get("server") or ("",)
    return not came_by_proxy_unnamed(request) and is_near(address_of(request), str(server[0]))


def came_by_proxy_unnamed(request: Request) -> bool:
    """Whether a proxy has forwarded the request without the sender's address: the address is then that of the proxy.

    It is one that the configuration does not name, or one that does not send `X-Forwarded-For`.
    """
    if request.client is not None and request.client.port == 0:
        # The header of a trusted proxy has replaced the address and its port, see `proxies`.
        return False
    return address_of(request) in context_of(request).options.proxies or any(_FORWARDED.fullmatch(name) for name in request.headers)


def is_near(address: str, own: str) -> bool:
    """Whether `address` is private, or in the same /64 as `own`, the server's: IPv6 addresses in a local network are public."""
    if is_private(address):
        return True
    try:
        near = ipaddress.IPv6Network((ipaddress.IPv6Address(own.partition("%")[0]), 64), strict=False)
        return ipaddress.ip_address(address) in near
    except ValueError:
        return False


async def _refuse(request: Request) -> Response:
    home = await read(request, household)
    return render(request, "no_welcome.html", {"household": home, "reader": ""}, 403)


def _home(request: Request) -> Response:
    return RedirectResponse(f"{root_path(request)}/", 303)


ROUTES = (Route("/welcome", welcome), Route("/welcome", claim, methods=["POST"]))
