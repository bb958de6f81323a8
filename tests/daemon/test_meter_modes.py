"""The modes of kegnet-meter: real processes in a terminal or a pipe; edges come through pipes or from state files."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from kegnet.meter import config, state
from kegnet.meter.checkpoint import Checkpoint
from kegnet.meter.flow import Cause, Ended, Flow, Kind
from kegnet.meter.state import PinState
from support.daemon import PYTHON
from support.flow_meter import METER, MS, Wheel
from support.keg import REPOSITORY
from support.terminal import Terminal
from support.wait import wait_for, wait_until_same

ACTIVATE = REPOSITORY / "lib/kegnet/server/activate.py"
EX_CONFIG = 78
COARSE = "pin 17: pours below 0.36 l are not sent (minimumPulses = 160)"
"""The warning about a flow meter with 450 pulses per litre."""


class Bench:
    """A folder with meter.conf, a spool and a runtime directory; wheels; the programs that were started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "conf" / "meter.conf"
        self.spool = folder / "spool"
        self.runtime = folder / "run"
        self.config.parent.mkdir(parents=True)
        self.spool.mkdir()
        self.wheels: list[Wheel] = []
        self.terminals: list[Terminal] = []

    def configure(self, *sections: str) -> None:
        self.config.write_text("[Meter]\nidle = 400\n" + "".join(f"[Pin {section}\n" for section in sections))

    def wheel(self, pin: int) -> Wheel:
        self.wheels.append(Wheel(pin))
        return self.wheels[-1]

    def command(self, *words: str) -> list[str | Path]:
        command: list[str | Path] = [PYTHON, "-B", METER, "--config", self.config, *words]
        if self.wheels:
            passed = [f"edges-{wheel.pin}={wheel.read_end}" for wheel in self.wheels]
            command = [PYTHON, ACTIVATE, *passed, "--", *command]
        return command

    def environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "RUNTIME_DIRECTORY": str(self.runtime)}

    def terminal(self, *words: str, columns: int = 80, rows: int = 24, **environment: str) -> Terminal:
        descriptors = [wheel.read_end for wheel in self.wheels]
        made = Terminal(self.command(*words), {**self.environment(), **environment}, columns, rows, descriptors)
        self.terminals.append(made)
        return made

    def pipe(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=self.environment(), pass_fds=[wheel.read_end for wheel in self.wheels],
        )  # fmt: skip

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        with self.pipe(*words) as process:
            out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def counted(self, pulses: int, noise: int = 0, flow: Flow | None = None, pin: int = 17) -> None:
        """The service has written the state of a pin."""
        self.runtime.mkdir(exist_ok=True)
        last = None if flow else Ended(Kind.POUR, Cause.IDLE, Flow(1, 2, max(1, pulses), 0))
        state.write(self.runtime, PinState(pin, "boot", pulses + noise, pulses, noise, Kind.POUR, flow, last))

    def close(self) -> None:
        for terminal in self.terminals:
            terminal.close()
        for wheel in self.wheels:
            wheel.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "bench")
    made.configure("17]\npulsesPerLitre = 5600")
    yield made
    made.close()


def later_ns() -> int:
    """A time of the last edge, in ten seconds: until then the wheel turns, so a slow program can still show its rate."""
    return time.monotonic_ns() + 10**10


# --watch.


def test_watch_draws_pulses_rate_and_litres(bench: Bench) -> None:
    wheel = bench.wheel(17)
    terminal = bench.terminal("--watch")
    screen = terminal.wait_for("0 pulses = 0.000 l")
    assert screen.lines[0] == "The service does not run: these pulses are shown and not sent. Ctrl-C ends it."
    assert screen.cursor_is_hidden
    wheel.turn(601, later_ns(), 4 * MS)
    screen = terminal.wait_for("250.0 pulses/s", "601 pulses = 0.107 l  noise 0\n")
    bar, amount = screen.lines[1:3]
    assert bar.startswith("pin 17  ▕████")
    assert bar.endswith("▏  250.0 pulses/s   44.6 ml/s")
    assert "▆   601 pulses = 0.107 l  noise 0" in amount
    screen = terminal.wait_for(" 0.0 pulses/s", "601 pulses", "noise 0\n")
    assert len(screen.lines) == 4, "the drawing changes in place"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_end_of_watch_is_a_summary_and_a_clean_terminal(bench: Bench, number: signal.Signals) -> None:
    bench.configure("17]\npulsesPerLitre = 5600", "18]")
    wheel, _ = bench.wheel(17), bench.wheel(18)
    terminal = bench.terminal("--watch")
    wheel.turn(301, later_ns(), 4 * MS)
    terminal.wait_for("301 pulses")
    assert terminal.end(number) == 0
    screen = terminal.screen
    assert screen.lines[1:] == ["pin 17: 301 pulses = 0.054 l; at most 250.0 pulses/s; noise 0", "pin 18: 0 pulses; noise 0", ""]
    assert not screen.cursor_is_hidden


def test_noise_is_not_a_pulse_and_is_shown(bench: Bench) -> None:
    wheel = bench.wheel(17)
    terminal = bench.terminal("--watch")
    terminal.wait_for("0 pulses")
    wheel.turn(10, interval_ns=MS // 5)
    terminal.wait_for("4 pulses = 0.001 l  noise 6")


def test_watch_in_a_pipe_is_plain_lines_and_at_most_one_a_second_for_each_pin(bench: Bench) -> None:
    wheel = bench.wheel(17)
    process = bench.pipe("--watch")
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline().startswith("The service does not run")
    assert process.stdout.readline().endswith(" pin 17: 0 pulses = 0.000 l; 0.0 pulses/s, 0.0 ml/s; noise 0\n")
    begun = time.monotonic()
    while time.monotonic() - begun < 2.2:
        wheel.turn(10)
        time.sleep(0.05)
    wheel.turn(1000, later_ns(), 4 * MS)
    lines = [process.stdout.readline()]
    while "; 0.0 pulses/s" in lines[-1]:
        lines.append(process.stdout.readline())
    process.send_signal(signal.SIGINT)
    *rest, summary = process.stdout.read().splitlines()
    lines += rest
    with process.stdout, process.stderr:
        assert process.stderr.read() == ""
    assert process.wait(30) == 0
    assert not any("\033" in line for line in lines)
    # The rate of a wheel that stands is shown at once.
    moving = [line for line in lines if "; 0.0 pulses/s" not in line]
    assert 1 <= len(moving) <= time.monotonic() - begun + 2
    assert summary.startswith("pin 17: ")


def test_a_watch_whose_reader_has_gone_ends(bench: Bench) -> None:
    bench.wheel(17)
    process = bench.pipe("--watch")
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(30) == 128 + signal.SIGPIPE
    assert process.stderr is not None
    with process.stderr:
        assert process.stderr.read() == ""


def test_watch_sleeps_while_no_wheel_turns(bench: Bench) -> None:
    bench.wheel(17)
    terminal = bench.terminal("--watch")
    terminal.wait_for("0 pulses")
    status = Path(f"/proc/{terminal.process.pid}/status")

    def switches() -> list[str]:
        return [line for line in status.read_text().splitlines() if "ctxt_switches" in line]

    wait_until_same(switches, 1.5)


def test_watch_shows_what_the_service_counts(bench: Bench) -> None:
    bench.counted(10_000, noise=7)
    terminal = bench.terminal("--watch")
    screen = terminal.wait_for("0 pulses = 0.000 l  noise 0")
    assert screen.lines[0] == "The service counts, and this shows what it counts. Ctrl-C ends it."
    now = later_ns()
    bench.counted(10_201, noise=9, flow=Flow(now - 2 * 10**9, now, 401, 0))
    terminal.wait_for("201 pulses = 0.036 l  noise 2")
    terminal.wait_for("200.0 pulses/s   35.7 ml/s")
    bench.counted(10_300, noise=9)
    terminal.wait_for("300 pulses = 0.054 l  noise 2")
    terminal.wait_for("  0.0 pulses/s")
    # The service has requested the line again.
    bench.counted(50)
    terminal.wait_for("350 pulses")


def test_a_service_that_has_read_no_edge_yet_counts_from_zero(bench: Bench) -> None:
    bench.runtime.mkdir()
    terminal = bench.terminal("--watch")
    terminal.wait_for("0 pulses")
    bench.counted(12)
    terminal.wait_for("12 pulses = 0.002 l")


def test_watch_ends_with_one_line_when_the_service_stops(bench: Bench) -> None:
    bench.counted(1)
    terminal = bench.terminal("--watch")
    terminal.wait_for("0 pulses")
    shutil.rmtree(bench.runtime)
    assert terminal.end() == 1
    assert "kegnet-meter: the service kegnet-meter has stopped; fix: run this again" in terminal.screen.lines
    assert not terminal.screen.cursor_is_hidden


def test_a_state_that_cannot_be_read_is_named(bench: Bench) -> None:
    bench.runtime.mkdir()
    (bench.runtime / "pin-17").write_text("nonsense\n")
    done = bench.run("--watch")
    assert done.returncode == 1
    assert f"pin 17: {bench.runtime}/pin-17: cannot be read (the content is not the state of a pin); fix: " in done.stderr


def test_a_wheel_that_is_unplugged_ends_watch_with_one_line(bench: Bench) -> None:
    wheel = bench.wheel(17)
    terminal = bench.terminal("--watch")
    terminal.wait_for("0 pulses")
    wheel.end()
    assert terminal.end() == 1
    assert "kegnet-meter: the line no longer counts (end of file); fix: start the meter again" in terminal.screen.lines


@pytest.mark.skipif(any(Path("/dev").glob("gpiochip*")), reason="this computer has a GPIO chip")
def test_without_a_chip_one_line_has_the_fix(bench: Bench) -> None:
    for words in (["--watch"], ["--calibrate", "17"]):
        done = bench.run(*words)
        assert (done.returncode, done.stdout) == (1, "")
        (line,) = done.stderr.splitlines()
        assert line.endswith("no GPIO chip in /dev; fix: run it on a Raspberry Pi, with Linux 5.10 or later")


def test_no_color_and_a_terminal_without_utf8(bench: Bench) -> None:
    wheel = bench.wheel(17)
    terminal = bench.terminal("--watch", NO_COLOR="1", LANG="C", LC_ALL="C", PYTHONCOERCECLOCALE="0", PYTHONUTF8="0")
    wheel.turn(601, later_ns(), 4 * MS)
    screen = terminal.wait_for("601 pulses")
    assert screen.lines[1].startswith("pin 17  |####")
    assert terminal.raw.isascii()
    assert "\033[32m" not in terminal.raw


def test_colour_is_for_terminals(bench: Bench) -> None:
    wheel = bench.wheel(17)
    terminal = bench.terminal("--watch")
    wheel.turn(601, later_ns(), 4 * MS)
    terminal.wait_for("601 pulses")
    assert "\033[32m" in terminal.raw


@pytest.mark.parametrize("columns", [20, 40, 57, 200])
def test_no_line_is_wider_than_the_terminal(bench: Bench, columns: int) -> None:
    wheel = bench.wheel(17)
    terminal = bench.terminal("--watch", columns=columns)
    terminal.wait_for("0 pulses"[: columns - 9])
    wheel.turn(601, later_ns(), 4 * MS)
    screen = terminal.wait_for("601 pulses")
    assert all(len(line) < columns for line in screen.lines[1:])


def test_more_pins_than_rows_are_one_line_each(bench: Bench) -> None:
    bench.configure(*(f"{pin}]" for pin in range(10)))
    for pin in range(10):
        bench.wheel(pin)
    terminal = bench.terminal("--watch", rows=12)
    screen = terminal.wait_for("pin 9: 0 pulses; 0.0 pulses/s; noise 0\n")
    assert len(screen.lines) == 12


# --calibrate.


def pour(terminal: Terminal, wheel: Wheel, edges: int, volume: str) -> None:
    terminal.wait_for("open the tap now")
    terminal.raw = ""
    wheel.turn(edges, interval_ns=MS)
    terminal.wait_for(f"{edges} pulses. What is in the cup")
    terminal.type(f"{volume}\n")


def test_calibrate_measures_and_writes_the_pulses_of_a_litre(bench: Bench) -> None:
    text = "# mine\n[Meter]\nidle = 300\n\n[Pin 017]\n# a note\nPulsesPerLitre = 5000\ndebounce = 400\n[Pin 18]\npulsesPerLitre = 7\n"
    bench.config.write_text(text)
    bench.config.chmod(0o640)
    wheel = bench.wheel(17)
    terminal = bench.terminal("--calibrate", "17")
    terminal.wait_for("The service does not run, so these pours are not sent.")
    pour(terminal, wheel, 560, "100")
    terminal.wait_for("Pour 1: 560 pulses, 100 ml: 5600 pulses per litre")
    pour(terminal, wheel, 1100, "0.2 l")
    terminal.wait_for("So far: 5533 pulses per litre, by 2 pours; spread 1.2 %")
    pour(terminal, wheel, 560, "0,1 L")
    terminal.wait_for("Pour 4: open the tap now. Enter ends it.")
    terminal.type("\n")
    terminal.wait_for("pin 17: 5550 pulses per litre, by 3 pours; spread 0.9 %")
    terminal.wait_for(f"Write pulsesPerLitre = 5550 into {bench.config} instead of 5000? [Y/n]")
    terminal.type("\n")
    assert terminal.end() == 0
    assert "sudo systemctl reload-or-restart kegnet-meter\n" in terminal.screen.text
    assert bench.config.read_text() == text.replace("5000", "5550")
    assert stat.S_IMODE(bench.config.stat().st_mode) == 0o640
    assert os.listdir(bench.config.parent) == ["meter.conf"]


def test_calibrate_explains_a_volume_that_is_none_and_drops_a_pour_without_one(bench: Bench) -> None:
    before = bench.config.read_text()
    wheel = bench.wheel(17)
    terminal = bench.terminal("--calibrate", "17")
    pour(terminal, wheel, 300, "half")
    terminal.wait_for("this is not a volume; use millilitres, e.g. 500, or 0.5 l, or 12 oz")
    terminal.type("0.5\n")
    terminal.wait_for("0.5 ml is not from 10 ml to 100 l")
    terminal.raw = ""
    terminal.type("\n")
    terminal.wait_for("This pour does not count.")
    terminal.wait_for("open the tap now")
    wheel.turn(20)
    terminal.wait_for("Only 20 pulses: not a pour (minimumPulses = 160).")
    terminal.type("\n")
    terminal.wait_for("Nothing was measured.")
    assert terminal.end() == 0
    assert bench.config.read_text() == before


@pytest.mark.parametrize("answer", ["n", "N", "no", "what", "\x04"])
def test_calibrate_writes_nothing_without_a_yes(bench: Bench, answer: str) -> None:
    before = bench.config.read_text()
    wheel = bench.wheel(17)
    terminal = bench.terminal("--calibrate", "17")
    pour(terminal, wheel, 300, "12 oz")
    terminal.wait_for("Pour 2: open the tap now")
    terminal.type("\n")
    terminal.wait_for("3 pours show the spread.")
    terminal.wait_for("[Y/n]")
    terminal.type(answer if answer == "\x04" else f"{answer}\n")
    terminal.wait_for("Nothing was written.")
    assert terminal.end() == 0
    assert bench.config.read_text() == before


def test_calibrate_warns_of_a_spread_over_three_percent(bench: Bench) -> None:
    wheel = bench.wheel(17)
    terminal = bench.terminal("--calibrate", "17")
    for edges in (560, 640):
        pour(terminal, wheel, edges, "100")
    terminal.wait_for("Pour 3: open the tap now")
    terminal.type("\n")
    terminal.wait_for("by 2 pours; spread 6.7 %")
    terminal.wait_for("The spread is over 3 %.")


def test_calibrate_of_a_coarse_flow_meter_warns_that_glasses_are_not_sent(bench: Bench) -> None:
    wheel = bench.wheel(17)
    terminal = bench.terminal("--calibrate", "17", columns=300)
    pour(terminal, wheel, 450, "1 l")
    terminal.wait_for("Pour 2: open the tap now")
    terminal.type("\n")
    terminal.wait_for(f"{COARSE}; fix: minimumPulses = 22 in [Pin 17] of {bench.config}")


def test_calibrate_uses_what_the_service_counts(bench: Bench) -> None:
    bench.counted(100)
    terminal = bench.terminal("--calibrate", "17")
    terminal.wait_for("The service counts, so these pours are sent to the server like any other.")
    terminal.wait_for("open the tap now")
    now = time.monotonic_ns()
    bench.counted(1100, flow=Flow(now, now, 1000, 0))
    terminal.wait_for("1000 pulses")
    bench.counted(2900)
    terminal.wait_for("2800 pulses. What is in the cup")
    terminal.type("500 ml\n")
    terminal.wait_for("Pour 1: 2800 pulses, 500 ml: 5600 pulses per litre")
    terminal.wait_for("Pour 2: open the tap now")
    terminal.type("\n")
    terminal.wait_for("has this value already.")
    assert terminal.end() == 0


def test_calibrate_says_at_first_that_it_cannot_write_and_loses_no_result(bench: Bench, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    folder = tmp_path / "read-only"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], check=True)
    try:
        bench.config = Path(shutil.copy(bench.config, folder))
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        wheel = bench.wheel(17)
        terminal = bench.terminal("--calibrate", "17", columns=300)
        terminal.wait_for(f"The result cannot be written into {bench.config}, only printed")
        pour(terminal, wheel, 300, "0.1 l")
        terminal.wait_for("Pour 2: open the tap now")
        terminal.type("\n")
        terminal.wait_for("[Y/n]")
        terminal.type("\n")
        terminal.wait_for("Read-only file system); fix: write pulsesPerLitre = 3000 into its section [Pin 17] with an editor")
        assert terminal.end() == EX_CONFIG
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_ctrl_c_ends_calibrate_without_a_traceback(bench: Bench) -> None:
    bench.wheel(17)
    terminal = bench.terminal("--calibrate", "17")
    terminal.wait_for("open the tap now")
    terminal.type("\x03")
    assert terminal.end(signal.SIGINT) == 128 + signal.SIGINT
    assert "Traceback" not in terminal.raw


def test_calibrate_of_a_pin_that_is_not_configured(bench: Bench) -> None:
    done = bench.run("--calibrate", "18")
    assert done.returncode == EX_CONFIG
    expected = (
        f"{bench.config}: has no section [Pin 18] (pins: 17); fix: sudo kegnet-meter --config {bench.config} --setup --pin 18 adds it"
    )
    assert done.stderr == f"kegnet-meter: {expected}\n"


# --check.


def findings(bench: Bench) -> list[dict[str, str]]:
    done = bench.run("--check", "--json")
    assert done.stderr == ""
    report = json.loads(done.stdout)
    assert report["ok"] == (done.returncode == 0) == all(found["level"] != "failure" for found in report["findings"])
    assert all(bool(found["fix"]) == (found["level"] != "ok") for found in report["findings"])
    return list(report["findings"])


def of(found: Sequence[dict[str, str]], what: str) -> dict[str, str]:
    (one,) = [one for one in found if one["what"] == what]
    return one


def test_a_good_meter_has_no_failure(bench: Bench) -> None:
    bench.wheel(17)
    found = findings(bench)
    assert {one["what"]: one["level"] for one in found if one["what"] != "service"} == {
        "configuration": "ok", "kernel": "ok", "pin 17": "ok", "noise": "ok", "spool": "ok", "space": "ok",
    }  # fmt: skip
    assert of(found, "noise")["text"] == "pin 17: no edges in 2 s"


@pytest.mark.parametrize(
    ("turn", "level", "text"),
    [
        (lambda wheel: wheel.turn(3, interval_ns=333 * MS), "warning", "pin 17: 3 edges in 2 s: a few, as if from noise; or the tap drips"),
        (
            lambda wheel: wheel.turn(4, interval_ns=MS // 5),
            "warning",
            "pin 17: 4 edges in 2 s, 2 of them closer than 500 microseconds to the one before",
        ),
        (lambda wheel: wheel.turn(400), "warning", "pin 17: 400 edges in 2 s; somebody pours, or it is noise"),
    ],
    ids=["stray", "close", "pour"],
)
def test_edges_while_nobody_pours_are_a_warning(bench: Bench, turn: Callable[[Wheel], None], level: str, text: str) -> None:
    turn(bench.wheel(17))
    found = of(findings(bench), "noise")
    assert (found["level"], found["text"]) == (level, text)


def test_what_the_service_counted_as_noise_is_a_warning(bench: Bench) -> None:
    bench.wheel(17).end()
    bench.wheels.pop().close()
    bench.counted(900, noise=100)
    found = findings(bench)
    if of(found, "pin 17")["level"] == "ok":
        assert of(found, "noise")["text"] == "pin 17: 100 of 1000 edges were noise since the service has the line"


def test_a_pour_that_was_never_finished_is_a_warning(bench: Bench) -> None:
    bench.wheel(17)
    flow = Flow(10**9, 3 * 10**9, 500, 0)
    old = time.time() - 2 * 86_400
    for name, content, age in (
        ("17100.running", Checkpoint(17, flow, 500, "b007", 1372686435017).line(), old),
        ("17200.running", Checkpoint(17, flow, 500, "b007", None, has_ended=True).line(), old),
        ("17300.running", b"\0\0\0", old),
        ("17400.running", Checkpoint(17, flow, 500, "b007", 1372686435017).line(), time.time()),
        ("17500.running", b"17,500,2000,1372686435017\n", old),
        ("notes.running.txt", b"", old),
    ):
        (bench.spool / name).write_bytes(content)
        os.utime(bench.spool / name, (age, age))
    found = [one for one in findings(bench) if one["what"] == "unfinished"]
    assert [(one["level"], one["text"], one["fix"]) for one in found] == [
        ("warning", "17100.running: this pour was never finished", "systemctl restart kegnet-meter.service"),
        ("warning", "17200.running: the time of this pour is not known", "timedatectl set-ntp true"),
        ("warning", "17300.running cannot be read as a pour: b'\\x00\\x00\\x00'", "look at it, then delete or rename it"),
        ("warning", "17500.running: this pour was never finished", "systemctl restart kegnet-meter.service"),
    ]


@pytest.mark.parametrize(
    ("spool", "text", "fix"),
    [
        ("nowhere", "does not exist", "install -d -g kegnet -m 2775 "),
        ("conf/meter.conf", "is not a directory", "correct the parameter spool"),
    ],
)
def test_a_spool_that_cannot_be_used_is_a_failure(bench: Bench, spool: str, text: str, fix: str) -> None:
    bench.wheel(17)
    bench.config.write_text(f"[Meter]\nspool = ../{spool}\n[Pin 17]\npulsesPerLitre = 5600\n")
    found = of(findings(bench), "spool")
    assert (found["level"], found["text"]) == ("failure", f"{bench.folder}/{spool}: {text}")
    assert found["fix"].startswith(fix)


def test_with_a_bad_configuration_the_rest_is_examined(bench: Bench) -> None:
    bench.config.write_text("[Meter]\nidle = soon\n[Pin 17]\n")
    found = findings(bench)
    assert "idle = soon: this value is not valid" in of(found, "configuration")["text"]
    assert of(found, "spool")["level"] == "ok"


def test_pourd_of_2013_is_a_warning(bench: Bench, tmp_path: Path) -> None:
    bench.wheel(17)
    systemctl = tmp_path / "systemctl"
    systemctl.write_text(
        '#!/bin/sh\ncase "$*" in "list-units "*" pourd@*") ;; *) exit 1 ;; esac; echo "pourd@0.service loaded active running Pours"\n'
    )
    systemctl.chmod(0o755)
    command = bench.command("--check", "--json")
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(command, capture_output=True, text=True, env=env, pass_fds=[bench.wheels[0].read_end])
    found = of(json.loads(done.stdout)["findings"], "pourd")
    assert found["level"] == "warning"
    assert found["text"] == "pourd@0.service still runs, and kegnet-meter can count in its place"
    assert found["fix"] == "sudo /usr/share/kegnet-client/service/take-over-pourd 0"


@pytest.mark.parametrize(
    ("lines", "warnings"),
    [
        ("pulsesPerLitre = 450", [COARSE]),
        ("pulsesPerLitre = 450\nminimumPulses = 46", ["pin 17: pours below 0.10 l are not sent (minimumPulses = 46)"]),
        ("pulsesPerLitre = 450\nminimumPulses = 45", []),
        ("pulsesPerLitre = 450\nminimumPulses = 22", []),
        ("pulsesPerLitre = 5600", []),
        ("pulsesPerLitre = 5\nminimumPulses = 1", []),
    ],
)
def test_check_warns_if_glasses_are_not_sent(bench: Bench, lines: str, warnings: list[str]) -> None:
    bench.configure(f"17]\n{lines}")
    bench.wheel(17)
    found = [one for one in findings(bench) if one["what"] == "configuration" and one["level"] == "warning"]
    assert [one["text"] for one in found] == warnings
    assert [one["fix"] for one in found] == [f"minimumPulses = 22 in [Pin 17] of {bench.config}"] * len(warnings)


# --setup.


def test_the_untouched_template_says_that_setup_adds_a_pin(bench: Bench) -> None:
    shutil.copy(REPOSITORY / "conf/meter.conf", bench.config)
    done = bench.run("--watch")
    assert done.returncode == EX_CONFIG
    assert "has no section [Pin N]: there is no flow meter to read; fix: sudo kegnet-meter" in done.stderr
    assert "--setup adds one" in done.stderr


def test_setup_adds_pins_and_keeps_the_rest_of_the_template(bench: Bench) -> None:
    template = (REPOSITORY / "conf/meter.conf").read_text()
    bench.config.write_text(template)
    words = ["--setup", "--pin", "17", "--pin", "18", "--report-as", "17=0", "--pulses-per-litre", "18=5512", "--spool", "/srv/spool"]
    done = bench.run(*words)
    assert done.returncode == 0, done.stderr
    made = config.load(bench.config)
    assert [(pin.pin, pin.report_as, pin.pulses_per_litre) for pin in made.pins] == [(17, 0, None), (18, 18, 5512)]
    assert made.spool == Path("/srv/spool")
    added = "\n[Pin 17]\nreportAs = 0\n\n[Pin 18]\npulsesPerLitre = 5512\n"
    assert bench.config.read_text() == template.replace("[Meter]\n", "[Meter]\nspool = /srv/spool\n", 1) + added
    for mode in ("--watch", "--calibrate 17", "--check"):
        assert f"    sudo kegnet-meter --config {bench.config} {mode}\n" in done.stdout
    again = bench.run(*words)
    assert (again.returncode, again.stdout, again.stderr) == (0, done.stdout, "")


def test_setup_of_a_coarse_flow_meter_warns_that_glasses_are_not_sent(bench: Bench) -> None:
    bench.config.unlink()
    done = bench.run("--setup", "--pin", "17", "--pin", "18", "--pulses-per-litre", "17=450", "--pulses-per-litre", "18=5600")
    warnings = [line for line in done.stdout.splitlines() if "; fix: " in line]
    assert warnings == [f"{COARSE}; fix: minimumPulses = 22 in [Pin 17] of {bench.config}"]


def test_setup_makes_a_file_where_there_is_none(bench: Bench) -> None:
    bench.config.unlink()
    assert bench.run("--setup", "--pin", "17").returncode == 0
    assert [pin.pin for pin in config.load(bench.config).pins] == [17]
    assert os.listdir(bench.config.parent) == ["meter.conf"]


def set_up_in(bench: Bench, folder: Path, spool: str) -> subprocess.CompletedProcess[str]:
    """Runs --setup with the option --spool in `folder`."""
    command = bench.command("--setup", "--pin", "17", "--spool", spool)
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=bench.environment())


def test_setup_takes_a_relative_spool_from_the_current_directory(bench: Bench) -> None:
    bench.config.unlink()
    (bench.folder / "pours").mkdir()
    for _ in ("the first time", "and again"):
        done = set_up_in(bench, bench.folder, "pours")
        assert done.returncode == 0, done.stderr
        assert config.load(bench.config).spool == bench.folder / "pours"


def test_a_repeated_setup_accepts_the_spool_that_the_file_names_in_another_way(bench: Bench) -> None:
    bench.config.write_text("[Meter]\nspool = ../spool\n[Pin 17]\n")
    before = bench.config.read_text()
    for folder, spool in ((bench.config.parent, "../spool"), (bench.folder, "spool"), (bench.folder, "conf/../spool/")):
        done = set_up_in(bench, folder, spool)
        assert (done.returncode, done.stderr) == (0, "")
        assert bench.config.read_text() == before
    done = set_up_in(bench, bench.folder, "../spool")
    assert "[Meter] spool = ../spool: has a value already, and --setup overwrites nothing" in done.stderr
    assert bench.config.read_text() == before


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--pulses-per-litre", "17=7"], "[Pin 17] pulsesPerLitre = 5600: has a value already, and --setup overwrites nothing"),
        (["--report-as", "18=7"], "has no section [Pin 18]; fix: add --pin 18"),
        (["--pin", "18", "--report-as", "18=17"], "[Pin 18] reportAs = 17: [Pin 17] reports this number, too"),
    ],
)
def test_a_setup_that_is_refused_changes_nothing(bench: Bench, words: list[str], expected: str) -> None:
    before = bench.config.read_text()
    done = bench.run("--setup", *words)
    assert (done.returncode, done.stdout) == (EX_CONFIG, "")
    assert expected in done.stderr
    assert bench.config.read_text() == before


def test_setup_without_a_terminal_or_a_pin_asks_for_the_option(bench: Bench) -> None:
    bench.config.unlink()
    done = bench.run("--setup")
    assert done.returncode == EX_CONFIG
    assert f"names no pin; fix: name it: sudo kegnet-meter --config {bench.config} --setup --pin 17" in done.stderr
    assert not bench.config.exists()


def test_setup_on_a_terminal_asks_for_the_pins(bench: Bench) -> None:
    bench.config.unlink()
    terminal = bench.terminal("--setup")
    terminal.wait_for("pins = ")
    terminal.type("seventeen\n")
    terminal.wait_for("use the numbers behind GPIO on the diagram of the header, from 0 to 27")
    terminal.type("17, 18\n")
    assert terminal.end() == 0
    assert [pin.pin for pin in config.load(bench.config).pins] == [17, 18]
    again = bench.terminal("--setup")
    again.wait_for("has the pins 17, 18. Which others have a flow meter?")
    again.type("\n")
    assert again.end() == 0
    assert [pin.pin for pin in config.load(bench.config).pins] == [17, 18]


def test_an_unanswered_question_changes_nothing(bench: Bench) -> None:
    before = bench.config.read_text()
    terminal = bench.terminal("--setup")
    terminal.wait_for("pins = ")
    terminal.type("\x04")
    assert terminal.end() == EX_CONFIG
    assert bench.config.read_text() == before


@pytest.mark.parametrize(
    "words",
    [
        ["--setup", "--check"], ["--json"], ["--pin", "17"], ["--check", "--spool", "x"], ["--setup", "--pin", "28"],
        ["--setup", "--report-as", "17"], ["--setup", "--pulses-per-litre", "17=0"], ["--calibrate"], ["--calibrate", "x"],
    ],
)  # fmt: skip
def test_a_wrong_command_line_is_status_2(bench: Bench, words: list[str]) -> None:
    done = bench.run(*words)
    assert done.returncode == 2
    assert "usage: kegnet-meter" in done.stderr


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", ">/dev/full", "| true"])
@pytest.mark.parametrize("mode", ["--setup --pin 17", "--check", "--watch", "--calibrate 17"])
def test_there_is_no_traceback_whatever_the_streams_lead_to(bench: Bench, mode: str, closed: str) -> None:
    wait_for(bench.config.exists)
    command = f"{PYTHON} -B {METER} --config {bench.config} {mode} {closed}"
    done = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, stdin=subprocess.DEVNULL, env=bench.environment(), timeout=60
    )
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
