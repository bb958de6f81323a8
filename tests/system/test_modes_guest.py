"""The modes of the installed kegnet-meter on a real kernel with a simulated chip. The tests share one machine, in this order."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from support.pki import Certificate
from support.wait import wait_for
from system.flow_meters import HOME, FlowMeters, Wheel
from system.guest import ONE_AT_A_TIME

pytestmark = ONE_AT_A_TIME

HOLDER = """
import time
from kegnet.meter import gpio
gpio.request_line(gpio.find_line(27), gpio.LineSettings(), "doorbell")
time.sleep(10**6)
"""


@pytest.fixture(scope="module")
def meters(tmp_path_factory: pytest.TempPathFactory, ca: Certificate) -> Iterator[FlowMeters]:
    """A fresh guest: its meter.conf is the installed template, with three pins. Another program holds the line of one."""
    made = FlowMeters(tmp_path_factory.mktemp("modes"), ca)
    made.make_header()
    made.guest.sh(f"cat > /run/doorbell.py <<'end'\n{HOLDER}end")
    made.guest.sh("systemd-run --quiet --unit=doorbell -E PYTHONPATH=/share/source/lib python3 -B /run/doorbell.py")
    wait_for(lambda: "anon_inode" in made.guest.sh("ls -l /proc/$(systemctl show --value -p MainPID doorbell)/fd", check=False), 120, 0.2)
    made.guest.sh("kegnet-meter --setup --pin 17 --pin 22 --pin 27 --pulses-per-litre 17=5600 --report-as 17=0")
    made.guest.sh("systemctl stop kegnet-meter")
    yield made
    made.guest.close()


def findings(meters: FlowMeters) -> dict[str, list[tuple[str, str, str]]]:
    """What --check finds: levels, texts and fixes by subject."""
    output = meters.guest.sh("kegnet-meter --check --json || true")
    print(output)
    found: dict[str, list[tuple[str, str, str]]] = {}
    for one in json.loads(output)["findings"]:
        found.setdefault(one["what"], []).append((one["level"], one["text"], one["fix"]))
    return found


def watch(meters: FlowMeters, before: str = "") -> None:
    """Starts --watch, with the command `before` it, and with its output in a file."""
    command = f"exec {before} kegnet-meter --watch >/run/watched 2>&1"
    meters.guest.sh(f"rm -f /run/watched; systemd-run --quiet --collect --unit=watch sh -c '{command}'")
    wait_for(lambda: "pin 22: 0 pulses" in meters.guest.sh("cat /run/watched 2>/dev/null || true"), 120, 0.2)


def watched(meters: FlowMeters) -> list[str]:
    """Ends --watch, and returns its output."""
    meters.guest.sh("systemctl kill -s INT watch")
    wait_for(lambda: not meters.guest.sh("systemctl is-active -q watch && echo runs || true"), 120, 0.2)
    output = meters.guest.sh("cat /run/watched")
    print(output)
    return output.splitlines()


def test_check_names_the_chip_the_lines_and_who_uses_them(meters: FlowMeters) -> None:
    found = findings(meters)
    ((level, text, _),) = found["chip"]
    assert level == "ok", text
    assert "pinctrl-bcm2711, belongs to root:gpio, mode 0660" in text
    assert found["pin 17"] == [("ok", "line 17 of pinctrl-bcm2711; nobody uses it now", "")]
    assert found["pin 27"][0][:2] == ("failure", "line 27 of pinctrl-bcm2711 is in use by 'doorbell'")
    assert found["kernel"][0][0] == "ok"
    assert {level for level, _, _ in found["noise"]} == {"ok"}
    assert found["spool"][0][0] == "ok"


def test_watch_requests_the_lines_itself_and_releases_them(meters: FlowMeters) -> None:
    watch(meters)
    Wheel(meters.guest, 17).turn([500]).wait()
    wait_for(lambda: "pin 17: 500 pulses" in meters.guest.sh("cat /run/watched"), 120, 0.3)
    lines = watched(meters)
    assert "kegnet-meter: pin 27: GPIO line 27 of pinctrl-bcm2711 is in use by 'doorbell'; fix: " in "\n".join(lines)
    assert lines[-2].startswith("pin 17: 500 pulses = 0.089 l; at most ")
    assert lines[-1] == "pin 22: 0 pulses; noise 0"
    assert meters.names("") == []
    assert findings(meters)["pin 17"] == [("ok", "line 17 of pinctrl-bcm2711; nobody uses it now", "")]


def test_watch_shows_what_the_service_counts_and_the_service_counts_on(meters: FlowMeters) -> None:
    meters.guest.sh("systemctl start kegnet-meter")
    meters.wait_for_line(22)
    assert findings(meters)["pin 17"] == [("ok", "line 17 of pinctrl-bcm2711; kegnet-meter counts it", "")]
    watch(meters)
    meters.turn(22, [400]).wait()
    wait_for(lambda: "pin 22: 400 pulses" in meters.guest.sh("cat /run/watched"), 120, 0.3)
    lines = watched(meters)
    assert lines[-1].startswith("pin 22: 400 pulses; at most ")
    assert wait_for(lambda: [name for name in meters.names("") if name.startswith("22")], 120, 0.3)


def test_a_user_without_the_chip_sees_what_the_service_counts(meters: FlowMeters) -> None:
    watch(meters, "setpriv --reuid=nobody --clear-groups")
    done = "\n".join(watched(meters))
    assert "The service counts" in done
    assert "pin 17: 0 pulses" in done


def test_a_chip_that_the_service_cannot_open_is_a_failure_with_the_fix(meters: FlowMeters) -> None:
    meters.guest.sh("chgrp root /dev/gpiochip*")
    try:
        ((level, text, fix),) = findings(meters)["chip"]
    finally:
        meters.guest.sh("chgrp gpio /dev/gpiochip*")
    assert level == "failure"
    assert "kegnet-meter cannot open it" in text
    assert "/etc/udev/rules.d" in fix


def test_the_installed_template_was_filled_in(meters: FlowMeters) -> None:
    text = meters.guest.sh(f"cat {HOME}/conf/meter.conf")
    assert "#idle = 1200" in text
    assert "[Pin 17]\nreportAs = 0\npulsesPerLitre = 5600\n" in text
