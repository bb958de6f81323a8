"""The pure parts of the integrations: topics, addresses, texts."""

from __future__ import annotations

import datetime

import pytest
from kegnet.core.problem import ProblemError
from kegnet.server.integrations.apprise_sender import Sender
from kegnet.server.integrations.home_assistant import Site, config_topic, expire_s, parse_config_topic
from kegnet.server.integrations.mqtt_connection import Broker, check_url
from kegnet.server.integrations.notify import check_urls, message
from kegnet.server.storage.notifications import Notification
from kegnet.server.storage.records import Alarm

SITE = Site("79648a8020ed278e", None)
GARAGE = "6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11"
NOON = 1_800_014_400_000


@pytest.mark.parametrize(("silence_s", "expected"), [(0, 1800), (1800, 1800), (1801, 3600), (3600, 3600), (3601, 7200), (86_400, 115_200)])
def test_a_temperature_expires_in_steps_of_twice_the_time(silence_s: float, expected: int) -> None:
    assert expire_s(silence_s) == expected


@pytest.mark.parametrize(
    ("component", "path"), [("sensor", "temperature"), ("binary_sensor", "too_warm"), ("sensor", "0/last_pour_at"), ("sensor", "12/left")]
)
def test_a_discovery_topic_names_its_entity(component: str, path: str) -> None:
    assert parse_config_topic(SITE, config_topic(SITE, component, GARAGE, path)) == (component, GARAGE, path)


@pytest.mark.parametrize(
    "topic",
    [
        f"homeassistant/sensor/kegnet_other/{GARAGE}_temperature/config",
        f"homeassistant/sensor/kegnet_79648a8020ed278e/{GARAGE}_temperature",
        f"homeassistant/sensor/{GARAGE}_temperature/config",
        "homeassistant/sensor/kegnet_79648a8020ed278e/x/config",
    ],
)
def test_a_discovery_topic_of_somebody_else_is_not_ours(topic: str) -> None:
    assert parse_config_topic(SITE, topic) is None


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("mqtt://broker", Broker("broker", 1883, False, None, None)),
        ("mqtts://broker", Broker("broker", 8883, True, None, None)),
        ("mqtt://[::1]:1884/", Broker("::1", 1884, False, None, None)),
        ("mqtt://keg:a%2Fb%23c@broker:65535", Broker("broker", 65535, False, "keg", "a/b#c")),
        ("mqtt://keg@broker:1", Broker("broker", 1, False, "keg", None)),
    ],
)
def test_the_address_of_a_broker(url: str, broker: Broker) -> None:
    assert check_url(url) == broker


@pytest.mark.parametrize(
    "url",
    ["", "broker", "http://broker", "mqtt://", "mqtt://:1883", "mqtt://b:0", "mqtt://b:65536", "mqtt://b:x", "mqtt://b/kegs", "mqtt://b?x", "mqtt://b#x",
     "mqtt://[::1", "mqtt://keg:hunter2@b:99999", "mqtt://keg:hunter2#@b"],
)  # fmt: skip
def test_what_is_no_address_of_a_broker_is_refused_with_a_fix_and_without_its_password(url: str) -> None:
    with pytest.raises(ProblemError) as raised:
        check_url(url)
    assert "mqtt://[USER:PASSWORD@]HOST[:PORT]" in raised.value.fix
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(("url", "shown"), [
    ("ntfy://ntfy.sh/secrettopic", "ntfy://ntfy.sh"),
    ("ntfys://secrettopic", "ntfys://…"),
    ("tgram://123456789:AAbbccddeeffgghhiijjkkllmmnnooppqqr/12345/", "tgram://…"),
    ("json://user:hunter2@localhost:8080/hook", "json://localhost:8080"),
    ("mailto://user:hunter2@example.org", "mailto://example.org"),
])  # fmt: skip
def test_an_address_is_logged_without_its_secrets(url: str, shown: str) -> None:
    assert Sender(url).shown == shown


@pytest.mark.parametrize("url", ["nonsense", "nonsense://hunter2/x", "json://", "tgram://hunter2"])
def test_what_apprise_does_not_know_is_refused_without_its_secrets(url: str) -> None:
    with pytest.raises(ProblemError) as raised:
        check_urls([url])
    assert "hunter2" not in str(raised.value)


def notification(tap: str | None = None, *, ending: bool = False) -> Notification:
    alarm = Alarm(1, 1, None if tap is None else 1, "too warm", NOON, NOON + 3_600_000 if ending else None)
    return Notification(alarm, "Garage", tap, ending, NOON, frozenset())


def test_a_notification_of_one_alarm() -> None:
    assert message([notification()], datetime.UTC, None) == ("KegNet: Garage: too warm", "Garage: too warm since 2027-01-15 12:00")


def test_a_notification_of_an_end_in_the_households_time_with_its_address() -> None:
    title, body = message([notification("Pils", ending=True)], datetime.timezone(datetime.timedelta(hours=1)), "https://kegs.example")
    assert title == "KegNet: Garage, Pils: too warm is over"
    assert body == "Garage, Pils: too warm is over, it lasted from 2027-01-15 13:00 to 2027-01-15 14:00\nhttps://kegs.example"


def test_a_notification_of_many_alarms_lists_twenty() -> None:
    title, body = message([notification()] * 21, datetime.UTC, None)
    assert title == "KegNet: 21 alarms began or ended"
    assert len(body.splitlines()) == 21
    assert body.splitlines()[-1] == "and 1 more"
    assert len(message([notification()] * 20, datetime.UTC, None)[1].splitlines()) == 20
