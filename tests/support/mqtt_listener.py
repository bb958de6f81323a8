"""A program at an MQTT broker that reads everything, as Home Assistant does."""

from __future__ import annotations

import json
import threading
from types import TracebackType
from typing import Any

import paho.mqtt.client as paho


class Listener:
    """Reads all topics of the broker at `port`. `retained` is what the broker has kept, `received` all that came, in its order."""

    def __init__(self, port: int) -> None:
        self.received: list[tuple[str, str]] = []
        self.retained: dict[str, str] = {}
        self._ready = threading.Event()
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2) if hasattr(paho, "CallbackAPIVersion") else paho.Client()
        self._client.on_connect = lambda client, *_: client.subscribe("#", 1)
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._ready.wait(30)

    def _on_message(self, _client: paho.Client, _data: object, message: Any) -> None:
        text = message.payload.decode()
        self.received.append((message.topic, text))
        if message.topic.endswith("/marker"):
            return
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
