"""Boards that report by the Kegboard Event Protocol: those that ask to be accepted, and the data of accepted ones.

Boards that ask are stored, not kept in memory, so that the pages and commands of all processes and hosts show them.
`model.waiting` bounds their number.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import uuid
from dataclasses import asdict, dataclass, replace

import sqlalchemy as sa

from ..model.waiting import DECLINED_AT_MOST, SILENT_MS, WAITING_AT_MOST, displaced
from .clients import find_client, lock_clients, set_client
from .database import Connection
from .feed import Change, announce
from .records import Client
from .schema import setting
from .settings import get_setting, locked_setting, made_once, put_setting
from .taps import find_tap, meters_of, set_meter, set_tap

PULSES_PER_LITRE = 10_000
"""A board reports millilitres. They are stored as pulses of a tenth of one, with this k-factor."""
_NAMESPACE = uuid.UUID("5c2c8a5e-0c55-5b0e-9d38-1f0a6a8a2b7d")
_WAITING = "board "
_HEARD = "board heard "
_SENSOR = "board sensor "
_NETWORK = "network of board "
_BOARDS = Change(frozenset(), frozenset({"board"}))
"""Concerns the page that lists the boards, and no client."""


@dataclass(frozen=True)
class Board:
    """A board that asks to be accepted, or (`denied`) that somebody declined. `address` is where it last asked from.

    `network` is that of the address and counts as one sender. `local`: it is a private one.
    """

    device: str
    address: str
    first_ms: int
    last_ms: int
    denied: bool = False
    network: str = ""
    local: bool = False

    @property
    def uuid(self) -> str:
        """The UUID of its client, once it is accepted."""
        return board_uuid(self.device)

    def is_taken_by(self, newcomer: Board) -> bool:
        """Whether another sender under this board's name may have its row: who accepts a board must get the one that the page shows."""
        is_silent = newcomer.last_ms - self.last_ms > SILENT_MS
        return newcomer.network == self.network or is_silent or (newcomer.local and not self.local)


def board_uuid(device: str) -> str:
    """The UUID of the client for a board's own name."""
    return str(uuid.uuid5(_NAMESPACE, device))


def waiting_boards(c: Connection) -> list[Board]:
    """The boards that ask, and those that were refused; the longest waiting first."""
    prefix = setting.c.name.startswith(_WAITING, autoescape=True) & ~setting.c.name.startswith(_HEARD) & ~setting.c.name.startswith(_SENSOR)
    boards = [Board(**json.loads(value)) for (value,) in c.execute(sa.select(setting.c.value).where(prefix))]
    return sorted(boards, key=lambda board: (board.denied, board.first_ms, board.device))


def find_board(c: Connection, device: str) -> Board | None:
    """The board of that name, if it waits or was refused."""
    return _board(get_setting(c, _name(device)))


def lock_board(c: Connection, device: str) -> Board | None:
    """Like `find_board()`. Until the end of the transaction, nobody else changes the board or its client."""
    known = find_client(c, board_uuid(device))
    if known is not None:
        # Before the board, as `hand_out_token()` does.
        lock_clients(c, [known.key])
    return _locked(c, device)


def remember_board(c: Connection, newcomer: Board) -> bool:
    """Stores that a board asks. Whether it is listed now and was not before."""
    before = _locked(c, newcomer.device)
    if before is not None:
        if before.is_taken_by(newcomer):
            _put(c, replace(newcomer, first_ms=before.first_ms, denied=before.denied))
        return False
    listed = [board for board in waiting_boards(c) if not board.denied]
    if len(listed) >= WAITING_AT_MOST:
        leaving = displaced(listed, newcomer, newcomer.last_ms)
        if leaving is None:
            return False
        put_setting(c, _name(leaving.device), None)
    _put(c, newcomer)
    announce(c, _BOARDS)
    return True


def accept_board(c: Connection, device: str, now_ms: int) -> Client:
    """Accepts a board: it gets a token when it asks next, from the network from which it asked to be accepted.

    One that was accepted before loses its token by that.
    """
    board = lock_board(c, device)
    put_setting(c, _name(device), None)
    client = set_client(c, board_uuid(device), now_ms=now_ms, public_key="", first_name=device, kind="kegboard")
    put_setting(c, f"{_NETWORK}{client.key}", board.network if board else None)
    return client


def deny_board(c: Connection, device: str) -> bool:
    """Refuses a board that waits; it stops asking until it is restarted. False: none of that name waits."""
    board = _locked(c, device)
    if board is None:
        return False
    _put(c, replace(board, denied=True))
    denied = sorted((each for each in waiting_boards(c) if each.denied), key=lambda each: each.last_ms, reverse=True)
    for stale in denied[DECLINED_AT_MOST:]:
        put_setting(c, _name(stale.device), None)
    announce(c, _BOARDS)
    return True


def forget_board(c: Connection, uuid: str) -> None:
    """Removes the board that waits or was declined, by the UUID of its client."""
    for board in waiting_boards(c):
        if board.uuid == uuid:
            put_setting(c, _name(board.device), None)
            announce(c, _BOARDS)


def awaits_token(c: Connection, client: Client, network: str) -> bool:
    """Whether it is a board that was accepted, has no token yet, and asked from that network."""
    return get_setting(c, f"{_NETWORK}{client.key}") == network


def hand_out_token(c: Connection, client: Client, network: str, now_ms: int) -> str | None:
    """The token of a board that was accepted and has none yet; it is handed out once. None: it has one, or asked from elsewhere.

    Of concurrent calls, one gets a token.
    """
    lock_clients(c, [client.key])
    now = find_client(c, client.uuid)
    if now is None or now.public_key or not awaits_token(c, client, network):
        return None
    put_setting(c, f"{_NETWORK}{client.key}", None)
    token = "kbe_" + secrets.token_hex(24)
    set_client(c, client.uuid, now_ms=now_ms, public_key=token_hash(token), kind="kegboard")
    # A request that was on its way when the board was accepted has listed it again.
    forget_board(c, client.uuid)
    return token


def token_hash(token: str) -> str:
    """What is stored of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def provide_tap(c: Connection, client: Client, meter: int) -> None:
    """Adds the tap of a board's flow meter where it is not there, and the k-factor for its millilitres where none counts since ever."""
    if find_tap(c, client.key, meter) is None:
        announce(c, Change(frozenset({client.uuid}), frozenset({"tap"})))
    tap = set_tap(c, client.key, meter)
    if all(from_ms for from_ms, _ in meters_of(c, [tap.key]).get(tap.key, [])):
        set_meter(c, tap.key, 0, PULSES_PER_LITRE)


def set_board_heard(c: Connection, client: Client, now_ms: int) -> None:
    """Stores that a board gave a sign of life that is no message of its own. For silence."""
    put_setting(c, f"{_HEARD}{client.key}", str(now_ms))
    announce(c, Change(frozenset({client.uuid}), frozenset({"ping"})))


def boards_heard(c: Connection) -> dict[int, int]:
    """When each board last gave such a sign, by the client's key."""
    query = sa.select(setting.c.name, setting.c.value).where(setting.c.name.startswith(_HEARD))
    return {int(name.removeprefix(_HEARD)): int(value) for name, value in c.execute(query)}


def sensor_of(c: Connection, client_key: int) -> str | None:
    """The sensor whose temperature counts for this board; None before any has reported."""
    return get_setting(c, f"{_SENSOR}{client_key}")


def choose_sensor(c: Connection, client_key: int, before: str | None, sensor: str) -> str:
    """Sets the sensor whose temperature counts, if it is still `before`. The one that counts now."""
    name = f"{_SENSOR}{client_key}"
    if before is None:
        return made_once(c, name, sensor)
    if locked_setting(c, name) == before:
        put_setting(c, name, sensor)
    return get_setting(c, name) or sensor


def _locked(c: Connection, device: str) -> Board | None:
    """The board of that name. Until the end of the transaction, nobody else changes it."""
    return _board(locked_setting(c, _name(device)))


def _board(value: str | None) -> Board | None:
    return None if value is None else Board(**json.loads(value))


def _put(c: Connection, board: Board) -> None:
    put_setting(c, _name(board.device), json.dumps(asdict(board)))


def _name(device: str) -> str:
    """A name of at most 40 characters, which is what the table takes."""
    return _WAITING + hashlib.sha256(device.encode()).hexdigest()[:32]
