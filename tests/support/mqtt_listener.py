"""A program at an MQTT broker that reads everything, as Home Assistant does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Any

import paho.mqtt.client as paho

from .wait import wait_for


def new_client() -> paho.Client:
    """A client of paho 1.6 or 2."""
    return paho.Client(paho.CallbackAPIVersion.VERSION2) if hasattr(paho, "CallbackAPIVersion") else paho.Client()


def retain(port: int, topics: Iterable[str], text: str) -> None:
    """Publishes a retained message to each topic; when it returns, the broker has them."""
    client = new_client()
    client.connect("127.0.0.1", port)
    client.loop_start()
    for info in [client.publish(topic, text, qos=1, retain=True) for topic in topics]:
        info.wait_for_publish(120)
        assert info.is_published()
    client.disconnect()
    client.loop_stop()


def retained_topics(port: int, topics: str) -> set[str]:
    """The topics of a subscription with a retained message; some of them if they are too many for the broker's queue.

    It logs in as `reader`, for a broker with a list of who may read what.
    """
    found: set[str] = set()
    ended = threading.Event()

    def on_message(_client: paho.Client, _data: object, message: Any) -> None:
        if message.topic == "end/marker":
            ended.set()
        else:
            found.add(message.topic)

    client = new_client()
    client.username_pw_set("reader")
    client.on_connect = lambda client, *_: client.subscribe([(topics, 0), ("end/marker", 0)])
    client.on_message = on_message
    client.connect("127.0.0.1", port)
    client.loop_start()
    # The broker sends it after the retained messages.
    wait_for(lambda: client.publish("end/marker", "", qos=1) and ended.wait(0.5), limit_s=120)
    client.disconnect()
    client.loop_stop()
    return found


class Listener:
    """Reads all topics of the broker at `port`. `retained` is what the broker has kept, `received` all that came but markers, in order."""

    def __init__(self, port: int) -> None:
        self.received: list[tuple[str, str]] = []
        self.retained: dict[str, str] = {}
        self._ready = threading.Event()
        self._client = new_client()
        self._client.on_connect = lambda client, *_: client.subscribe("#", 1)
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._ready.wait(30)

    def _on_message(self, _client: paho.Client, _data: object, message: Any) -> None:
        if message.topic.endswith("/marker"):
            return
        text = message.payload.decode()
        self.received.append((message.topic, text))
        if text:
            self.retained[message.topic] = text
        else:
            self.retained.pop(message.topic, None)

    def state(self, client: str, path: str) -> str | None:
        """The state at `kegnet/<client>/<path>`."""
        return self.retained.get(f"kegnet/{client}/{path}")

    def config(self, client: str, path: str) -> dict[str, Any]:
        """The discovery message of the entity with that state; empty if there is none."""
        for topic, text in list(self.retained.items()):
            if topic.startswith("homeassistant/"):
                found: dict[str, Any] = json.loads(text)
                if found["state_topic"] == f"kegnet/{client}/{path}":
                    return found
        return {}

    def availability(self) -> str | None:
        """What the topic of availability says."""
        return next(
            (text for topic, text in list(self.retained.items()) if topic.startswith("kegnet/") and topic.endswith("/online")), None
        )

    def close(self) -> None:
        """Disconnects."""
        self._client.disconnect()
        self._client.loop_stop()

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
