"""The running daemon and its thermometer."""

from __future__ import annotations

import time

import pytest
from support.keg import PROBE, Keg
from support.kegnet_server import KegnetServer
from support.pki import signature
from support.scripted_server import ScriptedServer
from support.wait import stays

SHORTED = "00 00 00 00 00 00 00 00 00 : crc=00 YES\n00 00 00 00 00 00 00 00 00 t=0\n"
POWER_ON = "50 05 4b 46 7f ff 0c 10 1c : crc=1c YES\n50 05 4b 46 7f ff 0c 10 1c t=85000\n"
STARVED = "ff 07 4b 46 7f ff 0c 10 a1 : crc=a1 YES\nff 07 4b 46 7f ff 0c 10 a1 t=127937\n"
CRC_ERROR = "43 01 4b 46 7f ff 0c 10 97 : crc=9a NO\n43 01 4b 46 7f ff 0c 10 97 t=20187\n"
NOBODY = "ff ff ff ff ff ff ff ff ff : crc=c9 NO\nff ff ff ff ff ff ff ff ff t=-62\n"
IMPOSSIBLE = "43 01 4b 46 7f ff 0c 10 97 : crc=97 YES\n43 01 4b 46 7f ff 0c 10 97 t=125001\n"


def test_a_temperature_is_sent_as_a_ping(keg: Keg, kegnet: KegnetServer) -> None:
    keg.answer("43 01 4b 46 7f ff 0c 10 97 : crc=97 YES\n43 01 4b 46 7f ff 0c 10 97 t=20187\n")
    before_ms = time.time_ns() // 10**6
    keg.start()
    ping = kegnet.wait_for_messages("ping", keg)[0]
    assert ping["temp"] == 20187
    assert before_ms <= int(str(ping["ts"])) <= time.time_ns() // 10**6
    assert "20.187 °C" in keg.syslog.wait("ping accepted")


def test_a_ping_is_signed_as_openssl_signs_it(scripted_keg: Keg, scripted_server: ScriptedServer) -> None:
    scripted_keg.start()
    fields = scripted_server.wait_for_requests("/ping")[0].fields
    assert fields["sig"] == signature(scripted_keg.key, f"{scripted_keg.client_id},{fields['temp']},{fields['ts']}")


def test_version_1_of_the_api_gets_seconds(keg: Keg, kegnet: KegnetServer) -> None:
    before_s = int(time.time())
    keg.start(serviceBaseURL=kegnet.base_url.replace("/v2", "/v1/"))
    ping = kegnet.wait_for_messages("ping", keg)[0]
    assert before_s <= int(str(ping["ts"])) <= time.time()


@pytest.mark.parametrize("millicelsius", [0, -3250, 125_000, -55_000])
def test_an_ordinary_temperature_is_sent_zero_included(keg: Keg, kegnet: KegnetServer, millicelsius: int) -> None:
    keg.temperature(millicelsius)
    keg.start()
    assert kegnet.wait_for_messages("ping", keg)[0]["temp"] == millicelsius


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (SHORTED, "shorted to ground"),
        (POWER_ON, "lost power"),
        (STARVED, "too little power"),
        (CRC_ERROR, "CRC error"),
        (NOBODY, "does not answer"),
        ("", "empty answer"),
        (IMPOSSIBLE, "t=125001"),
        ("rubbish\n", "gave text that w1_therm does not write"),
    ],
    ids=["shorted", "power-on", "starved", "crc", "nobody", "empty", "impossible", "rubbish"],
)
def test_without_a_reading_there_is_no_ping_and_one_log_line(
    scripted_keg: Keg, scripted_server: ScriptedServer, answer: str, said: str
) -> None:
    scripted_keg.answer(answer)
    scripted_keg.start(pingInterval=1)
    scripted_keg.syslog.wait(f"no temperature, so no ping: .*{said}")
    assert stays(lambda: not scripted_server.requests, 2.5)
    assert len(scripted_keg.syslog.lines("no temperature")) == 1
    scripted_keg.temperature(4250)
    scripted_server.wait_for_requests("/ping")
    scripted_keg.syslog.wait(f"thermometer found: {PROBE} reads 4.250")


def test_a_probe_that_is_unplugged_and_plugged_in_again_is_lost_and_found(scripted_keg: Keg, scripted_server: ScriptedServer) -> None:
    scripted_keg.start(pingInterval=1)
    scripted_server.wait_for_requests("/ping")
    scripted_keg.unplug()
    scripted_keg.syslog.wait("no temperature, so no ping: no thermometer on the 1-Wire bus")
    sent = len(scripted_server.requests)
    scripted_keg.temperature(4250)
    scripted_server.wait_for_requests("/ping", sent + 1)
    scripted_keg.syslog.wait("thermometer found")


def test_a_phantom_is_not_a_thermometer_and_is_named(scripted_keg: Keg, scripted_server: ScriptedServer) -> None:
    scripted_keg.unplug()
    scripted_keg.answer(SHORTED, probe="00-400000000000")
    scripted_keg.start()
    scripted_keg.syslog.wait(r"only phantoms \(00-")
    assert not scripted_server.requests


def test_the_probe_named_in_the_configuration_is_read_and_no_other(keg: Keg, kegnet: KegnetServer) -> None:
    keg.answer("", probe="10-000000000001")
    keg.temperature(4250)
    keg.start(sensor=PROBE)
    assert kegnet.wait_for_messages("ping", keg)[0]["temp"] == 4250


def test_pings_go_on_at_their_interval(scripted_keg: Keg, scripted_server: ScriptedServer) -> None:
    scripted_keg.start(pingInterval=1)
    scripted_server.wait_for_requests("/ping")
    connections = scripted_server.connections
    scripted_server.wait_for_requests("/ping", 4)
    assert scripted_server.connections == connections, "one kept connection serves them all"


def test_a_rejected_ping_is_logged_once_and_the_next_is_sent_at_its_time(scripted_keg: Keg, scripted_server: ScriptedServer) -> None:
    scripted_server.ping_answer = lambda connection, _: connection.answer(400, b"bad temp")
    scripted_keg.start(pingInterval=1)
    scripted_server.wait_for_requests("/ping", 3)
    assert len(scripted_keg.syslog.lines(r"ping rejected as invalid \(400 Bad Request: bad temp\)")) == 1


def test_without_a_sensor_there_are_no_pings_and_pours_are_sent(scripted_keg: Keg, scripted_server: ScriptedServer) -> None:
    scripted_keg.start(sensor="none", pingInterval=1)
    scripted_keg.pour()
    scripted_server.wait_for_requests("/pour")
    assert stays(lambda: not scripted_server.paths("/ping"), 2)
    assert not scripted_keg.syslog.lines("no temperature")


def test_a_probe_that_is_plugged_in_is_read_within_15_seconds(scripted_keg: Keg, scripted_server: ScriptedServer) -> None:
    scripted_keg.unplug()
    scripted_keg.start()
    scripted_keg.syslog.wait("no thermometer on the 1-Wire bus")
    scripted_keg.temperature(4250)
    scripted_server.wait_for_requests("/ping", limit_s=40)
