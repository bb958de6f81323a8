"""What other programs get: metrics, CSV, a description that holds, and a broker that is told."""

from __future__ import annotations

import http.client
import json
import subprocess
import time
import urllib.parse
import urllib.request
from pathlib import Path

from kegnet.server.history import make_up
from kegnet.server.page import STREAMS
from support.keg import Keg
from support.kegnet_server import KegnetServer
from support.pki import Certificate
from support.wait import wait_for
from system.container import CACHE


def test_home_assistant_finds_the_kegs_by_itself(keg: Keg, broker: int, certificate: Certificate, tmp_path: Path) -> None:
    server = KegnetServer(tmp_path / "server", certificate, "--mqtt", f"mqtt://127.0.0.1:{broker}")
    server.register(keg)
    server.store.set_client(keg.client_id, name="Garage", warmest=4000)
    keg.start(serviceBaseURL=server.base_url)
    server.wait_for_messages("ping", keg)
    keg.pour(f"0,2800,8213,{time.time_ns() // 10**6}\n")
    server.wait_for_messages("pour", keg)

    def told() -> dict[str, str]:
        command = ["mosquitto_sub", "-p", str(broker), "-t", "#", "-W", "1", "-F", "%t\t%p"]
        said = subprocess.run(command, capture_output=True, text=True).stdout
        return dict(line.split("\t", 1) for line in said.splitlines())

    base = f"kegnet/{keg.client_id}"
    wait_for(lambda: told().get(f"{base}/0/today") == "0.500")
    topics = told()
    assert topics["kegnet/online"] == "online"
    assert topics[f"{base}/temperature"] == "4.187"
    assert topics[f"{base}/alarm"] == "ON"
    found = json.loads(topics[f"homeassistant/sensor/kegnet_{keg.client_id}_temperature/config"])
    assert found["state_topic"] == f"{base}/temperature"
    assert (found["device"]["name"], found["device_class"], found["unit_of_measurement"]) == ("Garage", "temperature", "°C")
    server.process.kill()
    wait_for(lambda: told().get("kegnet/online") == "offline", limit_s=30)
    server.stop()


def test_the_description_holds_whatever_is_asked(keg: Keg, tmp_path: Path) -> None:
    server = KegnetServer(tmp_path / "server", None)
    server.register(keg)
    make_up(server.store, keg.client_id, (0, 2), time.time_ns() // 10**6)
    # As a program below the environment's python, for its own first line names the place where it was made.
    command: list[str | Path] = [
        CACHE / "schemathesis/bin/python",
        "-m",
        "schemathesis.cli",
        "run",
        f"{server.page_url}api/openapi.json",
    ]
    done = subprocess.run([*command, "--max-examples", "50"], stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    server.stop()
    assert done.returncode == 0, done.stdout
    assert "No issues found" in done.stdout


def test_metrics_and_csv(keg: Keg, tmp_path: Path) -> None:
    server = KegnetServer(tmp_path / "server", None)
    server.register(keg)
    keg.start(serviceBaseURL=server.base_url)
    server.wait_for_messages("ping", keg)
    ts = time.time_ns() // 10**6
    keg.pour(f"0,2800,8213,{ts}\n")
    server.wait_for_messages("pour", keg)

    def get(path: str) -> str:
        with urllib.request.urlopen(server.page_url + path) as answer:
            return str(answer.read().decode())

    name = keg.client_id[:8]
    assert f'kegnet_temperature_celsius{{client="{keg.client_id}",name="{name}"}} 4.187' in get("metrics")
    assert f'kegnet_poured_today_litres{{client="{keg.client_id}",name="{name}",pin="0",tap="tap 0"}} 0.5' in get("metrics")
    assert get(f"csv/{keg.client_id}/pours.csv") == f"at_ms,pin,pulses,et\r\n{ts},0,2800,8213\r\n"
    assert get(f"csv/{keg.client_id}/temperatures.csv").splitlines()[1].endswith(",4187")
    server.stop()


def test_readers_who_come_and_go_leave_room_for_others_and_too_many_are_told(keg: Keg, tmp_path: Path) -> None:
    server = KegnetServer(tmp_path / "server", None)
    address = urllib.parse.urlsplit(server.page_url).netloc

    def listen() -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(address, timeout=10)
        connection.request("GET", "/events")
        return connection

    for _ in range(3 * STREAMS):
        listen().close()
    server.store.set_client(keg.client_id, public_key="x")

    def room() -> bool:
        listeners = [listen() for _ in range(STREAMS + 1)]
        statuses = [connection.getresponse().status for connection in listeners]
        for connection in listeners:
            connection.close()
        return statuses == [200] * STREAMS + [503]

    # Who has gone is noticed when there is something to say, twice; those of one try, before the next.
    server.register(keg)
    keg.start(serviceBaseURL=server.base_url, pingInterval=1)
    wait_for(room, limit_s=120, every_s=6)
    server.stop()
