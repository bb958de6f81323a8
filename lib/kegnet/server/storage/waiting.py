"""Waiting clients, whose messages are refused: their UUID is not registered, or with another key.

They are stored as settings, so that the pages of all processes and hosts show them. `model.waiting` bounds how many there are.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import sqlalchemy as sa

from ..model.waiting import DECLINED_AT_MOST, FORGET_MS, WAITING_AT_MOST, Waiting, displaced, forgotten
from .database import Connection
from .schema import setting
from .settings import get_setting, locked_setting, put_setting

_PREFIX = "waiting "


def waiting_clients(c: Connection, now_ms: int) -> list[Waiting]:
    """The waiting clients; the one that waits longest first."""
    listed = [each for each in _all(c) if not each.declined and now_ms - each.last_ms <= FORGET_MS]
    return sorted(listed, key=lambda each: (each.first_ms, each.uuid))


def declined_clients(c: Connection) -> list[Waiting]:
    """The declined clients, the newest first."""
    return sorted((each for each in _all(c) if each.declined), key=lambda each: each.last_ms, reverse=True)


def find_waiting(c: Connection, uuid: str) -> Waiting | None:
    """The waiting or declined client of that UUID."""
    return _waiting(get_setting(c, _name(uuid)))


def remember_waiting(c: Connection, newcomer: Waiting) -> bool:
    """Stores a waiting client. Returns whether it is newly listed."""
    before = _locked(c, newcomer.uuid)
    if before is not None and before.declined:
        return False
    if before is not None:
        _put(c, replace(newcomer, first_ms=before.first_ms))
        return False
    known = _all(c)
    gone = forgotten(known, newcomer.last_ms)
    listed = [each for each in known if not each.declined and each not in gone]
    if len(listed) >= WAITING_AT_MOST:
        leaving = displaced(listed, newcomer, newcomer.last_ms)
        if leaving is None:
            return False
        gone.append(leaving)
    for each in gone:
        forget_waiting(c, each.uuid)
    _put(c, newcomer)
    return True


def decline_waiting(c: Connection, uuid: str, now_ms: int) -> bool:
    """Declines a waiting client, which hides it. False: no client of that UUID waits."""
    found = _locked(c, uuid)
    if found is None:
        return False
    _put(c, replace(found, declined=True, last_ms=now_ms))
    for stale in declined_clients(c)[DECLINED_AT_MOST:]:
        forget_waiting(c, stale.uuid)
    return True


def forget_waiting(c: Connection, uuid: str) -> None:
    """Removes a waiting or declined client. Its next refused message lists it again."""
    put_setting(c, _name(uuid), None)


def _all(c: Connection) -> list[Waiting]:
    values = c.execute(sa.select(setting.c.value).where(setting.c.name.startswith(_PREFIX, autoescape=True)))
    return [Waiting(**json.loads(value)) for (value,) in values]


def _locked(c: Connection, uuid: str) -> Waiting | None:
    """The client of that UUID. Until the end of the transaction, nobody else changes it."""
    return _waiting(locked_setting(c, _name(uuid)))


def _waiting(value: str | None) -> Waiting | None:
    return None if value is None else Waiting(**json.loads(value))


def _put(c: Connection, each: Waiting) -> None:
    put_setting(c, _name(each.uuid), json.dumps(asdict(each)))


def _name(uuid: str) -> str:
    """The name of its setting: at most 40 characters, the size of the column."""
    return _PREFIX + uuid.lower().replace("-", "")[:32]
