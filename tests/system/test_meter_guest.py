"""The installed kegnet-meter on a real kernel: pulses made are pulses counted, whatever happens. They share a machine, in this order."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Mapping
from itertools import chain

import pytest
from kegnet.core.messages import Pour
from support.kegnet_server import KegnetServer
from support.wait import wait_for
from system.conftest import PulseCounts
from system.flow_meters import HEADER, HOME, IDLE_S, SPOOL, FlowMeters, Pulses, compare, pulses_of
from system.guest import HOST, ONE_AT_A_TIME
from system.pulse_maker import PROGRESS_EVERY

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
line = gpio.request_line(gpio.find_line(27), gpio.LineSettings(gpio.EdgeDirection.RISING, gpio.Bias.NONE), "doorbell")
time.sleep(10**6)
"""


@pytest.fixture(scope="module")
def meters(flow_meters: FlowMeters) -> FlowMeters:
    """Three flow meters; another program holds the line of the third. The clock is not set."""
    made = flow_meters
    made.make_header()
    made.guest.sh(f"cat > /run/doorbell.py <<'end'\n{HOLDER}end")
    made.guest.sh("systemd-run --quiet --unit=doorbell -E PYTHONPATH=/share/source/lib python3 -B /run/doorbell.py")
    wait_for(lambda: "anon_inode" in made.guest.sh("ls -l /proc/$(systemctl show --value -p MainPID doorbell)/fd", check=False), 120, 0.2)
    made.configure(17, 22, 27)
    return made


@pytest.fixture(scope="module")
def freed_s(meters: FlowMeters) -> float:
    """When the other program has ended, by this machine's monotonic clock."""
    meters.guest.sh("systemctl stop doorbell")
    return time.monotonic()


def check(meters: FlowMeters, pulses: PulseCounts, made: Mapping[int, Pulses]) -> list[Pour]:
    """Fails unless the spool has every pulse that was made, once; the pours."""
    number = sum(sum(each.pours) for each in made.values())
    pours = meters.pours(number)
    pulses.add(number, [pour.pulses for pour in pours])
    compare(made, {pin: pulses_of(pours, pin) for pin in made})
    return pours


def test_a_line_in_use_is_reported_and_keeps_no_other_line_from_counting(meters: FlowMeters) -> None:
    meters.wait_for_line(17)
    print(meters.guest.property("StatusText", "kegnet-meter"))
    assert "in use by 'doorbell'" in meters.guest.wait_for_log("GPIO line 27")
    assert "doorbell" in meters.guest.property("StatusText", "kegnet-meter")


def test_pours_before_the_clock_is_set_get_their_times_computed_back(meters: FlowMeters, pulses: PulseCounts, freed_s: float) -> None:
    wheel = meters.turn(22, [MANY])
    made = {17: meters.turn(17, [600]).wait()}
    wait_for(lambda: "finished" in meters.guest.sh(f"cat {SPOOL}/17*.running || true"), 120, 0.3)
    assert meters.names(".pour") == []
    meters.set_clock(time.time())
    made[22] = wheel.wait_for(wheel.progress() + 100).stop()
    pours = check(meters, pulses, made)
    boot_s = meters.boot_unix_s()
    for pin in made:
        first = next(pour for pour in pours if pour.pin == pin)
        assert abs(first.ts / 1000 - boot_s - made[pin].began_s[0]) < 0.2


def test_two_flow_meters_at_once_are_counted_to_the_pulse_on_the_server(
    meters: FlowMeters, pulses: PulseCounts, kegnet: KegnetServer, request: pytest.FixtureRequest
) -> None:
    base_url = kegnet.base_url.replace("127.0.0.1", HOST)
    lines = f"[KegNet]\nuuid = {CLIENT}\nserviceBaseURL = {base_url}\nsensor = none\n"
    meters.guest.sh(f"printf '{lines}' > {HOME}/conf/client.conf")
    kegnet.add_client(CLIENT, meters.guest.sh(f"openssl rsa -in {HOME}/conf/privkey.pem -pubout 2>/dev/null"))
    meters.guest.sh("touch /run/client-on; systemctl start kegnet-client")
    number = request.config.getoption("--pulses") // 2
    each = [2500] * (number // 2500) + [number % 2500] * (number % 2500 > 0)
    wheels = [meters.turn(pin, each, PAUSE, f"--hertz {HERTZ}") for pin in (17, 22)]
    made = {wheel.pin: wheel.wait(120 + number / 50) for wheel in wheels}

    def arrived() -> dict[int, list[int]]:
        messages = sorted(kegnet.messages_of("pour", CLIENT), key=lambda message: int(str(message["ts"])))
        return {pin: [int(str(message["pulses"])) for message in messages if message["pin"] == pin] for pin in made}

    wait_for(lambda: sum(map(sum, arrived().values())) >= 2 * number and not meters.names(""), 60, 0.5)
    meters.guest.sh("systemctl stop kegnet-client; rm /run/client-on")
    pulses.add(2 * number, list(chain(*arrived().values())))
    compare(made, arrived())


def test_a_meter_that_is_stopped_for_five_seconds_counts_what_happened(meters: FlowMeters, pulses: PulseCounts) -> None:
    wheels = [meters.turn(pin, [MANY], f"--hertz {HERTZ}").wait_for(200) for pin in (17, 22)]
    meters.guest.sh("systemctl kill -s STOP kegnet-meter; sleep 5")
    # More than the kernel's queue has room for.
    most = max(wheel.progress() for wheel in wheels)
    wheels[0].wait_for(most + 1024)
    meters.guest.sh("systemctl kill -s CONT kegnet-meter")
    made = {wheel.pin: wheel.wait_for(wheel.progress() + 100).stop() for wheel in wheels}
    pours = meters.pours(sum(sum(each.pours) for each in made.values()))
    pulses.add(sum(sum(each.pours) for each in made.values()), [pour.pulses for pour in pours])
    # The stamps of what overflowed the queue are gone: the meter cannot tell whether the flow paused there.
    assert {pin: sum(pulses_of(pours, pin)) for pin in made} == {pin: sum(each.pours) for pin, each in made.items()}
    print(meters.guest.wait_for_log("lost from the kernel's queue but counted"))


def test_a_kill_a_restart_and_an_upgrade_in_the_middle_of_pours(meters: FlowMeters, pulses: PulseCounts) -> None:
    # 10 and 8 pulses a second: a start on a busy machine ends before the kernel's queue of 1,024 is full.
    long, short = meters.turn(17, [MANY], "--hertz 10"), meters.turn(22, [20] * 500, PAUSE)
    processes = [meters.pid()]
    for command in ("systemctl kill -s KILL kegnet-meter", "systemctl restart kegnet-meter", "/share/source/service/install"):
        long.wait_for(long.progress() + 50)
        began = time.monotonic()
        meters.guest.sh(command)
        wait_for(lambda: meters.pid() not in (0, processes[-1]), 60, 0.2)
        processes.append(meters.pid())
        print(f"{command}: {time.monotonic() - began:.1f} s")
    made = {wheel.pin: wheel.wait_for(wheel.progress() + 50).stop() for wheel in (long, short)}
    assert len(set(processes)) == 4
    check(meters, pulses, made)


def test_a_line_that_another_program_has_freed_is_counted_within_a_minute(meters: FlowMeters, pulses: PulseCounts, freed_s: float) -> None:
    meters.wait_for_line(27, max(1.0, freed_s + RETRY_S + 5 - time.monotonic()))
    check(meters, pulses, {27: meters.turn(27, [300]).wait()})


def test_a_pin_that_is_removed_from_the_configuration_disturbs_no_other(meters: FlowMeters, pulses: PulseCounts) -> None:
    process = meters.pid()
    other = meters.turn(22, [MANY], f"--hertz {HERTZ}")
    made = {17: meters.turn(17, [300]).wait()}
    # The pour on this pin is not over yet; its pulses count.
    meters.configure(22)
    wait_for(lambda: not meters.guest.sh("ls /run/kegnet-meter/pin-17 2>/dev/null || true"), 120, 0.2)
    made[22] = other.wait_for(other.progress() + 300).stop()
    check(meters, pulses, made)
    assert meters.pid() == process


def test_a_clock_that_repeats_itself_overwrites_no_pour(meters: FlowMeters, pulses: PulseCounts) -> None:
    now = time.time()
    meters.configure(17, idle_s=0.2)
    made = meters.turn(17, [20 + number for number in range(12)], "--pause 0.6", f"--at {now - 3600:.4f}").wait()
    wait_for(lambda: sum(pour.pulses for pour in meters.read_pours()) == sum(made.pours) and not meters.names(".running"), 120, 0.3)
    names = meters.names(".pour")
    print(names)
    pours = meters.pours(sum(made.pours))
    pulses.add(sum(made.pours), [pour.pulses for pour in pours])
    assert any(re.fullmatch(r"17\d+\.2\.pour", name) for name in names)
    assert sorted(pour.pulses for pour in pours) == made.pours or made.longest_gap_s > 0.1
    meters.set_clock(now)


def test_a_power_cut_costs_two_seconds_of_one_pour_at_most(meters: FlowMeters, pulses: PulseCounts) -> None:
    meters.configure(17, 22)
    number = meters.chip_number()
    meters.chips(("expander", "an expander", 8), HEADER)
    meters.turn(22, [MANY], "--console", f"--hertz {HERTZ}")
    finished = meters.turn(17, [300, 400], PAUSE).wait()
    wait_for(lambda: sum(pulses_of(meters.read_pours(), 17)) == 700, 120, 0.3)
    lacked, held_up_s = meters.oldest_checkpoint(22, 5.0)
    print(f"the file of the running pour lacked {lacked} pulses at most: {lacked / HERTZ:.2f} s, held up for {held_up_s:.2f} s")
    meters.guest.cut_power()
    made = max(map(int, re.findall(r"made 22 (\d+)", meters.guest.console())))
    meters.guest.boot()
    wait_for(lambda: meters.pid() and not meters.names(".running"), 180, 0.5)
    assert meters.guest.sh("date +%Y").strip() == "1970"
    pours = meters.read_pours()
    assert sum(pulses_of(pours, 17)) == sum(finished.pours)
    cut = sum(pulses_of(pours, 22))
    print(f"{made} pulses made, {cut} counted: {(made - cut) / HERTZ:.2f} s are missing")
    # A checkpoint waits for the disk twice.
    most = (2 + 2 * held_up_s) * HERTZ
    assert lacked <= most
    assert made - most <= cut <= made + PROGRESS_EVERY
    # The chip has another number now, and the clock is not set again.
    assert meters.chip_number() != number
    again = meters.turn(17, [500]).wait()
    wait_for(lambda: "finished" in meters.guest.sh(f"cat {SPOOL}/17*.running || true"), 120, 0.3)
    meters.set_clock(time.time())
    pours = meters.pours(sum(finished.pours) + cut + 500)
    pulses.add(sum(finished.pours) + made + 500, [pour.pulses for pour in pours])
    assert [sum(pulses_of(pours, pin)) for pin in (17, 22)] == [sum(finished.pours) + 500, cut]
    assert min(abs(pour.ts / 1000 - meters.boot_unix_s() - again.began_s[0]) for pour in pours) < 0.2
    assert meters.guest.sh(f"ls {SPOOL}") == ""
