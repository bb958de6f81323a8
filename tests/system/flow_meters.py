"""A keg with flow meters in the guest: the installed kegnet-meter, on a simulated chip of the header."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kegnet.core.messages import Pour
from support.pki import Certificate
from support.wait import wait_for
from system.guest import Guest

HOME = "/usr/share/kegnet-client"
SPOOL = f"{HOME}/spool"
LABEL = "pinctrl-bcm2711"
HEADER = ("header", LABEL, 54)
IDLE_S = 2.0
"""Longer than the guest ever waits for its processor, so that no pour is divided by the test itself."""
CHIPS = """
[Unit]
DefaultDependencies=no
Before=kegnet-meter.service
[Service]
Type=oneshot
RemainAfterExit=yes
WorkingDirectory=/share/source
Environment=PYTHONPATH=lib:tests
ExecStart=/usr/bin/python3 -B -m system.lab.gpio_sim /etc/gpio-chips.json
[Install]
WantedBy=multi-user.target
"""
CHECKPOINTS = """
import os, pathlib, time
def counted():
    words = [path.read_text().split(",") for end in ("running", "pour") for path in pathlib.Path("{spool}").glob("{pin}*." + end)]
    return sum(int(line[1] if len(line) == 4 else line[6]) for line in words)
lacks, held_up_s, last_s = 0, 0.0, time.monotonic()
end = last_s + {for_s}
while last_s < end:
    made = int(pathlib.Path("{progress}").read_text().split()[0])
    lacks = max(lacks, made - counted())
    with open("{beside}", "w") as file:
        file.write("x")
        file.flush()
        os.fsync(file)
    time.sleep(0.05)
    now_s = time.monotonic()
    held_up_s, last_s = max(held_up_s, now_s - last_s), now_s
print(lacks, held_up_s)
"""


@dataclass(frozen=True)
class Pulses:
    """What a wheel has done: the pulses of each pour, and when each began, in seconds of the guest's CLOCK_MONOTONIC.

    `longest_gap_s` is the longest time between two pulses of a pour: a busy machine can hold the wheel up.
    """

    pours: list[int]
    began_s: list[float]
    longest_gap_s: float
    hertz: int


@dataclass
class Wheel:
    """The wheel of a flow meter, while it turns."""

    guest: Guest
    pin: int
    out: str = field(init=False)

    def __post_init__(self) -> None:
        self.out = f"/run/made-{self.pin}"

    def turn(self, pours: Sequence[int], *options: str) -> Wheel:
        """Starts to make these pours, see pulse_maker."""
        self.guest.sh(f"rm -f {self.out}*")
        words = f"--pours {','.join(map(str, pours))} {' '.join(options)}"
        run = "systemd-run --quiet --collect -p WorkingDirectory=/share/source -E PYTHONPATH=lib:tests"
        self.guest.sh(f"{run} --unit=wheel-{self.pin} python3 -B -m system.pulse_maker header {self.pin} {self.out} {words}")
        return self

    def progress(self) -> int:
        """The pulses made so far."""
        return int(self.guest.sh(f"cat {self.out}.progress 2>/dev/null || true") or 0)

    def wait_for(self, pulses: int) -> Wheel:
        """Waits until it has made so many."""
        wait_for(lambda: self.progress() >= pulses, 60, every_s=0.1)
        return self

    def stop(self) -> Pulses:
        """Ends the pour that runs."""
        self.guest.sh(f"touch {self.out}.stop")
        return self.wait()

    def wait(self, limit_s: float = 90) -> Pulses:
        """Waits until everything is made."""
        text = wait_for(lambda: self.guest.sh(f"cat {self.out} 2>/dev/null || true"), limit_s, 0.2)
        made = Pulses(**json.loads(text))
        print(f"pin {self.pin}: {made.pours} pulses, at last at {made.hertz} Hz, with {made.longest_gap_s:.1f} s between two of them")
        return made


class FlowMeters:
    """The guest with the simulator of chips. Its client is off, its clock is not set, and no pin is configured."""

    def __init__(self, folder: Path, ca: Certificate) -> None:
        self.guest = Guest(folder, ca.certificate)
        off = "/etc/systemd/system/kegnet-client.service.d"
        self.guest.sh(f"mkdir {off}; printf '[Unit]\\nConditionPathExists=/run/client-on\\n' > {off}/off.conf")
        self.guest.sh(f"echo '{CHIPS}' > /etc/systemd/system/gpio-chips.service; systemctl daemon-reload")
        self.guest.sh("systemctl stop kegnet-client; modprobe gpio-sim")
        self.guest.sh("mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config")

    def make_header(self) -> None:
        """The chip of the header, now and at each boot."""
        self.chips(HEADER)
        self.guest.sh("systemctl enable --quiet --now gpio-chips")

    def chips(self, *chips: tuple[str, str, int]) -> None:
        """The chips that each boot makes, in this order."""
        self.guest.sh(f"echo '{json.dumps(chips)}' > /etc/gpio-chips.json && sync")

    def chip_number(self) -> str:
        """The name of the header's chip in /dev."""
        return self.guest.sh("cat /sys/kernel/config/gpio-sim/header/bank/chip_name")

    def configure(self, *pins: int, idle_s: float = IDLE_S) -> None:
        """Writes meter.conf, and starts the meter with it, or lets it read it."""
        lines = ["[Meter]", f"idle = {idle_s * 1000:.0f}", "minimumPulses = 1", *(f"[Pin {pin}]" for pin in pins)]
        self.guest.sh(f"echo '{chr(10).join(lines)}' > {HOME}/conf/meter.conf; sync; systemctl reload-or-restart kegnet-meter")
        wait_for(lambda: self.pid(), 120, 0.2)

    def pid(self) -> int:
        """The process number of the meter."""
        return int(self.guest.property("MainPID", "kegnet-meter"))

    def turn(self, pin: int, pours: Sequence[int], *options: str) -> Wheel:
        """Turns the wheel on a pin that the meter has requested."""
        self.wait_for_line(pin)
        return Wheel(self.guest, pin).turn(pours, *options)

    def wait_for_line(self, pin: int, limit_s: float = 120) -> None:
        """Waits until the meter has requested the line of a pin."""
        wait_for(lambda: self.guest.sh(f"ls /run/kegnet-meter/pin-{pin} 2>/dev/null || true"), limit_s, 0.2)

    def names(self, ending: str) -> list[str]:
        """The names of the files in the spool with that ending."""
        return sorted(name for name in self.guest.sh(f"ls {SPOOL}").split() if name.endswith(ending))

    def read_pours(self) -> list[Pour]:
        """The content of the `.pour` files, in the order of their starts."""
        lines = self.guest.sh(f"cd {SPOOL} && ! ls *.pour >/dev/null 2>&1 || cat *.pour").splitlines()
        return sorted((Pour.parse(line.encode()) for line in lines), key=lambda pour: (pour.ts, pour.pin))

    def pours(self, pulses: int, limit_s: float = 60) -> list[Pour]:
        """The same once they have so many pulses, and no pour runs; then they are removed."""
        wait_for(lambda: sum(pour.pulses for pour in self.read_pours()) >= pulses and not self.names(".running"), limit_s, 0.3)
        pours = self.read_pours()
        self.guest.sh(f"rm {SPOOL}/*.pour")
        return pours

    def oldest_checkpoint(self, pin: int, for_s: float) -> tuple[int, float]:
        """How many pulses of the pour that runs its `.running` file lacks at most, while they are compared for some time.

        Also the longest time between two comparisons, in seconds, with a file that is written to the disk in between: a busy machine can
        hold up the whole guest, or its disk.
        """
        program = CHECKPOINTS.format(spool=SPOOL, beside=f"{HOME}/beside", pin=pin, progress=f"/run/made-{pin}.progress", for_s=for_s)
        lacked, held_up_s = self.guest.sh(f"python3 -c '{program}'").split()
        return int(lacked), float(held_up_s)

    def set_clock(self, unix_s: float) -> None:
        """Sets the clock, as systemd-timesyncd does."""
        self.guest.sh(f"date --set=@{unix_s:.3f}; mkdir -p /run/systemd/timesync; touch /run/systemd/timesync/synchronized")

    def boot_unix_s(self) -> float:
        """The Unix time at which the guest's CLOCK_MONOTONIC was 0."""
        return float(self.guest.sh("python3 -c 'import time; print(time.time() - time.monotonic())'"))


def pulses_of(pours: Sequence[Pour], pin: int) -> list[int]:
    """The pulses of each pour of a pin."""
    return [pour.pulses for pour in pours if pour.pin == pin]


def compare(made: Mapping[int, Pulses], counted: Mapping[int, list[int]]) -> None:
    """Fails unless every pulse of each pin was counted in its pour, once."""
    assert {pin: sum(pours) for pin, pours in counted.items()} == {pin: sum(pulses.pours) for pin, pulses in made.items()}
    for pin, pulses in made.items():
        # A wheel that was held up for longer than `idle` has made two pours of one.
        assert counted[pin] == pulses.pours or pulses.longest_gap_s > 0.9 * IDLE_S
