"""service/take-over-pourd: kegnet-meter counts in the place of pourd, step by step, and no pour is lost on the way."""

from __future__ import annotations

import re

import pytest
from kegnet.meter import gpio_uapi
from support.wait import wait_for
from system.installation_2013 import COUNTING_POURD, HOME, PINS, lay_out_pourd
from system.kegerator import SPOOL, Site
from system.meter_host import METER, METER_CONF, STEPS, configure, connect_wheel, people_pour, wait_for_status

TAKE_OVER = f"{HOME}/service/take-over-pourd"
ON_ONE_DEBIAN = pytest.mark.parametrize("suite", ["bookworm"], indirect=True)
GPIO = {0: 17, 3: 22}
LATE_POUR = """
import os, struct, time
pulse = {pulse}
while "nobody pours; " not in open("{steps}").read():
    time.sleep(0.005)
for number in range(400):
    pulse(number + 1)
    time.sleep(0.002)
"""
"""Begins a pour when the change is announced."""
POURD_PULSE = 'open("/run/line-0", "wb", 0).write; pulse = lambda _, write=pulse: write(b"p")'
METER_PULSE = (
    'open("/run/edges-17", "wb", 0).write; '
    f'pulse = lambda number, write=pulse: write(struct.pack("{gpio_uapi.LINE_EVENT.format}", time.monotonic_ns(), number))'
)
SECTION = """
[Pin 17]
reportAs = 0
bias = pull-down
edge = rising
idle = 1200
minimumPulses = 160
"""


@pytest.fixture
def tapped(ready: Site) -> Site:
    """A machine where pourd counts two pins, and kegnet-meter is installed and could."""
    ready.install()
    lay_out_pourd(ready, COUNTING_POURD)
    for pin in GPIO.values():
        connect_wheel(ready, pin)
    wait_for(lambda: all(has_its_thread(ready, number) for number in PINS))
    return ready


def change(site: Site, *words: str) -> str:
    """Runs service/take-over-pourd so that the people who pour see its steps. Returns what it printed."""
    return site.machine.sh(f"{TAKE_OVER} {' '.join(words)} > {STEPS} 2>&1; cat {STEPS}")


def pours(site: Site, pin: int) -> list[int]:
    """The pulses of each pour of a pin in the spool; the client does not run."""
    lines = site.machine.sh(f"cd {SPOOL} && for file in {pin}*.pour; do [ -e $file ] && cat $file && echo; done; true").split()
    return [int(line.split(",")[1]) for line in lines]


def assert_meter_counts(site: Site, number: int) -> None:
    machine, unit = site.machine, f"pourd@{number}"
    wait_for_status(site, f"pin {GPIO[number]}: ")
    assert machine.property("ActiveState", METER) == "active"
    assert machine.property("ActiveState", unit) == "inactive"
    assert machine.property("UnitFileState", unit) == "disabled"
    assert machine.sh(f"cd {HOME}/conf && ls pourd{number}.conf*").split() == [f"pourd{number}.conf.taken-over"]
    assert f"[Pin {GPIO[number]}]" in machine.sh(f"cat {METER_CONF}").splitlines()


def assert_pourd_counts(site: Site, number: int) -> None:
    machine, unit = site.machine, f"pourd@{number}"
    assert machine.property("ActiveState", unit) == "active"
    assert machine.property("UnitFileState", unit) == "enabled"
    assert machine.sh(f"cd {HOME}/conf && ls pourd{number}.conf*").split() == [f"pourd{number}.conf"]
    assert f"[Pin {GPIO[number]}]" not in machine.sh(f"cat {METER_CONF}").splitlines()


def test_step_by_step_and_back_while_people_pour(tapped: Site) -> None:
    machine = tapped.machine
    before = machine.sh(f"cat {METER_CONF}")
    assert f"sudo {TAKE_OVER}" in tapped.install(), "the installation names the command, and does not run it"
    with people_pour(tapped, GPIO, pours=4, pulses=2000, pause_s=7):
        wait_for(lambda: machine.sh("ls /run/pours-0", check=False) == "/run/pours-0\n")
        output = change(tapped)
        print(output)
    steps = [
        "waits until pourd has no pour in progress",
        "nobody pours; do not begin before the change is done",
        rf"added \[Pin 17\] to {METER_CONF}, with the settings of pourd0.conf",
        "stopped pourd@0.service",
        r"kegnet-meter counts GPIO 17; nothing was counted for [0-9]+\.[0-9] s",
        "disabled pourd@0.service",
        f"renamed {HOME}/conf/pourd0.conf to pourd0.conf.taken-over; the program of pourd stays",
        f"done; to undo it: sudo {TAKE_OVER} --undo 0",
    ]
    lines = [line for line in output.splitlines() if line.startswith("pin 0") and "somebody pours" not in line]
    assert len(lines) == len(steps)
    for line, step in zip(lines, steps, strict=True):
        assert re.fullmatch(rf"pin 0 \(GPIO 17\): {step}", line), line
    assert "pin 0 (GPIO 17): somebody pours: it goes on afterwards" in output
    assert machine.sh(f"cat {METER_CONF}").startswith(before + SECTION)
    for number in PINS:
        assert_meter_counts(tapped, number)
        wait_for(lambda: len(pours(tapped, number)) >= 4)  # noqa: B023  It is called in this turn.
        assert pours(tapped, number) == [2000] * 4
    assert machine.run(TAKE_OVER).count("is taken over already") == 2

    # It stays so after a boot.
    machine.power_off()
    machine.boot()
    machine.sh(f"mkfifo -m 600 {' '.join(f'/run/line-{number}' for number in PINS)}")
    for number in PINS:
        assert_meter_counts(tapped, number)

    # And back, one pin first: the other one stays.
    with people_pour(tapped, GPIO, pours=4, pulses=400, pause_s=4):
        print(change(tapped, "--undo", "0"))
        assert_pourd_counts(tapped, 0)
        assert_meter_counts(tapped, 3)
        print(change(tapped, "--undo"))
    for number in PINS:
        assert_pourd_counts(tapped, number)
    assert machine.property("ActiveState", METER) == "inactive"
    for number in PINS:
        wait_for(lambda: len(pours(tapped, number)) >= 8)  # noqa: B023
        assert pours(tapped, number) == [2000] * 4 + [400] * 4
    assert machine.run(TAKE_OVER, "--undo") == "nothing to do\n"


@ON_ONE_DEBIAN
def test_a_meter_that_does_not_start_at_boot_is_enabled(tapped: Site) -> None:
    machine = tapped.machine
    for words in ("--now", ""):
        machine.run("systemctl", "--quiet", "disable", METER)
        assert f"enabled {METER}" in machine.sh(f"{TAKE_OVER} {words}")
        assert machine.property("UnitFileState", METER) == "enabled"
    assert_meter_counts(tapped, 0)


@ON_ONE_DEBIAN
def test_a_pour_that_begins_at_the_last_moment_is_counted(tapped: Site) -> None:
    machine = tapped.machine
    for words, pulse in (("0", POURD_PULSE), ("--undo 0", METER_PULSE)):
        (machine.share / "late.py").write_text(LATE_POUR.format(steps=STEPS, pulse=pulse))
        machine.sh(f": > {STEPS}; {TAKE_OVER} {words} >> {STEPS} 2>&1 &")
        machine.run("python3", "/share/late.py")
        wait_for(lambda: "pin 0 (GPIO 17): done" in machine.sh(f"cat {STEPS}"), limit_s=40)
        print(machine.sh(f"cat {STEPS}"))
    wait_for(lambda: len(pours(tapped, 0)) >= 2)
    assert pours(tapped, 0) == [400, 400]


def has_its_thread(site: Site, number: int) -> bool:
    """Whether pourd has started the thread that counts."""
    return site.machine.sh(f"ls /proc/$(systemctl show --value -p MainPID pourd@{number})/task 2>/dev/null | wc -l").strip() == "2"


@ON_ONE_DEBIAN
@pytest.mark.parametrize("step", ["added", "stopped", "counts", "disabled"])
def test_after_a_power_cut_at_any_step_something_counts_and_the_next_run_completes_it(tapped: Site, step: str) -> None:
    machine = tapped.machine
    machine.sh(f"{TAKE_OVER} 0 > /run/steps 2>&1 &")
    wait_for(lambda: step in machine.sh("cat /run/steps"))
    machine.power_off()
    machine.boot()
    machine.sh("mkfifo -m 600 /run/line-0 /run/line-3")
    wait_for(lambda: all(has_its_thread(tapped, n) for n in PINS if machine.property("UnitFileState", f"pourd@{n}") == "enabled"))
    states = {machine.property("ActiveState", unit) for unit in ("pourd@0", METER)}
    assert states & {"active", "activating"}
    print(states, machine.run(TAKE_OVER))
    for number in PINS:
        assert_meter_counts(tapped, number)


@ON_ONE_DEBIAN
def test_if_kegnet_meter_cannot_count_pourd_goes_on(tapped: Site) -> None:
    machine = tapped.machine
    before = machine.sh(f"cat {METER_CONF}")
    machine.sh("systemctl stop edges-17.socket && systemctl disable -q edges-17.socket")
    output = machine.sh(f"{TAKE_OVER} 0; echo status $?")
    print(output)
    assert "take-over-pourd: pin 0: kegnet-meter.service does not count GPIO 17: no GPIO chip in /dev; fix: " in output
    assert "the last steps are undone" in output
    assert output.endswith("status 1\n")
    assert_pourd_counts(tapped, 0)
    assert machine.sh(f"cat {METER_CONF}") == before
    assert machine.property("ActiveState", METER) == "inactive"


@ON_ONE_DEBIAN
def test_a_problem_is_one_line_and_changes_nothing(tapped: Site) -> None:
    machine = tapped.machine
    machine.sh(f"cp {HOME}/conf/pourd0.conf {HOME}/conf/pourd17.conf; systemctl -q enable pourd@17")
    configure(tapped, "[Meter]\n[Pin 17]\n")
    machine.sh(f"sed -i s/=1200/=100/ {HOME}/conf/pourd3.conf")
    output = machine.sh(f"{TAKE_OVER}; echo status $?")
    print(output)
    assert output.splitlines() == [
        f"take-over-pourd: pin 0: {METER_CONF}: [Pin 17] reports as 17, and pourd as 0; "
        "fix: set reportAs = 0 in that section, or remove the section",
        f"take-over-pourd: pin 3: {HOME}/conf/pourd3.conf: pour_delay_ms = 100: this value is not valid; "
        "fix: use a whole number of milliseconds from 200 to 30000, which are the limits of kegnet-meter",
        "take-over-pourd: pin 17: pin 17 is not a wiringPi number of a line of the GPIO header; "
        "fix: add the flow meter by hand, with the GPIO number of its pin: sudo kegnet-meter --setup",
        "status 1",
    ]
    for number in PINS:
        assert machine.property("ActiveState", f"pourd@{number}") == "active"
        assert machine.property("UnitFileState", f"pourd@{number}") == "enabled"
    assert machine.sh(f"cat {METER_CONF}") == "[Meter]\n[Pin 17]\n"
    assert "needs root" in machine.sh(f"runuser -u nobody -- {TAKE_OVER}", check=False)
    assert "there is no" in machine.sh(f"{TAKE_OVER} 5", check=False)


@ON_ONE_DEBIAN
def test_one_that_is_not_in_use_is_ignored_and_one_whose_pulses_do_not_show_needs_a_word(ready: Site) -> None:
    machine = ready.machine
    ready.install()
    lay_out_pourd(ready)
    connect_wheel(ready, 17)
    machine.sh("systemctl -q disable --now pourd@3")
    output = machine.sh(f"{TAKE_OVER}; echo status $?")
    print(output)
    assert "pin 3 (GPIO 22): ignored: pourd@3.service is neither enabled nor running" in output
    assert (
        "pin 0: pourd@0.service has no thread that counts, so it does not show whether a pour is in progress; fix: run this when" in output
    )
    assert output.endswith("status 1\n")
    assert_pourd_counts(ready, 0)
    machine.run(TAKE_OVER, "--now")
    assert_meter_counts(ready, 0)

    # Without kegnet-meter nothing counts: the removal prints how pourd does it again.
    output = machine.run(f"{HOME}/service/uninstall")
    print(output)
    (command,) = re.findall(r"Pin 0 is not counted any more\. To let pourd do it: (.*)", output)
    machine.sh(command)
    assert machine.property("ActiveState", "pourd@0") == "active"
    assert machine.property("UnitFileState", "pourd@0") == "enabled"
