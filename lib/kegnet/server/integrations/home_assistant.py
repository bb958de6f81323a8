"""What Home Assistant's MQTT discovery shows of a client: pure functions from its state to entities, topics and texts.

See https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery. The node in the discovery topics names the installation,
so that several servers can share a broker, and each knows which entities are its own.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kegnet import __version__

from ..model.alarms import AlarmKind
from ..overview import ClientState, TapState

EXPIRE_STEP_S = 30 * 60
_NAMES = {"kegnet": "kegnet-client", "kegboard": "Kegboard"}
_CONFIG = re.compile("homeassistant/([a-z_]+)/kegnet_([^/]+)/([0-9a-f-]{36})_(?:([0-9]+)_)?([a-z_]+)/config")
_TODAY = {"value_template": "{{ value_json.litres }}", "last_reset_value_template": "{{ value_json.since }}"}
"""A correction can lower the amount of today. With `total_increasing`, a lower value would mean a new day, and would be counted again."""
_Fields = Mapping[str, object]


@dataclass(frozen=True)
class Site:
    """What all entities share: the installation's id, and the address that people open."""

    installation: str
    url: str | None

    @property
    def availability(self) -> str:
        """The topic that says whether the server is `online`."""
        return f"kegnet/{self.installation}/online"

    @property
    def configs(self) -> str:
        """The subscription that contains all discovery topics of this installation."""
        return f"homeassistant/+/kegnet_{self.installation}/+/config"


@dataclass(frozen=True)
class Entity:
    """A sensor or a binary sensor. `path` is below the client, e.g. `temperature` or `0/today`; `state` is its text.

    `version` changes where the same state has to be sent again, so that it does not expire.
    """

    component: str
    client: str
    path: str
    fields: _Fields
    state: str
    version: int = 0

    @property
    def state_topic(self) -> str:
        """Where the state is published."""
        return state_topic(self.client, self.path)

    def config_topic(self, site: Site) -> str:
        """Where Home Assistant finds the entity."""
        return config_topic(site, self.component, self.client, self.path)

    def config(self, site: Site) -> str:
        """The discovery message."""
        fields = {
            **self.fields,
            "unique_id": f"kegnet_{self.client}_{self.path.replace('/', '_')}",
            "state_topic": self.state_topic,
            "availability_topic": site.availability,
            "origin": {"name": "kegnet-server", "sw_version": __version__},
        }
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def state_topic(client: str, path: str) -> str:
    """Where the state of an entity is published."""
    return f"kegnet/{client}/{path}"


def config_topic(site: Site, component: str, client: str, path: str) -> str:
    """Where the discovery message of an entity is published."""
    return f"homeassistant/{component}/kegnet_{site.installation}/{client}_{path.replace('/', '_')}/config"


def parse_config_topic(site: Site, topic: str) -> tuple[str, str, str] | None:
    """The component, the client's UUID and the path of a discovery topic of this installation; None if it is another one's."""
    match = _CONFIG.fullmatch(topic)
    if match is None or match[2] != site.installation:
        return None
    return match[1], match[3], match[5] if match[4] is None else f"{match[4]}/{match[5]}"


def expire_s(silence_s: float) -> int:
    """When a temperature expires, for a client that counts as silent after `silence_s`: rounded up to 30 min, 1 h, 2 h, 4 h …

    In steps, because each change of it is a new discovery message.
    """
    step_s = EXPIRE_STEP_S
    while step_s < silence_s:
        step_s *= 2
    return step_s


def entities(state: ClientState, site: Site, silence_s: float, day_ms: int) -> Iterator[Entity]:
    """All entities of a client. `silence_s` is how long it may be without a message, `day_ms` is when the day began."""
    client, open_ = state.client, {(alarm.tap, alarm.kind) for alarm in state.alarms}
    device = _device(state, site)
    if state.reading is not None:
        fields = {
            **_sensor("temperature", device, "°C", "measurement", "temperature"),
            "expire_after": expire_s(silence_s),
            "suggested_display_precision": 1,
        }
        text = f"{state.reading.millicelsius / 1000:.3f}"
        yield Entity("sensor", client.uuid, "temperature", fields, text, state.reading.received_ms)
    kinds = [AlarmKind.SILENT]
    kinds += [AlarmKind.TOO_WARM] if client.warmest is not None else []
    kinds += [AlarmKind.TOO_COLD] if client.coldest is not None else []
    for kind in kinds:
        yield _alarm(client.uuid, device, kind, kind.value, "", (None, kind.value) in open_)
    for tap in state.taps:
        yield from _tap(client.uuid, device, tap, day_ms)
        if tap.left_ml is not None:
            for kind in (AlarmKind.KEG_LOW, AlarmKind.KEG_EMPTY):
                name = f"{tap.tap.name} {kind.value}"
                yield _alarm(client.uuid, device, kind, name, f"{tap.tap.pin}/", (tap.tap.key, kind.value) in open_)


def _tap(client: str, device: _Fields, state: TapState, day_ms: int) -> Iterator[Entity]:
    name, base = state.tap.name, f"{state.tap.pin}/"

    def sensor(path: str, fields: _Fields, text: str) -> Entity:
        return Entity("sensor", client, base + path, fields, text)

    today = {"litres": round(state.today_ml / 1000, 3), "since": _iso(day_ms)}
    yield sensor("today", {**_sensor(f"{name} today", device, "L", "total", "volume"), **_TODAY}, json.dumps(today))
    if state.left_ml is not None:
        yield sensor("left", _sensor(f"{name} left", device, "L", "measurement", "volume_storage"), f"{state.left_ml / 1000:.3f}")
        if state.keg is not None and state.keg.full_ml:
            percent = f"{100 * state.left_ml / state.keg.full_ml:.1f}"
            yield sensor("level", {**_sensor(f"{name} level", device, "%", "measurement"), "icon": "mdi:keg"}, percent)
    if state.last:
        last = state.last[0]
        # Home Assistant takes no measurement of the class volume: an amount is no level.
        fields = {**_sensor(f"{name} last pour", device, "L", "measurement"), "icon": "mdi:glass-mug-variant"}
        yield sensor("last_pour", fields, f"{last.millilitres / 1000:.3f}")
        fields = {"name": f"{name} last pour at", "device_class": "timestamp", "device": device}
        yield sensor("last_pour_at", fields, _iso(last.at_ms))


def _iso(at_ms: int) -> str:
    return datetime.datetime.fromtimestamp(at_ms / 1000, datetime.UTC).isoformat(timespec="milliseconds")


def _alarm(client: str, device: _Fields, kind: AlarmKind, name: str, base: str, on: bool) -> Entity:
    fields = {"name": name, "device_class": "problem", "device": device}
    return Entity("binary_sensor", client, base + kind.value.replace(" ", "_"), fields, "ON" if on else "OFF")


def _sensor(name: str, device: _Fields, unit: str, state_class: str, device_class: str | None = None) -> dict[str, object]:
    fields: dict[str, object] = {"name": name, "unit_of_measurement": unit, "state_class": state_class, "device": device}
    return fields if device_class is None else {**fields, "device_class": device_class}


def _device(state: ClientState, site: Site) -> _Fields:
    client = state.client
    device: dict[str, object] = {
        "identifiers": [f"kegnet_{client.uuid}"],
        "name": client.name,
        "manufacturer": "KegNet",
        "model": _NAMES.get(client.kind, client.kind),
    }
    return device if site.url is None else {**device, "configuration_url": site.url}
