"""The installed kegnet-meter on a real kernel: pulses made are pulses counted, whatever happens. The tests share one machine, in this order."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterator

import pytest
from support.kegnet_server import KegnetServer
from support.pki import Certificate
from support.wait import wait_for
from system.conftest import PulseCounts
from system.flow_meters import HEADER, HOME, IDLE_S, SPOOL, FlowMeters, pulses_of
from system.guest import HOST, ONE_AT_A_TIME

pytestmark = ONE_AT_A_TIME

CLIENT = str(uuid.uuid4())
HERTZ = 300
PAUSE = f"--pause {IDLE_S + 0.6}"
MANY = 10**6
"""Pulses of a pour that is ended by hand."""
RETRY_S = 60
HOLDER = """
import time
from kegnet.meter import gpio
gpio.CONSUMER = "doorbell"
line = gpio.request_line(gpio.find_line(27), gpio.LineSettings(gpio.EdgeDirection.RISING, gpio.Bias.NONE))
time.sleep(10**6)
"""


@pytest.fixture(scope="module")
def meters(tmp_path_factory: pytest.TempPathFactory, ca: Certificate) -> Iterator[FlowMeters]:
    """Three flow meters; another program holds the line of the third. The clock is not set."""
    made = FlowMeters(tmp_path_factory.mktemp("meters"), ca)
    made.guest.sh(f"cat > /run/doorbell.py <<'end'\n{HOLDER}end")
    made.guest.sh("systemd-run --quiet --unit=doorbell -E PYTHONPATH=/share/source/lib python3 -B /run/doorbell.py")
    wait_for(lambda: "anon_inode" in made.guest.sh("ls -l /proc/$(systemctl show --value -p MainPID doorbell)/fd", check=False), 20, 0.2)
    made.configure(17, 22, 27)
    yield made
    made.guest.close()


@pytest.fixture(scope="module")
def freed_s(meters: FlowMeters) -> float:
    """When the other program has ended, by this machine's monotonic clock."""
    meters.guest.sh("systemctl stop doorbell")
    return time.monotonic()


def test_a_line_in_use_is_reported_and_keeps_no_other_line_from_counting(meters: FlowMeters) -> None:
    meters.wait_for_line(17)
    print(meters.guest.property("StatusText", "kegnet-meter"))
    assert "in use by 'doorbell'" in meters.guest.wait_for_log("GPIO line 27")
    assert "doorbell" in meters.guest.property("StatusText", "kegnet-meter")


def test_pours_before_the_clock_is_set_get_their_times_computed_back(meters: FlowMeters, pulses: PulseCounts, freed_s: float) -> None:
    first = meters.turn(17, [600]).wait()
    wait_for(lambda: meters.names(".running"), 20, 0.3)
    assert meters.names(".pour") == []
    second = meters.turn(22, [MANY]).wait_for(400)
    meters.set_clock(time.time())
    boot_s = meters.boot_unix_s()
    made = [*first.pours, *second.stop().pours]
    pours = meters.pours(2)
    assert [pour.pulses for pour in pours] == made
    began_s = [first.began_s[0], second.wait().began_s[0]]
    print([pour.ts / 1000 - boot_s - began for pour, began in zip(pours, began_s, strict=True)])
    assert all(abs(pour.ts / 1000 - boot_s - began) < 0.2 for pour, began in zip(pours, began_s, strict=True))
    pulses.add(made, [pour.pulses for pour in pours])


def test_two_flow_meters_at_once_are_counted_to_the_pulse_on_the_server(
    meters: FlowMeters, pulses: PulseCounts, kegnet: KegnetServer, request: pytest.FixtureRequest
) -> None:
    base_url = kegnet.base_url.replace("127.0.0.1", HOST)
    lines = f"[KegNet]\nuuid = {CLIENT}\nserviceBaseURL = {base_url}\nsensor = none\n"
    meters.guest.sh(f"printf '{lines}' > {HOME}/conf/client.conf")
    kegnet.add_client(CLIENT, meters.guest.sh(f"openssl rsa -in {HOME}/conf/privkey.pem -pubout 2>/dev/null"))
    meters.guest.sh("systemctl start kegnet-client")
    whole, rest = divmod(request.config.getoption("--pulses") // 2, 2500)
    each = [2500] * whole + [rest] * (rest > 0)
    wheels = [meters.turn(pin, each, PAUSE, f"--hertz {HERTZ}") for pin in (17, 22)]
    made = [wheel.wait(120 + sum(each) / 100).pours for wheel in wheels]
    wait_for(lambda: len(kegnet.messages_of("pour", CLIENT)) >= 2 * len(each), 60, 0.5)
    meters.guest.sh("systemctl stop kegnet-client")
    arrived = kegnet.messages_of("pour", CLIENT)
    counted = [[int(str(pour["pulses"])) for pour in arrived if pour["pin"] == pin] for pin in (17, 22)]
    pulses.add(sum(made, []), sum(counted, []))
    assert counted == made == [each, each]
    assert meters.names("") == []


def test_a_meter_that_is_stopped_for_five_seconds_counts_what_happened(meters: FlowMeters, pulses: PulseCounts) -> None:
    wheels = [meters.turn(pin, [MANY], f"--hertz {HERTZ}").wait_for(200) for pin in (17, 22)]
    meters.guest.sh("systemctl kill -s STOP kegnet-meter; sleep 5; systemctl kill -s CONT kegnet-meter")
    before = [wheel.progress() for wheel in wheels]
    made = [pulse for wheel, at in zip(wheels, before, strict=True) for pulse in wheel.wait_for(at + 200).stop().pours]
    pours = meters.pours(2)
    pulses.add(made, [pour.pulses for pour in pours])
    assert [*pulses_of(pours, 17), *pulses_of(pours, 22)] == made
    print(meters.guest.wait_for_log("queue"))


def test_a_kill_a_restart_and_an_upgrade_in_the_middle_of_pours(meters: FlowMeters, pulses: PulseCounts) -> None:
    long, short = meters.turn(17, [MANY], "--hertz 200"), meters.turn(22, [100] * 100, PAUSE)
    processes = [meters.pid()]
    for command in (
        "systemctl kill -s KILL kegnet-meter",
        "systemctl restart kegnet-meter",
        "systemctl kill -s KILL kegnet-meter",
        "/share/source/service/install",
    ):
        long.wait_for(long.progress() + 300)
        began = time.monotonic()
        meters.guest.sh(command)
        wait_for(lambda: meters.pid() not in (0, processes[-1]), 30, 0.2)
        processes.append(meters.pid())
        print(f"{command}: {time.monotonic() - began:.1f} s")
    long.wait_for(long.progress() + 300)
    made, made_short = long.stop(), short.stop()
    pours = meters.pours(1 + len(made_short.pours))
    pulses.add([*made.pours, *made_short.pours], [pour.pulses for pour in pours])
    assert len(set(processes)) == 5
    assert pulses_of(pours, 17) == made.pours
    assert pulses_of(pours, 22) == made_short.pours


def test_a_line_that_another_program_has_freed_is_counted_within_a_minute(meters: FlowMeters, pulses: PulseCounts, freed_s: float) -> None:
    meters.wait_for_line(27, max(1.0, freed_s + RETRY_S + 5 - time.monotonic()))
    made = meters.turn(27, [300]).wait()
    (pour,) = meters.pours(1)
    pulses.add(made.pours, [pour.pulses])
    assert (pour.pin, pour.pulses) == (27, 300)


def test_a_pin_that_is_removed_from_the_configuration_disturbs_no_other(meters: FlowMeters, pulses: PulseCounts) -> None:
    process = meters.pid()
    first, other = meters.turn(17, [300]), meters.turn(22, [MANY], f"--hertz {HERTZ}")
    first.wait()
    # The pour on this pin is not over yet; its pulses count.
    meters.configure(22)
    wait_for(lambda: not meters.guest.sh("ls /run/kegnet-meter/pin-17 2>/dev/null || true"), 20, 0.2)
    made = [*first.wait().pours, *other.wait_for(other.progress() + 300).stop().pours]
    pours = meters.pours(2)
    pulses.add(made, [pour.pulses for pour in pours])
    assert [*pulses_of(pours, 17), *pulses_of(pours, 22)] == made
    assert meters.pid() == process


def test_a_clock_that_repeats_itself_overwrites_no_pour(meters: FlowMeters, pulses: PulseCounts) -> None:
    now = time.time()
    meters.configure(17, idle_s=0.2)
    made = meters.turn(17, [20 + number for number in range(16)], "--pause 0.6", f"--at {now - 3600:.4f}").wait()
    wait_for(lambda: len(meters.names(".pour")) == len(made.pours), 20, 0.3)
    names = meters.names(".pour")
    print(names)
    pours = meters.pours(len(made.pours))
    pulses.add(made.pours, [pour.pulses for pour in pours])
    assert sorted(pour.pulses for pour in pours) == made.pours
    assert any(re.fullmatch(r"17\d+\.2\.pour", name) for name in names)
    meters.set_clock(now)


def test_a_power_cut_costs_two_seconds_of_one_pour_at_most(meters: FlowMeters, pulses: PulseCounts) -> None:
    meters.configure(17, 22)
    number = meters.guest.sh("cat /sys/kernel/config/gpio-sim/header/bank/chip_name")
    meters.chips(("expander", "an expander", 8), HEADER)
    meters.turn(22, [MANY], "--console", f"--hertz {HERTZ}")
    finished = meters.turn(17, [300, 400], PAUSE).wait()
    wait_for(lambda: len(meters.names(".pour")) == 2, 20, 0.3)
    meters.guest.cut_power()
    made = max(map(int, re.findall(r"made 22 (\d+)", meters.guest.console())))
    meters.guest.boot()
    wait_for(lambda: len(meters.names(".pour")) == 3 and not meters.names(".running"), 60, 0.5)
    assert meters.guest.sh("date +%Y").strip() == "1970"
    pours = meters.pours(3)
    assert pulses_of(pours, 17) == finished.pours
    (cut,) = pulses_of(pours, 22)
    print(f"{made} pulses made, {cut} counted: {(made - cut) / HERTZ:.2f} s are missing")
    assert made - 2 * HERTZ <= cut <= made + 20
    # The chip has another number now, and the clock is not set again.
    assert meters.guest.sh("cat /sys/kernel/config/gpio-sim/header/bank/chip_name") != number
    again = meters.turn(17, [500]).wait()
    wait_for(lambda: meters.names(".running"), 20, 0.3)
    meters.set_clock(time.time())
    (last,) = meters.pours(1)
    pulses.add([*finished.pours, made, *again.pours], [*(pour.pulses for pour in pours), last.pulses])
    assert last.pulses == 500
    assert abs(last.ts / 1000 - meters.boot_unix_s() - again.began_s[0]) < 0.2
    assert meters.guest.sh(f"ls {SPOOL}") == ""
