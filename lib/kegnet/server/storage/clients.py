"""The registered clients."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from . import schema
from .database import Connection, insert_into
from .feed import Change, announce
from .ranges import keys_of
from .records import Client
from .settings import get_settings, put_setting
from .waiting import forget_waiting

_client = schema.client
_COLUMNS = [_client.c[name] for name in ("key", "uuid", "name", "kind", "public_key", "added_ms", "coldest", "warmest")]
_AT_ONCE = 500
_AGAIN = "registered again "
_registered = _client.c.removed_ms.is_(None)


def clients(connection: Connection, offset: int = 0, limit: int | None = None) -> list[Client]:
    """The registered clients, by name."""
    query = sa.select(*_COLUMNS).where(_registered).order_by(_client.c.name, _client.c.uuid).offset(offset).limit(limit)
    return [Client(*row) for row in connection.execute(query)]


def find_client(connection: Connection, uuid: str) -> Client | None:
    """The registered client of that UUID, in upper or lower case."""
    row = connection.execute(sa.select(*_COLUMNS).where(_registered, _client.c.uuid == uuid.lower())).first()
    return None if row is None else Client(*row)


def clients_by_uuid(connection: Connection, uuids: Collection[str]) -> list[Client]:
    """The registered ones of these UUIDs, by name. One query for up to 500."""
    found, wanted = [], sorted({uuid.lower() for uuid in uuids})
    for start in range(0, len(wanted), _AT_ONCE):
        query = sa.select(*_COLUMNS).where(_registered, _client.c.uuid.in_(wanted[start : start + _AT_ONCE]))
        found += [Client(*row) for row in connection.execute(query)]
    return sorted(found, key=lambda client: (client.name, client.uuid))


def clients_by_key(connection: Connection, keys: Collection[int]) -> list[Client]:
    """The registered ones of these keys."""
    wanted = keys_of(connection, keys)
    query = sa.select(*_COLUMNS).join_from(wanted, _client, wanted.c.key == _client.c.key).where(_registered)
    return [Client(*row) for row in connection.execute(query)]


def count_clients(connection: Connection) -> int:
    """How many are registered."""
    return int(connection.execute(sa.select(sa.func.count()).select_from(_client).where(_registered)).scalar_one())


def set_client(
    connection: Connection,
    uuid: str,
    *,
    now_ms: int,
    public_key: str | None = None,
    name: str | None = None,
    first_name: str | None = None,
    kind: str = "kegnet",
) -> Client:
    """Adds a client, or changes its name and its public key. One that was removed is registered again, with its history.

    `first_name` is for a client that is added: one that has a name keeps it.
    """
    uuid = uuid.lower()
    _register_again(connection, uuid, now_ms)
    given = {name: value for name, value in (("public_key", public_key), ("name", name)) if value is not None}
    changed = {"removed_ms": None, **given}
    known = connection.execute(sa.update(_client).where(_client.c.uuid == uuid).values(changed)).rowcount
    if not known:
        added = {"public_key": "", "name": first_name or uuid[:8], "uuid": uuid, "kind": kind, "added_ms": now_ms, **given}
        # A concurrent call may add it first.
        connection.execute(
            insert_into(connection, schema.client).values(added).on_conflict_do_update(index_elements=["uuid"], set_=changed)
        )
    if public_key is not None:
        forget_waiting(connection, uuid)
    announce(connection, Change(frozenset({uuid}), frozenset({"client"})))
    found = find_client(connection, uuid)
    assert found is not None, "it was added above"  # noqa: S101
    return found


def set_limits(connection: Connection, client_key: int, coldest: int | None, warmest: int | None) -> None:
    """Bounds what is no alarm, in thousandths of a degree Celsius; None is no bound."""
    connection.execute(sa.update(_client).where(_client.c.key == client_key).values(coldest=coldest, warmest=warmest))
    uuid = connection.execute(sa.select(_client.c.uuid).where(_client.c.key == client_key)).scalar()
    if uuid is not None:
        announce(connection, Change(frozenset({uuid}), frozenset({"client"})))


def restore_client(connection: Connection, uuid: str, now_ms: int) -> bool:
    """Registers a removed client again. False: no client of this UUID was removed."""
    uuid = uuid.lower()
    done = _register_again(connection, uuid, now_ms)
    if done:
        forget_waiting(connection, uuid)
        announce(connection, Change(frozenset({uuid}), frozenset({"client"})))
    return done


def registered_again(connection: Connection, keys: Collection[int]) -> dict[int, int]:
    """When clients were last registered again, by key: those that had been removed. Silence counts from then on; `added_ms` stays."""
    names = {f"{_AGAIN}{key}": key for key in keys}
    return {names[name]: int(value) for name, value in get_settings(connection, names).items()}


def remove_client(connection: Connection, uuid: str, now_ms: int) -> bool:
    """Removes a client: it is not accepted and not shown any more. Its history stays. False: no such client is registered."""
    uuid = uuid.lower()
    done = connection.execute(sa.update(_client).where(_registered, _client.c.uuid == uuid).values(removed_ms=now_ms))
    if done.rowcount:
        announce(connection, Change(frozenset({uuid}), frozenset({"client"})))
    return bool(done.rowcount)


def _register_again(connection: Connection, uuid: str, now_ms: int) -> bool:
    """Registers a removed client again, and stores when. False: no client of this UUID was removed."""
    removed = sa.select(_client.c.key).where(~_registered, _client.c.uuid == uuid).with_for_update()
    key = connection.execute(removed).scalar()
    if key is None:
        return False
    connection.execute(sa.update(_client).where(_client.c.key == key).values(removed_ms=None))
    put_setting(connection, f"{_AGAIN}{key}", str(now_ms))
    return True


def lock_clients(connection: Connection, keys: Collection[int]) -> None:
    """Lets concurrent transactions of these clients happen one after the other. On SQLite every transaction that writes does so."""
    wanted = sa.select(_client.c.key).where(_client.c.key.in_(sorted(keys))).order_by(_client.c.key)
    connection.execute(wanted.with_for_update(key_share=True))
