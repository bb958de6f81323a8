"""Counting on the kernel's own GPIO interface, with the kernel's simulator of a chip, whose edges are interrupts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.wait import wait_for
from system.flow_meters import FlowMeters
from system.guest import ONE_AT_A_TIME, Guest

pytestmark = ONE_AT_A_TIME

INPUT, FALLING, RISING, PULL_UP, USED = 1 << 2, 1 << 5, 1 << 4, 1 << 8, 1 << 0


@pytest.fixture(scope="module")
def guest(flow_meters: FlowMeters) -> Guest:
    """The guest with the simulator loaded; no meter runs."""
    return flow_meters.guest


def run(guest: Guest, scenario: str) -> Any:
    """What a scenario of gpio_scenarios.py saw."""
    output = guest.sh(f"cd /share/source && PYTHONPATH=lib:tests timeout 500 python3 -B -m system.gpio_scenarios {scenario}")
    return json.loads(output.splitlines()[-1])


def test_a_pin_is_found_by_the_label_of_the_chip_or_the_name_of_the_line_never_by_a_number(guest: Guest) -> None:
    seen = run(guest, "found")
    assert seen["by_label"] == ["pinctrl-bcm2711", True, 17]
    assert seen["device"] != "gpiochip0"
    assert seen["by_name"] == ["an expander", "GPIO60", 3]
    assert seen["missing"]["problem"] == "no GPIO chip has a line GPIO61 (chips: an expander with 8 lines, pinctrl-bcm2711 with 54 lines)"


def test_a_chip_of_a_future_pi_is_found_by_the_names_of_its_lines(guest: Guest) -> None:
    assert run(guest, "found_by_name_only") == ["pinctrl-of-2031", "GPIO17", 20]


def test_a_user_without_permission_gets_the_fix(guest: Guest) -> None:
    seen = run(guest, "denied")
    assert seen["problem"].startswith("no permission to open /dev/gpiochip")
    assert "group" in seen["fix"]


def test_pulses_that_nobody_reads_are_counted_though_the_queue_is_full(guest: Guest) -> None:
    edges, more = run(guest, "unread")
    assert [number for _, number in edges] == list(range(3000 - 1024 + 1, 3001))
    assert [stamp for stamp, _ in edges] == sorted(stamp for stamp, _ in edges)
    assert more == 0


def test_a_line_in_use_is_reported_with_its_user(guest: Guest) -> None:
    seen = run(guest, "busy")
    assert seen["problem"] == "GPIO line 17 of pinctrl-bcm2711 is in use by 'kegnet-meter'"
    assert "another pin" in seen["fix"]


def test_edge_and_bias_are_those_of_the_configuration(guest: Guest) -> None:
    assert run(guest, "settings") == {
        "falling pull-up": [1, 1, 0, 1],
        "falling pull-down": [0, 0, 0, 1],
        "rising pull-up": [1, 0, 1, 0],
        "rising pull-down": [0, 0, 1, 0],
    }


def test_a_descriptor_of_an_earlier_process_goes_on_counting(guest: Guest) -> None:
    seen = run(guest, "adopted")
    assert seen["numbers"] == list(range(1, 16))
    assert seen["flags"] == USED | INPUT | RISING | PULL_UP
    another_line, no_line = seen["wrong"]
    assert "another GPIO line than 17" in another_line["problem"]
    assert "is not a request for a GPIO line" in no_line["problem"]


def test_a_meter_that_is_killed_loses_no_edge_because_systemd_keeps_its_descriptor(guest: Guest) -> None:
    properties = "-p FileDescriptorStoreMax=1 -p NotifyAccess=main -p Restart=on-failure -p RestartSec=0 -p StandardOutput=file:/run/kept"
    place = "-p WorkingDirectory=/share/source -E PYTHONPATH=lib:tests"
    guest.sh(f"systemd-run --quiet --unit=kept {properties} {place} python3 -B -m system.gpio_scenarios kept")
    output = wait_for(lambda: guest.sh("cat /run/kept 2>/dev/null || true"), 120, every_s=0.5)
    assert json.loads(output) == [str(number) for number in range(1, 16)]


def test_ten_thousand_pulses_on_two_lines_at_once_are_counted_to_the_pulse(guest: Guest) -> None:
    seen = run(guest, "two_lines")
    print(seen)
    assert seen["counted"] == [10_000, 10_000]
    assert seen["in_order"]


def test_a_flow_is_stamped_by_the_monotonic_clock(guest: Guest) -> None:
    seen = run(guest, "flow")
    print(seen)
    assert seen["numbers"] == [1, 900, 900]
    assert seen["within"]


def test_a_chip_that_is_removed_is_an_error_and_not_silence(guest: Guest) -> None:
    seen = run(guest, "removed")
    assert "the GPIO chip was removed" in seen["problem"]
