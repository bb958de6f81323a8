"""Tells an MQTT broker how things are, so that Home Assistant shows the kegs by itself (its "MQTT discovery").

States are retained under `kegnet/<client>/…`, and sent only where they have changed.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as paho
from sqlalchemy.exc import SQLAlchemyError

from . import views
from .news import News
from .parts import now_ms
from .store import Store

LOOK_S = 60.0
"""A client falls silent, and a keg's day begins, without any news."""
_PORTS = {"mqtt": 1883, "mqtts": 8883}
_ONLINE = "kegnet/online"

log = logging.getLogger(__name__)


class Publisher(threading.Thread):
    """Publishes what `store` keeps to the broker at `url`, whenever `news` has some."""

    @staticmethod
    def check(url: str) -> None:
        """Raises ValueError if `url` is no broker's."""
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError(f"{url}: it takes mqtt://[user:password@]host[:port], or mqtts:// for TLS")

    def __init__(self, url: str, store: Store, news: News) -> None:
        super().__init__(name="mqtt", daemon=True)
        self._store = store
        self._news = news
        self._sent: dict[str, str] = {}
        parts = urlsplit(url)
        self._client = _client()
        if parts.scheme == "mqtts":
            self._client.tls_set()
        if parts.username:
            self._client.username_pw_set(unquote(parts.username), unquote(parts.password or ""))
        self._client.will_set(_ONLINE, "offline", qos=1, retain=True)
        self._client.on_connect = self._on_connect
        self._client.connect_async(str(parts.hostname), parts.port or _PORTS[parts.scheme])

    def run(self) -> None:
        """Publishes for ever; a broker that is away is connected to again by paho."""
        self._client.loop_start()
        seen = -1
        while True:
            count = self._news.wait(seen, LOOK_S)
            seen = count
            try:
                self._tell()
            except SQLAlchemyError as error:
                log.warning("MQTT: the database does not answer (%s); trying again", type(error).__name__)

    def _tell(self) -> None:
        for topic, text in self._states():
            if self._sent.get(topic) != text:
                self._sent[topic] = text
                self._client.publish(topic, text, qos=1, retain=True)

    def _on_connect(self, client: paho.Client, *_: object) -> None:
        log.info("connected to the MQTT broker")
        client.publish(_ONLINE, "online", qos=1, retain=True)
        # A broker that was started anew may have forgotten what it was told.
        self._sent.clear()
        self._news.tell()

    def _states(self) -> Iterator[tuple[str, str]]:
        """Each topic, and what it says now."""
        for client in views.everyone(self._store, now_ms()):
            base = f"kegnet/{client.id}"
            if client.millicelsius is not None:
                yield from _sensor(f"{base}/temperature", client, "temperature", "°C", "temperature")
                yield f"{base}/temperature", f"{client.millicelsius / 1000:.3f}"
            yield from _problem(f"{base}/alarm", client)
            yield f"{base}/alarm", "ON" if client.alarms else "OFF"
            for tap in client.taps:
                here = f"{base}/{tap.pin}"
                yield from _sensor(f"{here}/today", client, f"{tap.name} today", "L", "volume")
                yield f"{here}/today", f"{tap.today_ml / 1000:.3f}"
                if tap.left_ml is not None:
                    yield from _sensor(f"{here}/left", client, f"{tap.name} left", "L", "volume_storage")
                    yield f"{here}/left", f"{tap.left_ml / 1000:.3f}"


def _client() -> paho.Client:
    if hasattr(paho, "CallbackAPIVersion"):
        return paho.Client(paho.CallbackAPIVersion.VERSION2)
    return paho.Client()


def _sensor(topic: str, client: views.ClientView, name: str, unit: str, kind: str) -> Iterator[tuple[str, str]]:
    yield _discovery("sensor", topic, client, {"name": name, "unit_of_measurement": unit, "device_class": kind})


def _problem(topic: str, client: views.ClientView) -> Iterator[tuple[str, str]]:
    yield _discovery("binary_sensor", topic, client, {"name": "alarm", "device_class": "problem"})


def _discovery(component: str, topic: str, client: views.ClientView, about: dict[str, str]) -> tuple[str, str]:
    """Where Home Assistant looks, and what it finds there."""
    unique = topic.replace("/", "_")
    device = {"identifiers": [f"kegnet_{client.id}"], "name": client.name, "manufacturer": "KegNet"}
    found = {**about, "unique_id": unique, "state_topic": topic, "availability_topic": _ONLINE, "device": device}
    return f"homeassistant/{component}/{unique}/config", json.dumps(found, ensure_ascii=False)
