"""The running flow-meter daemon: pulses made are pulses sent, whatever happens."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.flow_meter import MS, FlowMeter, S
from support.wait import stays, wait_for, wait_until_same

Maker = Callable[..., FlowMeter]
CALIBRATED = "pulsesPerLitre = 1000"


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Maker]:
    """Makes a daemon with these pins."""
    made: list[FlowMeter] = []

    def maker(*pins: int) -> FlowMeter:
        made.append(FlowMeter(tmp_path / f"meter{len(made)}", *pins))
        return made[-1]

    yield maker
    for meter in made:
        meter.close()


@pytest.fixture
def meter(make: Maker) -> FlowMeter:
    """A daemon with a flow meter at pin 17 that is not started yet."""
    return make(17)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, with 64 KiB."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


# Pours.


def test_a_pour_is_a_file_with_its_pulses_its_duration_and_its_start(meter: FlowMeter) -> None:
    meter.write_config(pins={17: "reportAs = 3\npulsesPerLitre = 1000"})
    meter.start()
    end_ms = time.time_ns() // MS
    end_ns = time.monotonic_ns()
    latest_ms = time.time_ns() // MS
    meter.wheels[17].turn(1001, end_ns, 10 * MS)
    meter.wait_for_all()
    [(pin, pulses, et, ts)] = meter.pours()
    assert (pin, pulses, et) == (3, 1001, 10_000)
    assert end_ms - 100 < ts + 10_000 < latest_ms + 100
    assert meter.names("") == [f"3{ts}.pour"]
    assert f"pin 17: 1001 pulses (1.001 l) in 10.0 s: 3{ts}.pour" in meter.syslog.wait("1001 pulses")
    meter.wait_for_status("pin 17: idle; today 1 pour, 0 drips")


def test_the_status_shows_a_running_pour(make: Maker) -> None:
    meter = make(17, 18)
    meter.write_config("idle = 30000", {17: "", 18: CALIBRATED})
    meter.start()
    meter.wheels[17].turn(176)
    meter.wheels[18].turn(210, interval_ns=20 * MS)
    meter.wait_for_status("pin 17: pouring, 176 pulses so far; pin 18: pouring, 0.210 l so far; today 0 pours, 0 drips")


def test_records_that_come_in_pieces_count(meter: FlowMeter) -> None:
    meter.write_config("idle = 30000")
    meter.start()
    records = meter.wheels[17].records(200)
    for start in range(0, len(records), 100):
        os.write(meter.wheels[17].write_end, records[start : start + 100])
    meter.end_pours("200 pulses so far")
    meter.wait_for_all()
    assert len(meter.pours()) == 1


def test_edges_that_the_queue_has_lost_count_and_are_reported(meter: FlowMeter) -> None:
    meter.start()
    wheel = meter.wheels[17]
    now = time.monotonic_ns()
    first = wheel.records(100, now)
    wheel.lose(1234)
    wheel.write(first + wheel.records(100, now))
    meter.wait_for_all()
    assert len(meter.pours()) == 1
    assert "1434 pulses in 0.6 s, 1234 of them lost" in meter.syslog.wait("1434 pulses")
    meter.wait_for_status("1234 pulses lost from the kernel's queue but counted")


def test_the_sequence_number_wraps(meter: FlowMeter) -> None:
    meter.wheels[17].seqno = 2**32 - 200
    meter.start(env={"RUNTIME_DIRECTORY": ""})
    meter.wheels[17].turn(170)
    meter.wait_for_all()
    meter.wheels[17].turn(170)
    meter.wait_for_all()


def test_two_pins_at_once(make: Maker) -> None:
    meter = make(17, 18)
    meter.write_config("idle = 30000")
    meter.start()
    for _ in range(10):
        for wheel in meter.wheels.values():
            wheel.turn(30)
        time.sleep(0.09)
    meter.end_pours("17: pouring, 300 pulses so far; pin 18: pouring, 300 pulses so far")
    meter.wait_for_all()
    assert [(pin, pulses) for pin, pulses, _, _ in meter.pours()] == [(17, 300), (18, 300)]


def test_drips_are_not_sent_but_counted(meter: FlowMeter) -> None:
    meter.start()
    meter.wheels[17].turn(5)
    meter.wait_for_status("pin 17: idle; today 0 pours, 1 drip")
    assert meter.names("") == []


def test_a_stopped_process_counts_when_it_goes_on(meter: FlowMeter) -> None:
    meter.write_config("idle = 30000")
    meter.start()
    meter.wheels[17].turn(200)
    meter.signal(signal.SIGSTOP)
    meter.wheels[17].spin(1.5)
    meter.signal(signal.SIGCONT)
    meter.end_pours(f"{meter.made()} pulses so far")
    meter.wait_for_all()
    assert len(meter.pours()) == 1


def test_the_gas_of_an_empty_keg_is_reported_and_not_sent(meter: FlowMeter) -> None:
    meter.write_config(pins={17: CALIBRATED})
    meter.start()
    now = time.monotonic_ns()
    wheel = meter.wheels[17]
    wheel.write(wheel.records(200, now - 2 * S, 20 * MS) + wheel.records(1000, now, 2 * MS))
    meter.wait_for_status("pin 17: idle, keg probably empty; today 1 pour, 0 drips")
    meter.syslog.wait("keg is probably empty")
    wait_for(lambda: len(meter.pours()) == 1)
    assert 200 <= meter.sent() <= 202
    meter.wheels[17].turn(200, interval_ns=20 * MS)
    meter.wait_for_status("pin 17: idle; today 2 pours")


def test_a_leak_is_reported_at_once_and_not_sent(meter: FlowMeter) -> None:
    meter.write_config("idle = 30000\nminimumPulses = 5", {17: CALIBRATED})
    meter.start()
    meter.wheels[17].turn(10, time.monotonic_ns() - 10 * S, 5 * S)
    wait_for(lambda: meter.names(".running"))
    meter.wheels[17].turn(2, time.monotonic_ns(), 5 * S)
    meter.wheels[17].turn(8, time.monotonic_ns() + 40 * S, 5 * S)
    meter.wait_for_status("pin 17: leaking, ")
    meter.syslog.wait("a leak: ")
    wait_for(lambda: not meter.names(""))


def test_a_leak_that_comes_and_goes_does_not_fill_the_log(meter: FlowMeter) -> None:
    meter.write_config("idle = 30000\nlongest = 90", {17: CALIBRATED})
    meter.uptime_s = 3600
    meter.start()
    start_ns = time.monotonic_ns()
    for minutes in range(0, 40, 2):
        # A minute of 0.8 ml/s, and one of 1.1 ml/s.
        meter.wheels[17].turn(50, start_ns + minutes * 60 * S, 1200 * MS)
        meter.wheels[17].turn(75, start_ns + (minutes + 1) * 60 * S, 900 * MS)
    meter.syslog.wait("a leak: ")
    meter.syslog.wait("a pour ran for 90 s")
    meter.wait_for_status("pin 17: idle")
    assert stays(lambda: "pin 17: idle" in meter.status, 0.5)
    assert 1 <= len(meter.syslog.lines("a leak: ")) <= 10
    assert len(meter.syslog.lines("the leak of ")) <= 10
    assert 1 <= len(meter.syslog.lines("a pour ran for 90 s")) <= 10


def test_noise_is_reported_once_an_hour(meter: FlowMeter) -> None:
    meter.start()
    for _ in range(3):
        meter.wheels[17].turn(60, interval_ns=100_000)
        time.sleep(0.4)
    meter.syslog.wait("are noise")
    meter.wait_for_status("today 0 pours, 3 drips")
    assert len(meter.syslog.lines("are noise")) == 1


def test_the_drips_of_a_day_are_logged_at_its_end(meter: FlowMeter) -> None:
    to_midnight_s = 86_400 - int(time.time() + 30) % 86_400
    offset = f"{to_midnight_s // 3600}:{to_midnight_s % 3600 // 60:02}:{to_midnight_s % 60:02}"
    # A time zone in which it is midnight in about 30 seconds: UTC plus the offset.
    meter.start(env={"TZ": f"TST-{offset}"})
    meter.wheels[17].turn(5)
    wait_for(lambda: any("1 drip" in text for text in list(meter.notifications.datagrams)))
    meter.syslog.wait("pin 17: 1 drip of 5 pulses in all since midnight", 90)
    meter.wait_for_status("today 0 pours, 0 drips")


# Restarts.


def test_a_pour_goes_on_after_a_kill(meter: FlowMeter) -> None:
    meter.write_config("idle = 30000")
    meter.start()
    meter.wheels[17].turn(200)
    wait_for(lambda: meter.names(".running"))
    meter.kill()
    meter.wheels[17].turn(200)
    meter.start(until="goes on with 200 pulses")
    meter.wheels[17].turn(200)
    meter.end_pours("600 pulses so far")
    meter.wait_for_all()
    assert len(meter.pours()) == 1


def test_a_pour_goes_on_after_sigterm(meter: FlowMeter) -> None:
    meter.write_config("idle = 30000")
    meter.start()
    meter.wheels[17].turn(200)
    wait_for(lambda: meter.names(".running"))
    meter.wheels[17].turn(100)
    assert meter.stop() == 0
    [running] = meter.names("")
    assert ",300,0," in (meter.spool / running).read_text()
    meter.start(until="goes on with 300 pulses")
    meter.wheels[17].turn(200)
    meter.end_pours("500 pulses so far")
    meter.wait_for_all()
    assert len(meter.pours()) == 1


def test_a_pour_that_ended_while_nothing_ran_is_written_at_the_start(meter: FlowMeter) -> None:
    meter.write_config("idle = 30000")
    meter.start()
    meter.wheels[17].turn(200)
    wait_for(lambda: meter.names(".running"))
    meter.kill()
    meter.wheels[17].turn(100, 0)
    meter.write_config("idle = 300")
    time.sleep(0.4)
    meter.start()
    meter.wait_for_all()


def test_topping_up_counts_across_a_restart(meter: FlowMeter) -> None:
    meter.start()
    meter.wheels[17].turn(200)
    meter.wait_for_all()
    meter.kill()
    # Directly after the pour before, however long the kill took.
    meter.wheels[17].turn(20, 0)
    meter.start()
    meter.wait_for_all()
    assert len(meter.pours()) == 2


def test_a_pour_goes_on_without_a_state_file(meter: FlowMeter) -> None:
    meter.write_config("idle = 30000")
    meter.start()
    meter.wheels[17].turn(200)
    wait_for(lambda: meter.names(".running"))
    meter.kill()
    (meter.runtime / "pin-17").unlink()
    meter.wheels[17].turn(200)
    meter.start(until="goes on with 200 pulses")
    meter.end_pours("400 pulses so far")
    meter.wait_for_all()
    assert len(meter.pours()) == 1


def test_what_was_counted_before_is_not_counted_again_if_nothing_is_known_of_it(meter: FlowMeter) -> None:
    meter.wheels[17].seqno = 5000
    meter.start(env={"RUNTIME_DIRECTORY": ""})
    meter.wheels[17].turn(200)
    meter.wait_for_all()


def test_after_a_reboot_the_checkpoint_is_completed(meter: FlowMeter) -> None:
    meter.write_config("idle = 30000")
    meter.start()
    meter.wheels[17].turn(200)
    wait_for(lambda: meter.names(".running"))
    meter.kill()
    (meter.runtime / "pin-17").unlink()
    [name] = meter.names(".running")
    text = (meter.spool / name).read_text()
    (meter.spool / name).write_text(re.sub("^pouring,[0-9a-f-]*,", "pouring,00000000-0000-0000-0000-000000000000,", text))
    meter.start()
    meter.wait_for_all()
    meter.syslog.wait("completed a pour of an earlier start or boot: 200 pulses")


def scenario(meter: FlowMeter) -> None:
    """Edges in the queue of a daemon that starts: two pours, one of them without a checkpoint, a drip, and one that runs."""
    now = time.monotonic_ns()
    meter.wheels[17].turn(200, now - 30 * S)
    meter.wheels[17].turn(170, now - 28 * S)
    meter.wheels[17].turn(2, now - 26 * S)  # Topping up.
    meter.wheels[17].turn(300, now)


def system_calls(make: Maker) -> int:
    """How many system calls a daemon makes in the scenario."""
    meter = make(17)
    count = meter.folder / "count"
    scenario(meter)
    meter.start(f"count={count}")
    meter.wait_for_all()
    assert stays(lambda: len(meter.pours()) == 4, 0.3)
    return int(count.read_text())


PARTS = 4


@pytest.mark.parametrize("part", range(PARTS))
def test_a_kill_at_any_system_call_loses_no_pulse_and_counts_none_twice(make: Maker, part: int) -> None:
    for call in range(part, system_calls(make), PARTS):
        meter = make(17)
        scenario(meter)
        meter.start(f"kill={call}", until=None)
        # The number of calls varies a little: the last ones may not happen.
        wait_for(lambda: meter.ended() or len(meter.pours()) == 4)  # noqa: B023
        meter.kill()
        meter.start(until=None)
        # A kill between a read of the queue and the next save leaves the count to the next edge.
        meter.wheels[17].turn(200)
        try:
            meter.wait_for_all()
        except AssertionError as error:
            raise AssertionError(f"a kill at call {call}: {meter.sent()} of {meter.made()}; {meter.names('')}") from error
        meter.kill()


def test_kills_at_any_moment_of_many_pours(make: Maker) -> None:
    meter = make(17, 18)
    meter.start()
    for number in range(10):
        for wheel in meter.wheels.values():
            wheel.turn(200 + number)
        time.sleep(0.05 * number)
        meter.kill()
        for wheel in meter.wheels.values():
            wheel.turn(10)
        meter.start(until=None)
    time.sleep(1)
    for wheel in meter.wheels.values():
        wheel.turn(200)
    meter.wait_for_all()


# The spool.


def test_a_spool_that_is_missing_is_waited_for(meter: FlowMeter) -> None:
    meter.spool.rmdir()
    meter.start()
    meter.wheels[17].turn(200)
    meter.wait_for_status("No such file or directory; 1 pour not written yet")
    assert "fix: create it" in meter.syslog.wait("cannot be written")
    meter.spool.mkdir()
    meter.wait_for_all()
    meter.wait_for_status("pin 17: idle; today 1 pour")
    assert len(meter.syslog.lines("cannot be written")) == 1
    meter.syslog.wait("can be written again")


def test_many_pours_of_an_earlier_start_on_a_slow_card_do_not_hold_the_others_up(meter: FlowMeter) -> None:
    for ts in range(1793500000000, 1793500000000 + 250):
        (meter.spool / f"17{ts}.running").write_text(f"17,200,300,{ts}\n")
    (meter.spool / "1.running").write_text("")
    meter.wheels[17].turn(200)
    meter.start("slow=0.02")
    meter.syslog.wait("pin 17: 200 pulses")
    assert len(meter.names(".running")) > 125
    wait_for(lambda: not meter.names("0.running"), 180)
    wait_for(lambda: len(meter.pours()) == 251)
    assert len(meter.syslog.lines("1.running in the spool is damaged")) == 1


def test_a_reload_tries_the_spool_at_once(meter: FlowMeter) -> None:
    meter.spool.rmdir()
    meter.start()
    meter.wheels[17].turn(200)
    # The tries are 1, 3, 7 and 15 s after the first; the next would be at 31 s.
    time.sleep(16)
    meter.spool.mkdir()
    meter.signal(signal.SIGHUP)
    meter.wait_for_all(14)


def test_a_spool_that_was_replaced_has_the_next_pour(meter: FlowMeter) -> None:
    meter.start()
    meter.wheels[17].turn(200)
    meter.wait_for_all()
    meter.spool.rename(meter.folder / "old")
    meter.spool.mkdir()
    meter.wheels[17].turn(210)
    assert wait_for(meter.pours)[0][1] == 210


def test_a_full_disk_keeps_the_pours_also_across_a_kill(meter: FlowMeter, disk: Path) -> None:
    meter.write_config(f"idle = 300\nspool = {disk}")
    meter.spool = disk
    with contextlib.suppress(OSError):
        (disk / "filler").write_bytes(bytes(1 << 20))
    meter.start()
    meter.wheels[17].turn(200)
    meter.wait_for_status("No space left on device; 1 pour not written yet")
    meter.kill()
    meter.wheels[17].turn(201)
    meter.start()
    meter.wait_for_status("2 pours not written yet")
    assert meter.names("e") == []
    (disk / "filler").unlink()
    meter.wait_for_all(70)
    assert len(meter.pours()) == 2


def test_a_read_only_spool_keeps_the_pours(meter: FlowMeter, disk: Path) -> None:
    meter.write_config(f"idle = 300\nspool = {disk}")
    meter.spool = disk
    meter.start()
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    for count in (200, 201, 202):
        meter.wheels[17].turn(count)
        meter.wait_for_status(f"{count - 199} pour")
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    meter.wait_for_all(70)
    assert len(meter.syslog.lines("Read-only file system")) == 1


def test_a_second_daemon_waits_for_the_end_of_the_first(make: Maker) -> None:
    first, second = make(17), make(18)
    first.write_config("idle = 30000")
    second.config = first.config.parent / "other.conf"
    second.write_config(f"idle = 300\nspool = {first.spool}")
    first.start()
    first.wheels[17].turn(200)
    wait_for(lambda: first.names(".running"))
    second.start(until="another kegnet-meter counts")
    assert "this one waits" in second.wait_for_status("another kegnet-meter")
    first.wheels[17].turn(200)
    first.end_pours("400 pulses so far")
    first.wait_for_all()
    assert len(first.pours()) == 1
    first.kill()
    second.wheels[18].turn(200)
    wait_for(lambda: first.sent() == 600)
    assert second.stop() == 0


def test_a_daemon_that_waits_for_another_can_be_stopped(make: Maker) -> None:
    first, second = make(17), make(18)
    second.config = first.config
    first.start()
    second.start(until="another kegnet-meter counts")
    assert second.stop() == 0


# The clock.


def test_before_the_clock_is_set_pours_wait_and_then_get_their_times(meter: FlowMeter) -> None:
    flag = meter.folder / "synchronised"
    altered = ("settled=1000000000", f"synchronised={flag}")
    meter.start(*altered)
    started_ms = time.time_ns() // MS
    meter.wheels[17].turn(200)
    turned_ms = time.time_ns() // MS
    meter.wait_for_status("the clock is not set, 1 pour waiting for it")
    assert len(meter.names(".running")) == 1
    meter.kill()
    meter.start(*altered)
    meter.wait_for_status("the clock is not set, 1 pour waiting for it")
    flag.touch()
    meter.wait_for_all()
    [(_, _, et, ts)] = meter.pours()
    assert started_ms - 500 < ts + et < turned_ms + 500
    meter.wait_for_status("pin 17: idle")


def test_a_clock_before_the_release_is_not_believed(meter: FlowMeter) -> None:
    meter.start(f"release={int(time.time()) + 30}", "settled=0")
    meter.wheels[17].turn(200)
    meter.wait_for_status("the clock is not set")
    assert meter.names(".pour") == []
    meter.wait_for_all(90)


# Reloads.


def test_a_reload_loses_no_edge_of_a_line_that_stays(meter: FlowMeter) -> None:
    meter.write_config("idle = 30000")
    meter.start()
    meter.wheels[17].turn(200)
    pins = {17: "pulsesPerLitre = 5600\nedge = rising\nreportAs = 5"}
    meter.write_config("idle = 29000", pins)
    meter.signal(signal.SIGHUP)
    meter.wheels[17].turn(100)
    meter.syslog.wait("reloaded: ")
    meter.wheels[17].turn(100)
    meter.end_pours("0.071 l so far", pins=pins)
    meter.wait_for_all()
    assert len(meter.pours()) == 1
    meter.wait_for_status("pin 17: idle")
    assert any(text.startswith("RELOADING=1\nMONOTONIC_USEC=") for text in meter.notifications.datagrams)


def test_a_pin_that_leaves_the_configuration_ends_its_pour(make: Maker) -> None:
    meter = make(17, 18)
    meter.write_config("idle = 30000")
    meter.start()
    meter.wheels[17].turn(200)
    meter.wheels[18].turn(200)
    meter.wait_for_status("pin 18: pouring")
    meter.write_config("idle = 30000", {17: ""})
    meter.signal(signal.SIGHUP)
    wait_for(lambda: [pulses for _, pulses, _, _ in meter.pours()] == [200])
    assert wait_for(lambda: sorted(os.listdir(meter.runtime)) == ["pin-17"])
    meter.write_config("idle = 30000", {17: "", 19: ""})
    meter.signal(signal.SIGHUP)
    meter.wait_for_status("pin 19: no GPIO chip in /dev")


@pytest.mark.parametrize("has_file", [True, False], ids=["checkpoint", "no checkpoint"])
def test_a_pin_that_leaves_the_configuration_while_nothing_runs_loses_nothing(meter: FlowMeter, has_file: bool) -> None:
    meter.write_config("idle = 30000", {17: "reportAs = 3"})
    if not has_file:
        meter.spool.rmdir()
    meter.start()
    meter.wheels[17].turn(200)
    if has_file:
        wait_for(lambda: meter.names(".running"))
    meter.wheels[17].turn(100)
    meter.wait_for_status("300 pulses so far")
    meter.kill()
    if not has_file:
        meter.spool.mkdir()
    meter.write_config("idle = 30000", {18: "reportAs = 17"})
    meter.start()
    wait_for(lambda: [(pin, pulses) for pin, pulses, _, _ in meter.pours()] == [(3, 300)])
    assert wait_for(lambda: os.listdir(meter.runtime) == [] and not meter.names(".running"))


def test_a_bad_configuration_is_reported_and_the_old_one_stays(meter: FlowMeter) -> None:
    meter.start()
    meter.write_config("idle = 5")
    meter.signal(signal.SIGHUP)
    assert "idle" in meter.syslog.wait("not reloaded, the old configuration stays")
    meter.wheels[17].turn(200)
    meter.wait_for_all()


def test_another_spool_has_the_pour_that_runs(meter: FlowMeter) -> None:
    meter.write_config("idle = 30000")
    meter.start()
    meter.wheels[17].turn(200)
    wait_for(lambda: meter.names(".running"))
    old = meter.spool
    meter.spool = meter.folder / "other"
    meter.spool.mkdir()
    meter.write_config(f"idle = 300\nspool = {meter.spool}")
    meter.signal(signal.SIGHUP)
    meter.wait_for_all()
    assert os.listdir(old) == []


def test_another_spool_at_a_restart_has_the_pour_that_runs(meter: FlowMeter) -> None:
    meter.write_config("idle = 30000")
    meter.start()
    meter.wheels[17].turn(200)
    wait_for(lambda: meter.names(".running"))
    meter.stop()
    old = meter.spool
    meter.spool = meter.folder / "another spool"
    meter.spool.mkdir()
    meter.write_config(f"idle = 30000\nspool = {meter.spool}")
    meter.start(until="goes on with 200 pulses")
    meter.wheels[17].turn(200)
    meter.end_pours("400 pulses so far", f"idle = 300\nspool = {meter.spool}")
    meter.wait_for_all()
    assert len(meter.pours()) == 1
    # A checkpoint there would be sent, too, when that spool is used again.
    assert os.listdir(old) == []


# Lines and errors.


def test_a_line_that_cannot_be_had_does_not_stop_the_others(meter: FlowMeter) -> None:
    meter.write_config(pins={18: "", 17: ""})
    meter.start()
    meter.wheels[17].turn(200)
    meter.wait_for_all()
    assert "fix: run it on a Raspberry Pi" in meter.syslog.wait("pin 18: no GPIO chip")
    assert "pin 18: no GPIO chip in /dev; fix: " in meter.status


def test_a_stream_that_never_ends_holds_nothing_up(make: Maker) -> None:
    meter = make(17, 18)
    with open("/dev/zero", "rb") as endless:
        os.dup2(endless.fileno(), meter.wheels[18].read_end)
    meter.start()
    meter.wheels[17].turn(200)
    wait_for(lambda: meter.sent() == 200)
    assert meter.stop() == 0


def test_a_line_that_breaks_ends_its_pour_and_is_reported(make: Maker) -> None:
    meter = make(17, 18)
    meter.start()
    meter.wheels[17].turn(200)
    meter.wheels[17].end()
    meter.syslog.wait("pin 17: the line no longer counts")
    meter.wheels[18].turn(200)
    meter.wait_for_all()


def test_a_configuration_that_cannot_be_used_ends_the_start(meter: FlowMeter) -> None:
    meter.write_config(pins={})
    meter.start(until=None)
    assert meter.wait_for_end() == 78
    assert "there is no flow meter to read" in meter.stderr()


def test_the_log_begins_and_ends(meter: FlowMeter) -> None:
    meter.start()
    assert meter.stop() == 0
    assert f"pins 17, spool {meter.spool}" in meter.syslog.wait("started: version ")
    meter.syslog.wait("stopped")


# What it costs.


def switches(pid: int) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    return sum(int(number) for number in re.findall(r"ctxt_switches:\t(\d+)", text))


def test_it_sleeps_while_nobody_pours(make: Maker) -> None:
    meter = make(17, 18)
    meter.start()
    meter.wheels[17].turn(200)
    meter.wait_for_all()
    meter.wait_for_status("idle")
    wait_until_same(lambda: switches(meter.pid), 3)


def test_it_wakes_four_times_a_second_while_somebody_pours(make: Maker, disk: Path) -> None:
    meter = make(17, 18)
    meter.runtime = disk  # In memory, as the service's.
    meter.write_config("idle = 30000\nminimumPulses = 800")  # A checkpoint waits for the disk, which would count, too.
    meter.start()
    meter.wheels[17].turn(2)
    meter.wait_for_status("pouring")
    begun, before = time.monotonic(), Path(f"/proc/{meter.pid}/status").read_text()
    for wheel in meter.wheels.values():
        wheel.turn(2)
    for _ in range(150):
        for wheel in meter.wheels.values():
            wheel.turn(3, interval_ns=5 * MS)
        time.sleep(0.02)
    after = Path(f"/proc/{meter.pid}/status").read_text()
    voluntary = [int(re.search(r"^voluntary_ctxt_switches:\t(\d+)", text, re.MULTILINE)[1]) for text in (before, after)]  # type: ignore[index]
    took_s = time.monotonic() - begun
    # Once for each edge would be 150.
    assert 1 <= voluntary[1] - voluntary[0] <= 4 * took_s + 4


def test_it_takes_little_memory(make: Maker) -> None:
    meter = make(17, 18)
    meter.start()
    meter.wheels[17].turn(200)
    meter.wait_for_all()
    match = re.search(r"^Pss: +(\d+) kB", Path(f"/proc/{meter.pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert match is not None
    assert int(match[1]) <= 16 * 1024
