"""Removes from an MQTT broker what an earlier process published, and what is not published any more."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping

from .home_assistant import Site, config_topic, parse_config_topic, state_topic
from .mqtt_connection import Connection, SilentError

FORMER_CONFIGS = "homeassistant/+/+/config"
"""Where version 1 of kegnet-server published its discovery messages: these are removed."""

log = logging.getLogger(__name__)
_Messages = list[tuple[str, str]]
_Published = Mapping[str, Collection[tuple[str, str]]]
"""By the client's UUID: component and path of its entities."""


def removal(site: Site, component: str, uuid: str, path: str) -> _Messages:
    """The messages that remove an entity. The discovery message goes first: a state without its entity confuses nobody."""
    return [(config_topic(site, component, uuid, path), ""), (state_topic(uuid, path), "")]


class LeftBehind:
    """What is left behind at the broker. That it can remain there is logged once."""

    def __init__(self, site: Site, connection: Connection) -> None:
        self._site = site
        self._connection = connection
        self._warned = False

    def remove(self, published: _Published) -> None:
        """Removes all but `published`, as far as the broker sends its topics. For a thread. Raises BrokerError."""
        configs = {config_topic(self._site, component, uuid, path) for uuid, some in published.items() for component, path in some}
        try:
            self._remove(self._site.configs, published, configs)
            self._remove(FORMER_CONFIGS, published, set())
        except SilentError as error:
            self._warn(str(error))

    def _remove(self, topics: str, published: _Published, expected: set[str]) -> None:
        """Does this for one subscription, of which the broker has at least the topics `expected`."""
        seen: set[str] = set()
        while True:
            retained = self._connection.retained(topics)
            messages = self._removals(retained.topics - seen, published)
            if not messages:
                break
            self._connection.publish(messages)
            # What is removed makes room for what the broker has dropped.
            seen |= retained.topics
        if not retained.complete or expected - retained.topics:
            self._warn("the broker does not send all retained topics")

    def _removals(self, topics: Iterable[str], published: _Published) -> _Messages:
        messages: _Messages = []
        for topic in topics:
            parsed = parse_config_topic(self._site, topic)
            if parsed is not None and (parsed[0], parsed[2]) not in published.get(parsed[1], ()):
                messages += removal(self._site, *parsed)
            elif parsed is None and any(part[:7] == "kegnet_" and part[7:43] in published for part in topic.split("/")[2:3]):
                messages.append((topic, ""))
        return messages

    def _warn(self, problem: str) -> None:
        if not self._warned:
            log.warning("MQTT: %s; topics of what was removed can remain there", problem)
        self._warned = True
