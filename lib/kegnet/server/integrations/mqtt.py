"""Publishes the clients and their taps to an MQTT broker, so that Home Assistant shows them by itself.

The messages are retained, and sent only where they have changed; a change of a client costs the queries of that client alone.
One process of all runs it, the leader.
"""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import logging
import socket
import time
from collections.abc import Iterable, Sequence
from typing import Any

from kegnet.core.syslog_handler import HourlyLimit

from ..client_directory import ClientDirectory, in_chunks
from ..context import Context
from ..model.alarms import AHEAD_MS, silence_allowed_ms
from ..model.days import day_start, find_zone
from ..options import ServeOptions
from ..overview import overview
from ..storage import Change, Database, StorageError, UnavailableError
from ..storage.readings import heard
from ..storage.records import Client
from ..storage.settings import Household, household
from .home_assistant import Entity, Site, entities
from .mqtt_connection import BrokerError, Connection, check_url
from .mqtt_left_behind import LeftBehind, removal

PAUSE_S = 2.0
REST = 10
LONGEST_PAUSE_S = 30.0
"""A pause between two passes is `PAUSE_S` at least, and `REST` times the pass's CPU time, up to this. The next one has what changed."""
TICK_S = 60.0
"""How often the day is looked at: at its beginning nothing has been poured."""
RETRY_S = 10.0

log = logging.getLogger(__name__)
_Messages = list[tuple[str, str]]
_Hashes = dict[tuple[str, str], bytes]


class Publisher:
    """Publishes to the broker of the options; `run()` is its only method for others."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._broker = check_url(context.options.mqtt or "")
        self._failures = HourlyLimit()

    async def run(self) -> None:
        """Publishes until it is cancelled; then the topic of availability says `offline`."""
        home = await self._household()
        site = Site(home.installation, _url(self._context.options))
        connection = Connection(self._broker, f"kegnet-{home.installation}", site.availability)
        pass_ = _Pass(self._context.database, site, connection)
        connection.start()
        try:
            async with self._context.feed.subscribe() as subscription:
                await self._publish(connection, pass_, subscription)
        finally:
            await asyncio.shield(asyncio.to_thread(connection.stop))

    async def _household(self) -> Household:
        while True:
            try:
                return await asyncio.to_thread(_household, self._context.database)
            except (UnavailableError, StorageError) as error:
                log.warning("MQTT: %s; next try in %g s", error, RETRY_S)
                await asyncio.sleep(RETRY_S)

    async def _publish(self, connection: Connection, pass_: _Pass, subscription: Any) -> None:
        coming = asyncio.ensure_future(subscription.next())
        connected = asyncio.ensure_future(connection.changed.wait())
        number, change = 0, _NOTHING
        try:
            while True:
                # What an error left to publish does not wait for a change.
                left = connection.connected and connection.number and change.kinds
                await asyncio.wait({coming, connected}, timeout=0 if left else TICK_S, return_when=asyncio.FIRST_COMPLETED)
                if coming.done():
                    change = _merged(change, _relevant(coming.result()))
                    coming = asyncio.ensure_future(subscription.next())
                if connected.done():
                    connection.changed.clear()
                    connected = asyncio.ensure_future(connection.changed.wait())
                if not connection.connected or not connection.number:
                    continue
                if number != connection.number:
                    number, change = connection.number, _EVERYTHING
                    pass_.forget()
                change = await self._passed(pass_, change)
        finally:
            coming.cancel()
            connected.cancel()

    def _log(self, failure: str) -> None:
        if self._failures.allows(failure, time.monotonic()):
            log.warning("%s", failure)

    async def _passed(self, pass_: _Pass, change: Change) -> Change:
        """Publishes what `change` touches. What is left to publish: nothing, or everything after an error."""
        try:
            cpu_s = await asyncio.to_thread(pass_.publish, change, time.time_ns() // 10**6)
        except (UnavailableError, StorageError) as error:
            self._log(f"MQTT: {error}; next try in {RETRY_S:g} s")
            await asyncio.sleep(RETRY_S)
            return _EVERYTHING
        except BrokerError as error:
            self._log(f"MQTT: {error}")
            await asyncio.sleep(PAUSE_S)
            return _EVERYTHING
        self._failures.end()
        await asyncio.sleep(min(LONGEST_PAUSE_S, max(PAUSE_S, REST * cpu_s)))
        return _NOTHING


_KINDS = frozenset({"ping", "pour", "alarm", "client", "tap", "setting"})
_EVERYTHING = Change(frozenset(), _KINDS)
_NOTHING = Change(frozenset(), frozenset())


def _relevant(change: Change) -> Change:
    return change if change.kinds & _KINDS else _NOTHING


class _Pass:
    """Knows by a hash what the broker has of each entity, and publishes the difference. For one thread at a time."""

    def __init__(self, database: Database, site: Site, connection: Connection) -> None:
        self._database = database
        self._site = site
        self._connection = connection
        self._directory = ClientDirectory(database)
        self._sent: dict[str, _Hashes] = {}
        """By the client's UUID: (component, path) of an entity, and the hash of its discovery message and its state."""
        self._day_ms = 0
        self._left_behind = LeftBehind(site, connection)
        self._tidy = False

    def forget(self) -> None:
        """After a new connection: the broker can have lost everything, and can have topics of what is gone."""
        self._sent.clear()
        self._tidy = False

    def publish(self, change: Change, now_ms: int) -> float:
        """Publishes what the change touches, or everything if the day has begun; the CPU time in seconds.

        Raises BrokerError, UnavailableError, StorageError.
        """
        began = time.thread_time()
        self._publish(change, now_ms)
        return time.thread_time() - began

    def _publish(self, change: Change, now_ms: int) -> None:
        home = _household(self._database)
        day_ms = day_start(now_ms, find_zone(home.time_zone) or datetime.UTC, home.day_begins_hour)
        if (bool(change.kinds) and not change.clients) or day_ms != self._day_ms or not self._tidy:
            chosen = self._directory.read()
            gone = self._sent.keys() - {client.uuid for client in chosen}
        else:
            chosen, gone = self._directory.of(change), self._sent.keys() & self._directory.without(change)
        for some in in_chunks(chosen):
            self._publish_some(some, now_ms, day_ms)
        self._remove_clients(gone)
        self._day_ms = day_ms
        if not self._tidy:
            # After all else: a broker that does not send its topics gets the new states all the same.
            self._left_behind.remove(self._sent)
            self._tidy = True

    def _publish_some(self, clients: Sequence[Client], now_ms: int, day_ms: int) -> None:
        with self._database.reading() as c:
            states = overview(c, clients, now_ms)
            last = heard(c, [client.key for client in clients], now_ms + AHEAD_MS)
        messages: _Messages = []
        sent: dict[str, _Hashes] = {}
        for state in states:
            silence_s = silence_allowed_ms(last[state.client.key]) / 1000
            sent[state.client.uuid] = self._add(messages, state.client.uuid, entities(state, self._site, silence_s, day_ms))
        # All at once: the broker's acknowledgements are what takes the time.
        self._connection.publish(messages)
        self._sent.update(sent)

    def _add(self, messages: _Messages, uuid: str, wanted: Iterable[Entity]) -> _Hashes:
        """Adds what the broker does not have of a client; the hashes of what it has then."""
        sent = self._sent.get(uuid, {})
        hashes: _Hashes = {}
        for entity in wanted:
            key, config = (entity.component, entity.path), entity.config(self._site)
            hashes[key] = _hash(config) + _hash(f"{entity.version} {entity.state}")
            before = sent.get(key, b"")
            if before[:_HASH_BYTES] != hashes[key][:_HASH_BYTES]:
                messages.append((entity.config_topic(self._site), config))
            if before[_HASH_BYTES:] != hashes[key][_HASH_BYTES:]:
                messages.append((entity.state_topic, entity.state))
        for component, path in sent.keys() - hashes.keys():
            messages += removal(self._site, component, uuid, path)
        return hashes

    def _remove_clients(self, uuids: Iterable[str]) -> None:
        for uuid in uuids:
            gone = self._sent[uuid]
            self._connection.publish([message for component, path in gone for message in removal(self._site, component, uuid, path)])
            del self._sent[uuid]


_HASH_BYTES = 8


def _hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=_HASH_BYTES).digest()


def _household(database: Database) -> Household:
    with database.reading() as c:
        return household(c)


def _merged(one: Change, other: Change) -> Change:
    """Both. No clients and some kinds means all clients; no kinds means nothing."""
    if not one.kinds or not other.kinds:
        return one if one.kinds else other
    everyone = not one.clients or not other.clients
    return Change(frozenset() if everyone else one.clients | other.clients, one.kinds | other.kinds)


def _url(options: ServeOptions) -> str | None:
    """The address that people open: the configured one, or what the server listens at."""
    if options.url is not None:
        return options.url
    host, _, port = options.listen.rpartition(":")
    if not host or host == "unix" or not port.isdigit() or int(port) == 0:
        return None
    scheme = "http" if options.certificate is None else "https"
    everywhere = host in ("0.0.0.0", "[::]", "*")  # noqa: S104  it is compared, not bound
    return f"{scheme}://{socket.gethostname() if everywhere else host}:{port}/"
