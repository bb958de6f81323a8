"""What other programs get: a real broker, real HTTP servers, a board's real requests."""

from __future__ import annotations

import datetime
import hashlib
import html
import http.client
import json
import os
import re
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from bench.server import signed
from kegnet.server.model.pours import CorrectionKind
from kegnet.server.storage import Change, announce
from kegnet.server.storage.alarms import alarms_of, begin_alarm, end_alarm
from kegnet.server.storage.boards import accept_board, board_uuid, deny_board, waiting_boards
from kegnet.server.storage.clients import find_client, remove_client, set_client, set_limits
from kegnet.server.storage.insert import Inserter
from kegnet.server.storage.messages import VerifiedPing, VerifiedPour
from kegnet.server.storage.pours import correct, last_pours
from kegnet.server.storage.readings import latest_readings
from kegnet.server.storage.receiving import set_receiving
from kegnet.server.storage.records import Client
from kegnet.server.storage.settings import household, set_household
from kegnet.server.storage.taps import find_tap, set_tap, taps_of
from support.cut_proxy import CutProxy
from support.keg import REPOSITORY
from support.kegnet_server import KegnetServer, now_ms
from support.mailbox import Mailbox
from support.mqtt_listener import Listener, retain, retained_topics
from support.noon import noon_zone
from support.pki import Certificate
from support.ports import free_port
from support.services import Broker
from support.wait import stays, wait_for
from support.webhook import Webhook

GARAGE = "6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11"
CELLAR = "7c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c12"
LONG_AGO = 1_700_000_000_000
DEVICE = "kegboard-a1b2c3"


def configured(folder: Path, **parameters: str) -> KegnetServer:
    """A server with a configuration: what has a password in it is not for the command line."""
    folder.mkdir(parents=True, exist_ok=True)
    conf = folder / "kegnet-server.conf"
    conf.write_text("[Server]\n" + "".join(f"{name} = {value}\n" for name, value in parameters.items()))
    conf.chmod(0o600)
    return KegnetServer(folder, config=conf)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path / "broker")
    yield made
    made.stop()


class Household:
    """What the test does in the server's database, as other processes do."""

    def __init__(self, server: KegnetServer) -> None:
        self.server = server
        self._inserter = Inserter(server.database)

    def client(self, uuid: str = GARAGE) -> Client:
        with self.server.database.reading() as c:
            client = find_client(c, uuid)
        assert client is not None
        return client

    def ping(self, millicelsius: int, uuid: str = GARAGE, at_ms: int | None = None) -> None:
        at_ms = now_ms() if at_ms is None else at_ms
        digest = hashlib.sha256(f"{at_ms},{millicelsius}".encode()).digest()
        self._inserter.insert([VerifiedPing(self.client(uuid).key, at_ms, digest, False, millicelsius, at_ms, at_ms)])

    def pour(self, millilitres: float, pin: int = 0, uuid: str = GARAGE) -> int:
        at_ms = now_ms()
        digest = hashlib.sha256(f"pour {at_ms}".encode()).digest()
        pulses = round(5.6 * millilitres)
        self._inserter.insert([VerifiedPour(self.client(uuid).key, at_ms, digest, False, pin, pulses, 5000, at_ms, at_ms)])
        return at_ms


@pytest.fixture
def server(tmp_path: Path, broker: Broker) -> Iterator[KegnetServer]:
    """A server that publishes to the broker, with a client and a keg."""
    with KegnetServer(tmp_path / "server", None, "--mqtt", f"mqtt://127.0.0.1:{broker.port}") as made:
        made.add_client(GARAGE, "", "Garage")
        made.put_on(GARAGE, 0, "Pils")
        with made.writing() as c:
            set_household(c, time_zone=noon_zone())
            announce(c, Change(frozenset({GARAGE}), frozenset({"tap"})))
        yield made


@pytest.fixture
def house(server: KegnetServer) -> Household:
    return Household(server)


@pytest.fixture
def listener(broker: Broker) -> Iterator[Listener]:
    with Listener(broker.port) as made:
        yield made


# --- MQTT


def test_home_assistant_finds_the_kegs_and_their_alarms_by_itself(house: Household, listener: Listener) -> None:
    with house.server.writing() as c:
        set_limits(c, house.client().key, 1000, 6000)
    house.ping(4187)
    at_ms = house.pour(500)
    wait_for(lambda: '"litres": 0.5' in (listener.state(GARAGE, "0/today") or ""))
    wait_for(lambda: listener.state(GARAGE, "0/last_pour") == "0.500" and listener.state(GARAGE, "temperature") == "4.187")
    off = dict.fromkeys(("silent", "too_warm", "too_cold", "0/keg_low", "0/keg_empty"), "OFF")
    expected = {"0/left": "18.500", "0/level": "97.4", **off}
    wait_for(lambda: {path: listener.state(GARAGE, path) for path in expected} == expected)
    said = wait_for(lambda: listener.state(GARAGE, "0/last_pour_at"))
    assert said == time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at_ms // 1000)) + f".{at_ms % 1000:03d}+00:00"
    assert listener.availability() == "online"
    house.pour(17_000)
    wait_for(lambda: listener.state(GARAGE, "0/keg_low") == "ON", limit_s=90)


def test_the_entities_have_all_that_home_assistant_wants_until_the_server_stops(tmp_path: Path, broker: Broker, listener: Listener) -> None:
    words = ("--mqtt", f"mqtt://127.0.0.1:{broker.port}")
    with KegnetServer(tmp_path / "server", None, *words, listen=f"127.0.0.1:{free_port()}") as server:
        server.add_client(GARAGE, "", "Garage")
        house = Household(server)
        house.ping(4000)
        temperature = wait_for(lambda: listener.config(GARAGE, "temperature"))
        assert temperature["device_class"] == "temperature"
        assert temperature["unit_of_measurement"] == "°C"
        assert temperature["state_class"] == "measurement"
        assert temperature["expire_after"] == 1800
        assert temperature["device"]["name"] == "Garage"
        assert temperature["device"]["configuration_url"] == server.page_url
        assert listener.retained[temperature["availability_topic"]] == "online"
        silent = wait_for(lambda: listener.config(GARAGE, "silent"))
        assert silent["device_class"] == "problem"
        assert silent["device"]["identifiers"] == temperature["device"]["identifiers"]
        assert silent["unique_id"] != temperature["unique_id"]
    wait_for(lambda: listener.availability() == "offline")


def test_a_message_publishes_only_what_it_changes_and_the_same_temperature_again(house: Household, listener: Listener) -> None:
    house.server.add_client(CELLAR, "", "Cellar")
    for uuid in (GARAGE, CELLAR):
        house.ping(4000, uuid)
    # The last states of each client that are published.
    last = ((CELLAR, "silent"), (GARAGE, "0/keg_empty"), (CELLAR, "temperature"), (GARAGE, "temperature"))
    wait_for(lambda: all(listener.state(uuid, path) for uuid, path in last))
    before = len(listener.received)
    house.ping(5000, CELLAR)
    wait_for(lambda: listener.state(CELLAR, "temperature") == "5.000")
    assert listener.received[before:] == [(f"kegnet/{CELLAR}/temperature", "5.000")]
    # Otherwise it would expire in Home Assistant.
    house.ping(5000, CELLAR)
    wait_for(lambda: listener.received[before:] == [(f"kegnet/{CELLAR}/temperature", "5.000")] * 2)


def test_a_corrected_pour_lowers_the_amount_of_the_same_day(house: Household, listener: Listener) -> None:
    def today() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(listener.state(GARAGE, "0/today") or "{}")
        return found

    house.pour(1000)
    at_ms = house.pour(2000)
    wait_for(lambda: today().get("litres") == 3)
    first = today()
    with house.server.writing() as c:
        tap = find_tap(c, house.client().key, 0)
        assert tap is not None
        newest = max(last_pours(c, [tap.key], 9)[tap.key], key=lambda pour: pour.millilitres)
        correct(c, newest.key, CorrectionKind.DELETE, None, now_ms())
        announce(c, Change(frozenset({GARAGE}), frozenset({"pour"})))
    wait_for(lambda: today().get("litres") == 1)
    assert today()["since"] == first["since"]
    assert datetime.datetime.fromisoformat(first["since"]).timestamp() * 1000 <= at_ms
    config = listener.config(GARAGE, "0/today")
    assert config["state_class"] == "total", "with total_increasing the rest would count again"
    assert config["value_template"] == "{{ value_json.litres }}"
    assert config["last_reset_value_template"] == "{{ value_json.since }}"


def test_what_is_renamed_is_renamed_and_what_is_removed_disappears(house: Household, listener: Listener) -> None:
    house.ping(4000)
    wait_for(lambda: listener.state(GARAGE, "temperature") and listener.state(GARAGE, "0/left"))
    with house.server.writing() as c:
        set_client(c, GARAGE, now_ms=now_ms(), name="Shed")
    wait_for(lambda: listener.config(GARAGE, "silent")["device"]["name"] == "Shed")
    with house.server.writing() as c:
        set_tap(c, house.client().key, 0, hidden=True)
        announce(c, Change(frozenset({GARAGE}), frozenset({"tap"})))
    wait_for(lambda: listener.state(GARAGE, "0/left") is None and not listener.config(GARAGE, "0/today"))
    assert listener.state(GARAGE, "temperature") == "4.000"
    with house.server.writing() as c:
        remove_client(c, GARAGE, now_ms())
    wait_for(lambda: not [topic for topic in listener.retained if GARAGE in topic])


def test_what_was_removed_while_no_server_ran_disappears_at_its_start(
    house: Household, listener: Listener, broker: Broker, tmp_path: Path
) -> None:
    house.ping(4000)
    wait_for(lambda: listener.state(GARAGE, "temperature") and listener.state(GARAGE, "0/left"))
    with house.server.writing() as c:
        remove_client(c, GARAGE, now_ms())
        house.server.process.kill()
    others = {
        "homeassistant/sensor/kegnet_other/7c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c12_temperature/config": "{}",
        "kegnet/other/online": "online",
    }
    for topic, text in others.items():
        subprocess.run(["mosquitto_pub", "-p", str(broker.port), "-r", "-q", "1", "-t", topic, "-m", text], check=True)
    with KegnetServer(tmp_path / "server", None, "--mqtt", f"mqtt://127.0.0.1:{broker.port}"):
        wait_for(lambda: not [topic for topic in listener.retained if GARAGE in topic])
        assert {topic: listener.retained.get(topic) for topic in others} == others


def test_a_late_will_does_not_make_the_kegs_unavailable(tmp_path: Path, broker: Broker, listener: Listener) -> None:
    """The network forgets the server's connection; the broker notices that only after the server is connected again."""
    with CutProxy(broker.port) as proxy, KegnetServer(tmp_path / "server", None, "--mqtt", f"mqtt://127.0.0.1:{proxy.port}") as server:
        server.add_client(GARAGE, "", "Garage")
        wait_for(lambda: listener.availability() == "online" and listener.state(GARAGE, "silent"))
        proxy.cut()
        wait_for(lambda: server.log().count("connected to the MQTT broker") == 2)
        proxy.close_far()
        Household(server).ping(4000)
        wait_for(lambda: listener.state(GARAGE, "temperature") == "4.000")
        assert listener.availability() == "online"
        # A will that comes as late as this one is of a session with another id, say of an older release.
        topic = next(topic for topic in listener.retained if topic.endswith("/online"))
        subprocess.run(["mosquitto_pub", "-p", str(broker.port), "-r", "-q", "1", "-t", topic, "-m", "offline"], check=True)
        wait_for(lambda: (topic, "offline") in listener.received and listener.availability() == "online")


def test_the_kegs_are_unavailable_once_the_server_was_killed(house: Household, listener: Listener) -> None:
    wait_for(lambda: listener.availability() == "online")
    house.server.process.kill()
    wait_for(lambda: listener.availability() == "offline")


def test_a_broker_that_lost_everything_gets_everything_again(tmp_path: Path, broker: Broker) -> None:
    with KegnetServer(tmp_path / "server", None, "--mqtt", f"mqtt://127.0.0.1:{broker.port}") as server:
        server.add_client(GARAGE, "", "Garage")
        with Listener(broker.port) as listener:
            wait_for(lambda: listener.state(GARAGE, "silent") == "OFF")
        broker.stop()
        command: list[str | Path] = ["/usr/sbin/mosquitto", "-c", tmp_path / "broker" / "conf"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as again:
            try:
                wait_for(
                    lambda: (
                        subprocess.run(["mosquitto_pub", "-p", str(broker.port), "-t", "x", "-n"], stderr=subprocess.DEVNULL).returncode
                        == 0
                    )
                )
                with Listener(broker.port) as listener:
                    wait_for(lambda: listener.state(GARAGE, "silent") == "OFF" and listener.config(GARAGE, "silent"))
            finally:
                again.terminate()


def test_a_broker_that_refuses_the_password_is_logged_once_and_without_it(tmp_path: Path) -> None:
    folder, port = tmp_path / "broker", free_port()
    folder.mkdir()
    (folder / "conf").write_text(f"listener {port} 127.0.0.1\nallow_anonymous false\n")
    with subprocess.Popen(["/usr/sbin/mosquitto", "-c", folder / "conf"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as broker:
        try:
            with configured(tmp_path / "server", mqtt=f"mqtt://kegnet:hunter2@127.0.0.1:{port}") as server:
                wait_for(lambda: "refuses the connection" in server.log())
                assert "hunter2" not in server.log()
                assert server.log().count("refuses the connection") == 1
        finally:
            broker.terminate()


@pytest.fixture
def installation(tmp_path: Path) -> str:
    """The id of the installation in `tmp_path / "server"`, which has a client."""
    with KegnetServer(tmp_path / "server") as server:
        server.add_client(GARAGE, "", "Garage")
        with server.database.reading() as c:
            return household(c).installation


def retain_old(port: int, installation: str, text: str) -> None:
    """Publishes what an installation of 1,500 clients has published."""
    retain(port, {f"homeassistant/sensor/kegnet_{installation}/{uuid4()}_temperature/config" for _ in range(1500)}, text)


def found_configs(port: int, installation: str) -> set[str]:
    """The discovery topics of the installation: all, if they are not too many for the broker's queue."""
    return retained_topics(port, f"homeassistant/+/kegnet_{installation}/+/config")


def silent_config(installation: str) -> str:
    """The discovery topic of a client without messages and taps."""
    return f"homeassistant/binary_sensor/kegnet_{installation}/{GARAGE}_silent/config"


def test_more_old_topics_than_the_broker_queues_delay_nothing_and_disappear(tmp_path: Path, broker: Broker, installation: str) -> None:
    retain_old(broker.port, installation, "x" * 500)
    with KegnetServer(tmp_path / "server", None, "--mqtt", f"mqtt://127.0.0.1:{broker.port}") as server:
        wait_for(lambda: retained_topics(broker.port, f"kegnet/{GARAGE}/silent"), limit_s=90)
        wait_for(lambda: found_configs(broker.port, installation) == {silent_config(installation)}, limit_s=240)
        assert "can remain" not in server.log()


def test_old_topics_that_the_broker_drops_disappear_after_the_others(tmp_path: Path, installation: str) -> None:
    broker = Broker(tmp_path / "broker", "max_queued_messages 100\n")
    retain_old(broker.port, installation, "x" * 20_000)
    # 30 MB are more than the sockets buffer of a connection that is read slowly.
    proxy = CutProxy(broker.port, pause_s=0.01)
    try:
        with proxy, KegnetServer(tmp_path / "server", None, "--mqtt", f"mqtt://127.0.0.1:{proxy.port}") as server:
            wait_for(lambda: retained_topics(broker.port, f"kegnet/{GARAGE}/silent"), limit_s=90)
            wait_for(lambda: found_configs(broker.port, installation) == {silent_config(installation)}, limit_s=240)
            assert "can remain" not in server.log()
    finally:
        broker.stop()


@pytest.mark.parametrize("forbidden", ["homeassistant/#", "kegnet/#"])
def test_a_broker_that_does_not_send_topics_gets_the_states_and_is_logged_once(tmp_path: Path, installation: str, forbidden: str) -> None:
    (tmp_path / "broker").mkdir()
    acl, (allowed,) = tmp_path / "broker" / "acl", {"homeassistant/#", "kegnet/#"} - {forbidden}
    acl.write_text(f"topic write {forbidden}\ntopic readwrite {allowed}\nuser reader\ntopic readwrite #\n")
    broker = Broker(tmp_path / "broker", f"acl_file {acl}\nuser root\n")
    try:
        with CutProxy(broker.port) as proxy, KegnetServer(tmp_path / "server", None, "--mqtt", f"mqtt://127.0.0.1:{proxy.port}") as server:
            wait_for(lambda: retained_topics(broker.port, f"kegnet/{GARAGE}/silent"), limit_s=90)
            wait_for(lambda: "topics of what was removed can remain" in server.log(), limit_s=120)
            proxy.cut()
            wait_for(lambda: server.log().count("connected to the MQTT broker") == 2, limit_s=90)
            Household(server).ping(4000)
            wait_for(lambda: retained_topics(broker.port, f"kegnet/{GARAGE}/temperature"), limit_s=90)
            with server.writing() as c:
                remove_client(c, GARAGE, now_ms())
            wait_for(lambda: not retained_topics(broker.port, f"kegnet/{GARAGE}/+"), limit_s=240)
            assert server.log().count("can remain") == 1
    finally:
        broker.stop()


def test_a_broker_that_cannot_be_reached_is_logged_once_until_it_was_there(tmp_path: Path) -> None:
    port = free_port()
    with configured(tmp_path / "server", mqtt=f"mqtt://kegnet:hunter2@127.0.0.1:{port}") as server:

        def warnings() -> list[str]:
            return [line for line in server.log().splitlines() if "MQTT" in line and f"127.0.0.1:{port} cannot be reached" in line]

        wait_for(warnings, limit_s=90)
        # It tries again after 1, 2 and 4 s.
        assert stays(lambda: len(warnings()) == 1, for_s=8)
        assert "Connection refused" in warnings()[0]
        broker = Broker(tmp_path / "broker", port=port)
        wait_for(lambda: "connected to the MQTT broker" in server.log(), limit_s=120)
        broker.stop()
        wait_for(lambda: len(warnings()) == 2, limit_s=90)
        assert "hunter2" not in server.log()


def test_a_broker_whose_certificate_is_not_trusted_is_logged_with_the_reason(tmp_path: Path, certificate: Certificate) -> None:
    broker = Broker(tmp_path / "broker", f"certfile {certificate.certificate}\nkeyfile {certificate.key}\nuser root\n")
    try:
        with KegnetServer(tmp_path / "server", None, "--mqtt", f"mqtts://127.0.0.1:{broker.port}") as server:
            wait_for(lambda: f"127.0.0.1:{broker.port} cannot be reached" in server.log(), limit_s=90)
            assert "certificate verify failed" in server.log()
    finally:
        broker.stop()


@pytest.mark.usefixtures("installation")
def test_what_an_error_left_unpublished_is_published_without_another_change(tmp_path: Path, broker: Broker, listener: Listener) -> None:
    with KegnetServer(tmp_path / "server", None, "--mqtt", f"mqtt://127.0.0.1:{broker.port}") as server:
        wait_for(lambda: listener.state(GARAGE, "silent"), limit_s=90)
        with server.writing() as c:
            c.exec_driver_sql("ALTER TABLE setting RENAME TO elsewhere")
            announce(c, Change(frozenset({GARAGE}), frozenset({"client"})))
        wait_for(lambda: re.search("MQTT: .*; next try in 10 s", server.log()), limit_s=90)
        with server.writing() as c:
            c.exec_driver_sql("ALTER TABLE elsewhere RENAME TO setting")
            # Not announced.
            c.exec_driver_sql("UPDATE client SET name = 'Shed'")
        wait_for(lambda: listener.config(GARAGE, "silent")["device"]["name"] == "Shed", limit_s=45)


# --- Prometheus


def read(server: KegnetServer, path: str) -> str:
    with urllib.request.urlopen(server.page_url + path) as answer:
        return str(answer.read().decode())


def metric(text: str, metric_name: str, /, **labels: str) -> float | None:
    """The value of a metric with these labels among others."""
    for line in text.splitlines():
        if re.match(rf"{metric_name}[{{ ]", line) and all(f'{label}="{value}"' in line for label, value in labels.items()):
            return float(line.rpartition(" ")[2])
    return None


def test_prometheus_reads_the_clients_their_kegs_and_their_alarms(house: Household) -> None:
    house.ping(4187)
    house.pour(500)
    text = read(house.server, "metrics")
    assert metric(text, "kegnet_temperature_celsius", client=GARAGE, name="Garage") == 4.187
    assert metric(text, "kegnet_keg_left_litres", client=GARAGE, pin="0", tap="tap 0") == 18.5
    assert metric(text, "kegnet_keg_volume_litres", client=GARAGE) == 19.0
    assert metric(text, "kegnet_poured_today_litres", client=GARAGE) == 0.5
    assert metric(text, "kegnet_clients") == 1
    assert metric(text, "kegnet_open_alarms") == 0
    heard = metric(text, "kegnet_last_message_timestamp_seconds", client=GARAGE)
    assert heard is not None and 0 <= time.time() - heard < 60
    house.pour(17_000)
    wait_for(lambda: metric(read(house.server, "metrics"), "kegnet_alarm", client=GARAGE, pin="0", kind="keg low") == 1, limit_s=90)
    assert metric(read(house.server, "metrics"), "kegnet_open_alarms") == 1


def test_what_a_hidden_tap_pours_counts_by_its_own_k_factor_when_it_is_shown(tmp_path: Path) -> None:
    (sender,) = signed.senders(1, 1)
    with KegnetServer(tmp_path / "server") as server:

        def pour(pin: int, pulses: int) -> None:
            form = signed.form(sender, pin=pin, pulses=pulses, et=8213, ts=now_ms()).encode()
            with urllib.request.urlopen(f"{server.base_url}/pour", form) as answer:
                assert answer.status == 200

        def litres(pin: int) -> float | None:
            return metric(read(server, "metrics"), "kegnet_poured_litres_total", client=sender.uuid, pin=str(pin))

        server.add_client(sender.uuid, sender.public, "Garage")
        server.set_tap(sender.uuid, 17, pulses_per_litre=10_000, hidden=True)
        pour(17, 10_000)
        pour(4, 5600)
        assert (litres(17), litres(4)) == (None, 1.0), "nobody has calibrated tap 4"
        server.set_tap(sender.uuid, 17, hidden=False)
        # Gauges that were made slowly are kept for some seconds.
        wait_for(lambda: litres(17) is not None, limit_s=90)
        assert (litres(17), litres(4)) == (1.0, 1.0)


def test_each_metric_of_the_grafana_dashboard_exists_and_metrics_answer_get_only(house: Household) -> None:
    dashboard = (REPOSITORY / "service/grafana-dashboard.json").read_text()
    json.loads(dashboard)
    wanted = set(re.findall(r"kegnet_[a-z_]+", dashboard))
    exported = set(re.findall(r"^# TYPE (\S+)", read(house.server, "metrics"), re.MULTILINE))
    assert len(wanted) > 5
    assert wanted - exported == set()
    request = urllib.request.Request(house.server.page_url + "metrics", data=b"")
    with pytest.raises(urllib.error.HTTPError, match="405"):
        urllib.request.urlopen(request)


# --- Notifications


def notified(folder: Path, *hooks: Webhook, secret: str = "hunter2") -> KegnetServer:
    """A server that notifies the hooks."""
    return configured(folder, notify=" ".join(f"json://kegnet:{secret}@127.0.0.1:{hook.port}/hook-{secret}" for hook in hooks))


def add_silent(server: KegnetServer, uuid: str = GARAGE, name: str = "Garage") -> None:
    """A client that was added long ago and has never sent anything, although the server has been on since then."""
    with server.writing() as c:
        set_receiving(c, 0, now_ms())
        set_client(c, uuid, now_ms=LONG_AGO, public_key="", name=name)


def test_people_are_notified_when_an_alarm_begins_and_when_it_ends(tmp_path: Path) -> None:
    with Webhook() as hook, notified(tmp_path / "server", hook) as server:
        add_silent(server)
        wait_for(lambda: hook.titles == ["KegNet: Garage: silent"], limit_s=90)
        Household(server).ping(4000)
        wait_for(lambda: hook.titles == ["KegNet: Garage: silent", "KegNet: Garage: silent is over"], limit_s=90)
        assert "since 2023-11-1" in hook.delivered[0]["message"]


def test_a_notification_that_fails_is_sent_again_until_it_is_delivered(tmp_path: Path) -> None:
    with Webhook(status=500) as hook, notified(tmp_path / "server", hook) as server:
        add_silent(server)
        wait_for(lambda: "next try in" in server.log(), limit_s=90)
        hook.status = 200
        wait_for(lambda: hook.titles == ["KegNet: Garage: silent"], limit_s=90)
        assert "hunter2" not in server.log()
        assert "127.0.0.1" in server.log()


def test_a_receiver_that_fails_repeats_nothing_for_another_after_a_comma(tmp_path: Path) -> None:
    with Webhook(status=500) as broken, Webhook() as hook:
        notify = f"json://127.0.0.1:{broken.port}/,json://127.0.0.1:{hook.port}/"
        with configured(tmp_path / "server", notify=notify) as server:
            add_silent(server)
            wait_for(lambda: broken.attempts >= 2 and hook.delivered, limit_s=90)
            broken.status = 200
            wait_for(lambda: broken.delivered, limit_s=90)
            assert hook.titles == ["KegNet: Garage: silent"]


def test_old_notifications_are_dropped_and_logged_without_secrets(tmp_path: Path) -> None:
    folder = tmp_path / "server"
    with Webhook() as hook:
        with KegnetServer(folder) as server, server.writing() as c:
            client = set_client(c, GARAGE, now_ms=now_ms(), public_key="", name="Garage")
        # While no server runs, which would drop them.
        with server.writing() as c:
            old = begin_alarm(c, client.key, None, "silent", now_ms() - 3 * 3600_000)
            end_alarm(c, old.key, now_ms() - 2 * 3600_000)
        with notified(folder, hook) as server:
            wait_for(lambda: "could not be sent for an hour are dropped: 2" in server.log(), limit_s=90)
            assert f"notify: json://127.0.0.1:{hook.port}: notifications" in server.log()
            assert "hunter2" not in server.log()
        assert hook.attempts == 0


def test_a_notification_survives_a_restart(tmp_path: Path) -> None:
    with Webhook(status=500) as hook:
        with notified(tmp_path / "server", hook) as server:
            add_silent(server)
            wait_for(lambda: hook.attempts, limit_s=90)
        hook.status = 200
        with notified(tmp_path / "server", hook):
            wait_for(lambda: hook.titles == ["KegNet: Garage: silent"], limit_s=90)


def test_two_servers_notify_once(tmp_path: Path) -> None:
    with Webhook() as hook, notified(tmp_path / "server", hook) as server, notified(tmp_path / "server", hook):
        add_silent(server)
        wait_for(lambda: hook.delivered, limit_s=90)
        Household(server).ping(4000)
        wait_for(lambda: len(hook.delivered) >= 2, limit_s=90)
        assert stays(lambda: len(hook.delivered) == 2, 1.5)


def test_nobody_is_silent_because_the_server_was_off(tmp_path: Path) -> None:
    """The client could reach no server. That it was too warm before is reported."""
    folder = tmp_path / "server"
    with Webhook() as hook:
        with KegnetServer(folder) as server, server.writing() as c:
            client = set_client(c, GARAGE, now_ms=LONG_AGO, public_key="", name="Garage")
        with server.writing() as c:
            set_receiving(c, 0, now_ms() - 45 * 60_000)
            set_limits(c, client.key, None, 1000)
        house = Household(server)
        house.ping(5000, at_ms=now_ms() - 60 * 60_000)
        house.ping(5000, at_ms=now_ms() - 45 * 60_000)
        with notified(folder, hook):
            wait_for(lambda: hook.titles, limit_s=90)
        assert hook.titles == ["KegNet: Garage: too warm"]


def test_an_address_that_never_answers_holds_up_no_other_one_and_no_stop(tmp_path: Path) -> None:
    with Webhook(status=None) as hanging, Webhook() as hook, notified(tmp_path / "server", hanging, hook) as server:
        add_silent(server)
        wait_for(lambda: hanging.attempts and hook.titles == ["KegNet: Garage: silent"], limit_s=90)
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 20


def test_many_alarms_are_one_message(tmp_path: Path) -> None:
    with Webhook() as hook, notified(tmp_path / "server", hook) as server:
        with server.writing() as c:
            set_receiving(c, 0, now_ms())
            for number in range(30):
                set_client(c, f"00000000-0000-4000-8000-{number:012d}", now_ms=LONG_AGO, public_key="", name=f"Fridge {number:02d}")
        wait_for(lambda: hook.titles == ["KegNet: 30 alarms began or ended"], limit_s=90)
        assert hook.delivered[0]["message"].splitlines()[-1] == "and 10 more"


def test_an_e_mail_has_the_lines_and_the_names_as_they_are(tmp_path: Path) -> None:
    with Mailbox() as mailbox:
        address = f"mailto://127.0.0.1:{mailbox.port}?from=kegs@example.org&to=bar@example.org"
        with configured(tmp_path / "server", notify=address) as server:
            with server.writing() as c:
                set_household(c, time_zone="UTC")
                set_receiving(c, 0, now_ms())
                for uuid, name in ((GARAGE, "Garage <left>"), (CELLAR, "Bar & <b>grill</b>")):
                    set_client(c, uuid, now_ms=LONG_AGO, public_key="", name=name)
            wait_for(lambda: mailbox.mails, limit_s=90)
    body = mailbox.mails[0].get_body(("html",))
    assert body is not None
    assert sorted(as_shown(body.get_content()).splitlines()) == [
        "Bar & <b>grill</b>: silent since 2023-11-14 22:43",
        "Garage <left>: silent since 2023-11-14 22:43",
    ]


def as_shown(page: str) -> str:
    """The text of an HTML page as a reader of mail shows it: only a `<br>` makes a line."""
    lines = re.split(r"<br ?/?>", " ".join(page.split()))
    return "\n".join(html.unescape(re.sub(r"<[^>]*>", "", line)).replace("\xa0", " ").strip() for line in lines)


def test_an_address_that_apprise_does_not_know_is_refused_at_the_start(tmp_path: Path) -> None:
    server = KegnetServer(tmp_path / "server", None, "--notify", "nonsense://hunter2/x", wait=False)
    assert server.process.wait(60) == os.EX_CONFIG
    assert "notify: nonsense://…" in server.log()
    assert "hunter2" not in server.log()


# --- Kegboard


def post(server: KegnetServer, *events: dict[str, Any], token: str | None = None, **fields: Any) -> tuple[int, dict[str, Any]]:
    """Sends a batch; the answer."""
    batch = {"v": 1, "device": DEVICE, "boot_id": "9f3a2c1b", "sent_uptime_ms": 8123456, "events": list(events), **fields}
    return send(server, json.dumps(batch).encode(), token)


def send(server: KegnetServer, body: bytes, token: str | None = None) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(server.page_url).netloc, timeout=30)
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    connection.request("POST", "/kegboard-event", body, headers)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, json.loads(text) if answer.status in (200, 400, 401) else {}


def status(number: int = 1, dropped: int = 0) -> dict[str, Any]:
    config = {"heartbeat_ms": 60000, "pour_update_ms": 1000, "queue_capacity": 16}
    data = {"state": "heartbeat", "fw_version": "4.0.0", "uptime_ms": 12345, "events_dropped": dropped, "config": config}
    return {"id": number, "type": "status", "age_ms": 0, "data": data}


def board_pour(number: int, age_ms: int = 4200, **data: Any) -> dict[str, Any]:
    pour_id = f"5f8e2c34-9d1b-4a7e-b02c-{number:012d}"
    return {
        "id": number,
        "type": "pour",
        "age_ms": age_ms,
        "data": {"meter_number": 0, "pour_id": pour_id, "volume_ml": 355.2, "duration_ms": 7100, **data},
    }


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[KegnetServer]:
    with KegnetServer(tmp_path / "server") as made:
        yield made


@pytest.fixture
def token(plain: KegnetServer) -> str:
    """Of a board that was accepted."""
    post(plain, status())
    with plain.writing() as c:
        accept_board(c, DEVICE, now_ms())
    return str(post(plain, status())[1]["pairing"]["token"])


def board_pours(server: KegnetServer) -> list[tuple[float, int]]:
    """The board's pours: millilitres, and when they began."""
    with server.database.reading() as c:
        client = find_client(c, board_uuid(DEVICE))
        assert client is not None
        taps = [tap.key for tap in taps_of(c, [client.key])]
        return [(pour.millilitres, pour.at_ms) for pours in last_pours(c, taps, 10).values() for pour in pours]


def test_a_board_waits_until_it_is_accepted_and_gets_its_token_once(plain: KegnetServer) -> None:
    assert post(plain, status()) == (401, {"pairing": {"state": "pending"}})
    with plain.database.reading() as c:
        (board,) = waiting_boards(c)
    assert (board.device, board.address, board.denied) == (DEVICE, "127.0.0.1", False)
    with plain.writing() as c:
        accept_board(c, DEVICE, now_ms())
        assert waiting_boards(c) == []
    status_code, content = post(plain, status())
    assert (status_code, content["pairing"]["state"]) == (401, "allowed")
    token = content["pairing"]["token"]
    assert post(plain, status(), token=token) == (200, {"commands": []})
    assert post(plain, status()) == (401, {"pairing": {"state": "pending"}})
    assert token not in plain.log()


def test_a_wrong_token_is_not_accepted(plain: KegnetServer, token: str) -> None:
    assert post(plain, board_pour(1), token=token + "0")[0] == 401
    assert post(plain, board_pour(1), token="")[0] == 401
    assert board_pours(plain) == []


def test_a_board_that_was_refused_stops_asking_and_an_address_has_a_share_of_the_list(plain: KegnetServer) -> None:
    post(plain, status())
    with plain.writing() as c:
        assert deny_board(c, DEVICE)
    assert post(plain, status()) == (401, {"pairing": {"state": "denied"}})
    for number in range(30):
        assert post(plain, status(), device=f"invented-{number}")[0] == 401
    with plain.database.reading() as c:
        boards = waiting_boards(c)
    assert 2 <= len(boards) <= 4, "2 in 30 s, which may have ended in between"
    assert [board.device for board in boards if board.denied] == [DEVICE]


def test_a_boards_pour_counts_with_the_millilitres_that_it_measured(plain: KegnetServer, token: str) -> None:
    before = now_ms()
    assert post(plain, board_pour(1), token=token)[0] == 200
    ((millilitres, at_ms),) = board_pours(plain)
    assert millilitres == pytest.approx(355.2)
    # It ended 4.2 s before it was sent, and took 7.1 s.
    assert 0 <= at_ms - (before - 4200 - 7100) < 60_000
    assert metric(read(plain, "metrics"), "kegnet_poured_litres_total", client=board_uuid(DEVICE), pin="0") == pytest.approx(0.3552)
    assert metric(read(plain, "metrics"), "kegnet_messages_total", endpoint="kegboard", result="accepted") == 1


def test_an_event_that_is_sent_again_counts_once(plain: KegnetServer, token: str) -> None:
    for age_ms in (4200, 9200, 64_200):
        assert post(plain, board_pour(1, age_ms), status(2), token=token)[0] == 200
    assert post(plain, board_pour(1, 70_000), board_pour(1, 70_000), token=token)[0] == 200
    assert len(board_pours(plain)) == 1
    # Another boot counts its events from 1 again.
    assert post(plain, board_pour(1), token=token, boot_id="00000001")[0] == 200
    assert len(board_pours(plain)) == 2


def test_a_boards_first_sensor_is_its_temperature(plain: KegnetServer, token: str) -> None:
    def reading(number: int, sensor: str, celsius: float) -> dict[str, Any]:
        return {"id": number, "type": "temperature", "age_ms": 0, "data": {"sensor": sensor, "temp_c": celsius}}

    assert post(plain, reading(1, "thermo-28ff", 4.25), reading(2, "thermo-28aa", 21.0), token=token)[0] == 200
    with plain.database.reading() as c:
        client = find_client(c, board_uuid(DEVICE))
        assert client is not None
        assert latest_readings(c, [client.key])[client.key].millicelsius == 4250


def test_a_board_without_a_thermometer_is_not_silent_while_it_reports_its_status(plain: KegnetServer, token: str) -> None:
    with plain.writing() as c:
        set_receiving(c, 0, now_ms())
        c.exec_driver_sql(f"UPDATE client SET added_ms = {LONG_AGO}")
        set_limits(c, find_client(c, board_uuid(DEVICE)).key, None, 6000)  # type: ignore[union-attr]
    wait_for(lambda: alarm_ends(plain) == [False], limit_s=90)
    assert post(plain, status(), token=token)[0] == 200
    wait_for(lambda: alarm_ends(plain) == [True], limit_s=90)


def alarm_ends(server: KegnetServer) -> list[bool]:
    """Of each alarm of the board, whether it is over."""
    with server.database.reading() as c:
        client = find_client(c, board_uuid(DEVICE))
        assert client is not None
        return [alarm.ended_ms is not None for alarm in alarms_of(c, client.key, 0)]


def test_an_unknown_event_or_one_with_wrong_data_does_not_take_the_others_with_it(plain: KegnetServer, token: str) -> None:
    wrong: list[dict[str, Any]] = [
        {"volume_ml": -1},
        {"volume_ml": "1"},
        {"volume_ml": 1e300},
        {"meter_number": 1001},
        {"meter_number": True},
        {"duration_ms": 1.5},
        {"pour_id": ""},
    ]
    events = [board_pour(number, **data) for number, data in enumerate(wrong, 2)]
    assert post(plain, *events, board_pour(1), token=token)[0] == 200
    assert len(board_pours(plain)) == 1
    assert plain.log().count("is left out") == len(wrong)
    new = {"id": 1, "type": "humidity", "age_ms": 0, "data": {"percent": 60}, "extra": [1]}
    assert post(plain, new, token=token, more={"x": 1}) == (200, {"commands": []})


def test_a_batch_of_16_kib_is_accepted_and_neither_a_larger_one_nor_what_is_no_batch(plain: KegnetServer, token: str) -> None:
    event = board_pour(1, tick_series="0:1")
    filled = json.dumps({"v": 1, "device": DEVICE, "boot_id": "1", "sent_uptime_ms": 0, "events": [event]}).encode()
    assert send(plain, filled + b" " * (16 * 1024 - len(filled)), token)[0] == 200
    assert send(plain, filled + b" " * (16 * 1024 - len(filled) + 1), token)[0] == 413
    assert send(plain, b"{")[0] == 400
