"""Taking over from pourd: its numbers, its file, the text of meter.conf, whether it counts, and the line that it leaves exported."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kegnet.core.ini import ConfigError
from kegnet.core.problem import ProblemError
from kegnet.meter import config
from kegnet.meter.gpio_uapi import Bias, EdgeDirection
from kegnet.meter.pourd import instance, meter_conf, pulses, sysfs, wiring
from kegnet.meter.pourd.instance import Instance

UNIT = "pourd@0.service"
COUNTING = """
import sys, threading, time
threading.Thread(target=lambda: [None for _ in iter(lambda: sys.stdin.buffer.read(1), b"")], daemon=True).start()
print("ready", flush=True)
while True:
    time.sleep(0.02)
"""


@pytest.fixture
def pourd(tmp_path: Path) -> Instance:
    """The instance for GPIO 17, with the file that was shipped."""
    (tmp_path / "pourd0.conf").write_text("[pourd]\npour_delay_ms=1200\nmin_pour_pulses=160\n")
    return Instance.of(0, tmp_path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A meter.conf without pins."""
    file = tmp_path / "meter.conf"
    file.write_text("# Mine.\n[Meter]\nidle = 1500")
    return file


def test_wiringpi_numbers_are_lines_of_the_header_and_each_line_has_one() -> None:
    assert {number: wiring.gpio_number(number) for number in (0, 3, 4, 5, 6)} == {0: 17, 3: 22, 4: 23, 5: 24, 6: 25}
    assert sorted(wiring.GPIO_NUMBERS.values()) == list(range(config.HIGHEST_PIN + 1))
    with pytest.raises(ProblemError, match="pin 17 is not a wiringPi number"):
        Instance.of(17)


def test_the_resistor_is_the_one_since_power_on() -> None:
    assert [wiring.power_on_bias(gpio) for gpio in (0, 8, 9, 17)] == [Bias.PULL_UP, Bias.PULL_UP, Bias.PULL_DOWN, Bias.PULL_DOWN]


def test_its_settings_become_a_flow_meter_with_the_same_number_on_the_server(pourd: Instance, path: Path) -> None:
    before = path.read_text()
    assert meter_conf.add(pourd, path) == before
    (pin,) = config.load(path).pins
    assert (pin.pin, pin.report_as, pin.bias, pin.edge) == (17, 0, Bias.PULL_DOWN, EdgeDirection.RISING)
    assert (pin.idle_ms, pin.minimum_pulses) == (1200, 160)
    assert path.read_text().startswith(before)
    assert meter_conf.has(pourd, path)
    assert sorted(file.name for file in path.parent.iterdir()) == ["meter.conf", "pourd0.conf"]


@pytest.mark.parametrize("text", ["[pourd]\n", "[pourd]\npour_delay_ms = 0\nmin_pour_pulses = 0\n"])
def test_what_its_file_does_not_say_is_what_pourd_used(pourd: Instance, text: str) -> None:
    pourd.conf.write_text(text)
    assert {"idle": "1000", "minimumPulses": "200"}.items() <= pourd.parameters().items()


@pytest.mark.parametrize("value", ["100", "30001", "-1", "soon", ""])
def test_a_value_that_cannot_be_used_names_its_file(pourd: Instance, value: str) -> None:
    pourd.conf.write_text(f"[pourd]\npour_delay_ms={value}\n")
    with pytest.raises(ConfigError, match=r"pourd0\.conf: pour_delay_ms = .*; fix: use a whole number of milliseconds from 200 to 30000"):
        pourd.parameters()


def test_instances_are_found_before_and_after(tmp_path: Path, pourd: Instance) -> None:
    (tmp_path / "pourd3.conf.taken-over").touch()
    (tmp_path / "pourdX.conf").touch()
    (tmp_path / "pourd4.conf.before").touch()
    assert instance.numbers(tmp_path) == [0, 3]


def test_removing_a_section_keeps_its_lines_as_comments(pourd: Instance, path: Path) -> None:
    before = path.read_text()
    meter_conf.add(pourd, path)
    with path.open("a") as file:
        file.write("# calibrated\npulsesPerLitre = 5600\n\n[Pin 22]\n")
    meter_conf.remove(pourd, path)
    assert [pin.pin for pin in meter_conf.pins(path)] == [22]
    text = path.read_text()
    assert text.startswith(before)
    for line in ("#[Pin 17]", "#reportAs = 0", "# calibrated", "#pulsesPerLitre = 5600", "[Pin 22]"):
        assert line in text.splitlines()
    meter_conf.add(pourd, path)
    assert [pin.pin for pin in meter_conf.pins(path)] == [22, 17]


def test_a_section_that_reports_another_number_is_a_problem(pourd: Instance, path: Path) -> None:
    path.write_text("[Meter]\n[Pin 17]\nreportAs = 4\n")
    with pytest.raises(ProblemError, match=r"\[Pin 17\] reports as 4, and pourd as 0; fix: set reportAs = 0"):
        meter_conf.has(pourd, path)


def test_a_number_that_another_pin_reports_is_a_problem_and_changes_nothing(pourd: Instance, path: Path) -> None:
    path.write_text("[Meter]\n[Pin 22]\nreportAs = 0\n")
    with pytest.raises(ConfigError, match=rf"^{path}: \[Pin 17\] reportAs = 0"):
        meter_conf.add(pourd, path)
    assert path.read_text() == "[Meter]\n[Pin 22]\nreportAs = 0\n"
    assert sorted(file.name for file in path.parent.iterdir()) == ["meter.conf", "pourd0.conf"]


@pytest.fixture
def counting(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A process that counts bytes in a thread, and a /proc where it is in the control group of pourd."""
    process = subprocess.Popen([sys.executable, "-c", COUNTING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == b"ready\n"
    proc = tmp_path / "proc"
    (proc / str(process.pid)).mkdir(parents=True)
    (proc / str(process.pid) / "cgroup").write_text(f"0::/system.slice/system-pourd.slice/{UNIT}\n")
    (proc / str(process.pid) / "task").symlink_to(f"/proc/{process.pid}/task")
    yield process, proc
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def settled(proc: Path) -> frozenset[tuple[int, int]]:
    """What is seen once the thread has started, and sleeps."""
    before: frozenset[tuple[int, int]] = frozenset()
    for _ in range(20):
        now = pulses.wakeups(UNIT, proc)
        if now == before:
            break
        before = now
        time.sleep(0.3)
    return before


def test_each_pulse_shows_and_without_pulses_nothing_does(counting: tuple[subprocess.Popen[bytes], Path]) -> None:
    process, proc = counting
    assert process.stdin is not None
    before = settled(proc)
    assert len(before) == 1
    time.sleep(0.3)
    assert pulses.wakeups(UNIT, proc) == before
    assert pulses.wakeups("pourd@3.service", proc) == frozenset()
    process.stdin.write(b"p")
    end = time.monotonic() + 30
    while pulses.wakeups(UNIT, proc) == before:
        assert time.monotonic() < end
    assert len(pulses.wakeups(UNIT, proc)) == 1


def test_it_waits_for_the_delay_after_the_last_pulse(counting: tuple[subprocess.Popen[bytes], Path]) -> None:
    process, proc = counting
    settled(proc)
    said: list[float] = []
    turned = [0.0]

    def turn() -> None:
        assert process.stdin is not None
        for _ in range(8):
            time.sleep(0.1)
            turned[0] = time.monotonic()
            process.stdin.write(b"p")

    turning = threading.Thread(target=turn)
    turning.start()
    pulses.wait_until_quiet(UNIT, 200, lambda: said.append(time.monotonic()), proc=proc)
    quiet = time.monotonic()
    turning.join()
    assert quiet - turned[0] > 0.2 + 1.5
    assert len(said) == 1


def test_a_wheel_that_never_rests_and_one_that_does_not_show_are_problems(
    counting: tuple[subprocess.Popen[bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    process, proc = counting
    monkeypatch.setattr(pulses, "_MARGIN_S", 10)
    turning = subprocess.Popen(["sh", "-c", "while printf p; do sleep 0.1; done"], stdout=process.stdin)
    with pytest.raises(ProblemError, match=r"look for a leak, or run this when nobody pours: .* --now"):
        pulses.wait_until_quiet(UNIT, 200, lambda: None, limit_s=2, proc=proc)
    turning.kill()
    turning.wait()
    (proc / str(process.pid) / "task").unlink()
    (proc / str(process.pid) / "task").mkdir()
    with pytest.raises(ProblemError, match="has no thread that counts"):
        pulses.wait_until_quiet(UNIT, 200, lambda: None, proc=proc)
    (proc / str(process.pid) / "cgroup").write_text("0::/\n")
    pulses.wait_until_quiet(UNIT, 200, lambda: None, proc=proc)


@pytest.mark.parametrize("base", [0, 512])
def test_an_exported_line_is_unexported_by_its_number_on_this_kernel(tmp_path: Path, base: int) -> None:
    for name, label, first in ((f"gpiochip{base}", "pinctrl-bcm2835", base), ("gpiochip600", "raspberrypi-exp-gpio", 600)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "label").write_text(f"{label}\n")
        (tmp_path / name / "base").write_text(f"{first}\n")
    (tmp_path / "unexport").touch()
    assert not sysfs.release(17, tmp_path)
    (tmp_path / f"gpio{base + 17}").mkdir()
    assert sysfs.release(17, tmp_path)
    assert (tmp_path / "unexport").read_text() == str(base + 17)


def test_without_the_old_interface_there_is_nothing_to_release(tmp_path: Path) -> None:
    assert not sysfs.release(17, tmp_path / "absent")


def test_the_command_needs_root_and_explains_itself() -> None:
    command = [Path(__file__).parents[2] / "service/take-over-pourd"]
    done = subprocess.run([*command, "--help"], capture_output=True, text=True)
    assert done.returncode == os.EX_OK
    assert "After an interruption, run it again." in done.stdout
    assert subprocess.run([*command, "--wrong"], capture_output=True).returncode == os.EX_USAGE
