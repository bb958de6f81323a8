"""The connection to an MQTT broker, by paho 1.6 or 2. Its thread reconnects by itself; its events reach the event loop here."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as paho

from kegnet.core.problem import ProblemError

PORTS = {"mqtt": 1883, "mqtts": 8883}
KEEPALIVE_S = 30
ANSWER_S = 10.0
"""How long the broker may take to acknowledge messages."""
ECHO_S = 30
"""How long a marker may take to come back. It is published once a second."""
RECONNECT_S = (1, 30)
AT_ONCE = 200
"""Messages that are sent before an acknowledgement: what waits is bounded. With few, each waits for the delayed ACKs of TCP."""
_EXAMPLE = "write mqtt://[USER:PASSWORD@]HOST[:PORT], or mqtts:// for TLS"

log = logging.getLogger(__name__)


class BrokerError(Exception):
    """The broker is away, or does not answer in time. The connection is made again by itself."""


class SilentError(BrokerError):
    """The broker accepts what is published, and does not send it back: reading may be forbidden."""


@dataclass(frozen=True)
class Retained:
    """Topics with a retained message. `complete` is False if the broker has certainly dropped what did not fit in its queue."""

    topics: frozenset[str]
    complete: bool


@dataclass(frozen=True)
class Broker:
    """Where a broker is, and who connects to it."""

    host: str
    port: int
    tls: bool
    user: str | None
    password: str | None


def check_url(url: str) -> Broker:
    """The broker of a URL. Raises ProblemError; its text contains no password."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ProblemError("mqtt: the port is not a number from 1 to 65535, or the address is malformed", _EXAMPLE) from error
    if parts.scheme not in PORTS:
        raise ProblemError("mqtt: it takes a URL that begins with mqtt:// or mqtts://", _EXAMPLE)
    if not parts.hostname:
        raise ProblemError("mqtt: the URL contains no host", _EXAMPLE)
    if port == 0:
        raise ProblemError("mqtt: the port is not a number from 1 to 65535", _EXAMPLE)
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ProblemError("mqtt: the URL goes on after the port; a # or / in a password is written %23 or %2F", _EXAMPLE)
    user = unquote(parts.username) if parts.username else None
    password = unquote(parts.password) if parts.password is not None else None
    return Broker(parts.hostname, port or PORTS[parts.scheme], parts.scheme == "mqtts", user, password)


class Connection:
    """One MQTT session with a fixed client id, a will, and `online` in its topic while it is connected. Make it in the event loop.

    `number` counts the connections that were made. `changed` is set at each connection.
    """

    def __init__(self, broker: Broker, client_id: str, availability: str) -> None:
        self.number = 0
        self.changed = asyncio.Event()
        self._availability = availability
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._retained: set[str] = set()
        self._marker = f"{availability}/marker"
        self._awaited = b""
        self._echo: bytes | None = None
        self._echoed = threading.Event()
        self._logged: set[str] = set()
        self._stopping = False
        self._where = f"{broker.host}:{broker.port}"
        self._client = _client(client_id)
        if broker.tls:
            self._client.tls_set()
        if broker.user is not None:
            self._client.username_pw_set(broker.user, broker.password)
        self._client.will_set(availability, "offline", qos=1, retain=True)
        self._client.max_inflight_messages_set(AT_ONCE)
        self._client.reconnect_delay_set(*RECONNECT_S)
        self._client.on_connect = self._on_connect
        self._client.on_connect_fail = self._on_connect_fail
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.connect_async(broker.host, broker.port, KEEPALIVE_S)

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return bool(self._client.is_connected())

    def start(self) -> None:
        """Connects, again and again, in a thread."""
        self._client.loop_start()

    def stop(self) -> None:
        """Publishes `offline`, disconnects, and ends the thread. For a thread: it can take seconds."""
        self._stopping = True
        try:
            # paho 1.6 counts a connection that was lost as connected until it connects again, and fails to publish then.
            with contextlib.suppress(RuntimeError, ValueError):
                if self.connected:
                    self._client.publish(self._availability, "offline", qos=1, retain=True).wait_for_publish(2)
        finally:
            self._client.disconnect()
            self._client.loop_stop()

    def publish(self, messages: Sequence[tuple[str, str]]) -> None:
        """Publishes retained messages (topic, text; an empty text removes the topic). For a thread. Raises BrokerError.

        When it returns, the broker has them.
        """
        for start in range(0, len(messages), AT_ONCE):
            if self._stopping or not self.connected:
                raise BrokerError(f"no connection to {self._where}")
            infos = [self._client.publish(topic, text, qos=1, retain=True) for topic, text in messages[start : start + AT_ONCE]]
            for info in infos:
                self._wait(info)

    def retained(self, topics: str) -> Retained:
        """The topics of this subscription that have a retained message now. For a thread. Raises SilentError, BrokerError."""
        marker = secrets.token_hex(8)
        with self._lock:
            self._retained.clear()
            self._awaited, self._echo = marker.encode(), None
        self._echoed.clear()
        # QoS 0: Mosquitto queues 1,000 messages of QoS 1 and drops the others. Those of QoS 0 it queues only when the socket is full.
        self._client.subscribe([(topics, 0), (self._marker, 0)])
        try:
            self._wait_for_echo(marker)
        finally:
            self._client.unsubscribe([topics, self._marker])
        with self._lock:
            found = frozenset(self._retained)
            self._retained.clear()
            return Retained(found, complete=self._echo == b"0")

    def _wait_for_echo(self, marker: str) -> None:
        """The broker sends in order: when a marker comes back, the retained messages have come.

        A full queue drops markers too, and acknowledgements: they have QoS 0, and more follow.
        """
        connection = self.number
        for number in range(ECHO_S):
            self._wait(self._client.publish(self._marker, f"{marker} {number}"))
            if self._echoed.wait(1):
                return
            if self._stopping or self.number != connection:
                raise BrokerError(f"the connection to {self._where} ended")
        raise SilentError(f"{self._where} does not send back what was published")

    def _wait(self, info: paho.MQTTMessageInfo) -> None:
        try:
            info.wait_for_publish(ANSWER_S)
            published = info.is_published()
        except (RuntimeError, ValueError) as error:
            raise BrokerError(f"{self._where}: {error}") from error
        if not published:
            raise BrokerError(f"{self._where} does not acknowledge")

    def _on_connect(self, client: paho.Client, _data: object, _flags: object, code: Any, *_: object) -> None:
        if code != 0:
            self._log_once(f"the MQTT broker {self._where} refuses the connection: {_reason(code)}")
            return
        log.info("connected to the MQTT broker %s", self._where)
        self._logged.clear()
        client.subscribe(self._availability, 1)
        client.publish(self._availability, "online", qos=1, retain=True)
        self._loop.call_soon_threadsafe(self._connected)

    def _connected(self) -> None:
        self.number += 1
        self.changed.set()

    def _on_connect_fail(self, *_: object) -> None:
        # paho calls this while it handles the error, and does not pass it on.
        error = sys.exception()
        reason = "" if error is None else f": {error}"
        self._log_once(f"the MQTT broker {self._where} cannot be reached{reason}; connecting again")

    def _on_disconnect(self, *_: object) -> None:
        # The reason for a connection that was refused is logged already.
        if not self._logged:
            self._log_once(f"the connection to the MQTT broker {self._where} ended; connecting again")

    def _on_message(self, client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        if message.topic == self._availability:
            # The will of a connection that ended long ago can come late.
            if message.payload == b"offline" and not self._stopping:
                client.publish(self._availability, "online", qos=1, retain=True)
        elif message.topic == self._marker:
            marker, _, number = message.payload.partition(b" ")
            with self._lock:
                if marker == self._awaited and self._echo is None:
                    self._echo = number
                    self._echoed.set()
        elif message.retain and message.payload:
            with self._lock:
                self._retained.add(message.topic)

    def _log_once(self, text: str) -> None:
        """Logs it if it was not logged since the last connection."""
        if text not in self._logged and not self._stopping:
            log.warning("%s", text)
        self._logged.add(text)


def _client(client_id: str) -> paho.Client:
    if hasattr(paho, "CallbackAPIVersion"):
        return paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=client_id)
    return paho.Client(client_id=client_id)


def _reason(code: Any) -> str:
    return str(paho.connack_string(code)) if isinstance(code, int) else str(code)
