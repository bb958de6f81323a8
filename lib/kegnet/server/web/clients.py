"""`/clients`: the clients, those that ask to be accepted, and how to add one. All of it needs the administrator."""

from __future__ import annotations

from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kegnet.core.fingerprint import fingerprint

from ..model.units import Units
from ..model.waiting import Waiting
from ..overview import overview
from ..signature import PublicKeyError, plain_pem
from ..storage import Connection
from ..storage.boards import accept_board, deny_board, lock_board, waiting_boards
from ..storage.clients import clients, count_clients, find_client, set_client
from ..storage.first_keg import first_keg
from ..storage.records import Client
from ..storage.settings import get_setting, household
from ..storage.waiting import decline_waiting, declined_clients, find_waiting, forget_waiting, waiting_clients
from .database import now_ms, read
from .forms import Form
from .pages import CLIENTS_A_PAGE, SAMPLE_DATA, page_number
from .render import render
from .submit import NO_MISTAKE, Done, Mistake, guard_of, submit


async def show_clients(request: Request) -> Response:
    """The page."""
    await guard_of(request).check(request)
    return await _show(request, NO_MISTAKE)


async def _show(request: Request, mistake: Mistake) -> Response:
    number = page_number(request)
    values = await read(request, lambda connection: _values(connection, number, now_ms()))
    return render(request, "clients.html", {**values, "mistake": mistake}, 400 if mistake.errors else 200)


def _values(c: Connection, number: int, now: int) -> dict[str, object]:
    home = household(c)
    waiting, boards = waiting_clients(c, now), waiting_boards(c)
    states = overview(c, clients(c, number * CLIENTS_A_PAGE, CLIENTS_A_PAGE), now)
    return {
        "household": home,
        "sample_data": get_setting(c, SAMPLE_DATA) is not None,
        "states": states,
        "first_keg": first_keg(c),
        "free": any(tap.keg is None for state in states for tap in state.taps),
        "number_of_clients": count_clients(c),
        "clients_a_page": CLIENTS_A_PAGE,
        "page": number,
        "waiting": [(each, find_client(c, each.uuid)) for each in waiting],
        "declined": declined_clients(c),
        "boards": boards,
        "accepted_boards": {board.device for board in boards if find_client(c, board.uuid)},
        "now_ms": now,
        "fingerprint_of": fingerprint_of,
    }


def fingerprint_of(client: Client) -> str:
    """The fingerprint of a client's key; empty for a board, which has none."""
    try:
        return fingerprint(client.public_key)
    except ValueError:
        return ""


async def decide_client(request: Request) -> Response:
    """Accepts, declines or forgets the waiting client `uuid`."""

    def change(c: Connection, form: Form, _units: Units) -> Done | None:
        found = find_waiting(c, form.typed.get("uuid", ""))
        match form.typed.get("action"):
            case "accept" if found is not None:
                return _accept(c, form, found)
            case "decline" if found is not None:
                decline_waiting(c, found.uuid, now_ms())
                return Done("/clients", "Declined. It is not shown any more.")
            case "forget" if found is not None:
                forget_waiting(c, found.uuid)
                return Done("/clients", "It is listed again after its next message.")
            case "accept" | "decline" | "forget":
                form.errors["action"] = "this client is not waiting any more"
            case _:
                form.errors["action"] = "choose what to do: accept or decline"
        return None

    return await submit(request, "a client that waits", change, _show)


def _accept(c: Connection, form: Form, found: Waiting) -> Done | None:
    key, name = key_of(form), form.name("name", may_be_empty=True)
    if key is None or form.errors:
        return None
    return added(c, found.uuid, key, name or None)


async def add_by_hand(request: Request) -> Response:
    """Adds the client `uuid` with its `public_key`."""

    def change(c: Connection, form: Form, _units: Units) -> Done | None:
        uuid, key, name = uuid_of(form), key_of(form), form.name("name", may_be_empty=True)
        if uuid is None or key is None or form.errors:
            return None
        return added(c, uuid, key, name or None)

    return await submit(request, "a client", change, _show)


def added(c: Connection, uuid: str, key: str, name: str | None) -> Done:
    """Registers a client. It tries again within 10 minutes, and then sends its queue."""
    client = set_client(c, uuid, now_ms=now_ms(), public_key=key, name=name)
    return Done(
        "/clients", f"{client.name} is accepted; the fingerprint of its key is {fingerprint(key)}. It sends its queue within 10 minutes."
    )


def uuid_of(form: Form) -> str | None:
    """The field `uuid`, in lower case."""
    try:
        return str(UUID(form.typed.get("uuid", "").strip()))
    except ValueError:
        form.errors["uuid"] = "enter the UUID that kegnet-client --setup printed, such as 6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11"
        return None


def key_of(form: Form) -> str | None:
    """The field `public_key`: an RSA key of 2048 bits at least, in the form that is stored."""
    text = form.typed.get("public_key", "").strip()
    try:
        return plain_pem("\n".join(line.strip() for line in text.splitlines()) + "\n")
    except PublicKeyError as error:
        form.errors["public_key"] = f"{error}" if text else "paste the public key that kegnet-client --setup printed there"
        return None


async def decide_board(request: Request) -> Response:
    """Accepts or declines the board `device`. `action` is `accept` or `decline`."""

    def change(c: Connection, form: Form, _units: Units) -> Done | None:
        device, action = form.typed.get("device", ""), form.typed.get("action")
        board = lock_board(c, device)
        if board is None:
            form.errors["action"] = "this board is not waiting any more"
        elif form.typed.get("network", board.network) != board.network:
            # Somebody else could ask under the name of the board that the page has shown.
            form.errors["action"] = f"a board of this name asks from {board.address} now; if that is yours, choose again"
        elif action == "accept":
            return Done("/clients", f"{accept_board(c, device, now_ms()).name} is accepted. It gets its token with its next request.")
        elif action == "decline":
            deny_board(c, device)
            return Done("/clients", "Declined. You can accept it later, under Declined.")
        else:
            form.errors["action"] = "choose what to do: accept or decline"
        return None

    return await submit(request, "a board", change, _show)


ROUTES = (
    Route("/clients", show_clients),
    Route("/clients/waiting", decide_client, methods=["POST"]),
    Route("/clients/boards", decide_board, methods=["POST"]),
    Route("/clients/new", add_by_hand, methods=["POST"]),
)
