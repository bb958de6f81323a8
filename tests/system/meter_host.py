"""A machine with kegnet-meter. It has no GPIO chip: a line is a pipe that systemd passes to the service, with event records in it."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator

from kegnet.meter import gpio_uapi
from support.wait import wait_for
from system.kegerator import CONF, Site

METER = "kegnet-meter"
STEPS = "/run/steps"
"""What service/take-over-pourd prints goes there."""
METER_CONF = CONF.replace("client.conf", "meter.conf")
_SOCKET = """\
[Socket]
ListenFIFO=/run/edges-{pin}
FileDescriptorName=edges-{pin}
Service=kegnet-meter.service

[Install]
WantedBy=sockets.target
"""
_TURN = f"""
import os, struct, sys, time
pin, pulses, hertz = map(int, sys.argv[1:])
number_file = f"/run/wheel-{{pin}}"
number = int(open(number_file).read()) if os.path.exists(number_file) else 0
with open(f"/run/edges-{{pin}}", "wb", buffering=0) as line:
    for number in range(number + 1, number + pulses + 1):
        line.write(struct.pack("{gpio_uapi.LINE_EVENT.format}", time.monotonic_ns(), number))
        time.sleep(1 / hertz)
open(number_file, "w").write(str(number))
"""

_POUR = f"""
import os, struct, sys, time
number, gpio, pours, pulses, pause_s = map(int, sys.argv[1:])
events = os.open(f"/run/edges-{{gpio}}", os.O_RDWR)
line, sequence = -1, 0

def pulse():
    global line, sequence
    try:
        if line < 0:
            line = os.open(f"/run/line-{{number}}", os.O_WRONLY | os.O_NONBLOCK)
        os.write(line, b"p")
    except OSError:
        if line >= 0:
            os.close(line)
        line, sequence = -1, sequence + 1
        os.write(events, struct.pack("{gpio_uapi.LINE_EVENT.format}", time.monotonic_ns(), sequence))

def change_runs():
    # Whether nothing counts now, by what take-over-pourd has printed so far for this pin.
    lines = [line for line in open("{STEPS}") if line.startswith(f"pin {{number}} ")] if os.path.exists("{STEPS}") else []
    begun = sum("nobody pours; " in line for line in lines)
    return begun > sum("kegnet-meter counts" in line or "done: pourd" in line for line in lines)

def is_counted():
    # A pourd that has just been started opens its line a moment later.
    global line
    try:
        if line < 0:
            line = os.open(f"/run/line-{{number}}", os.O_WRONLY | os.O_NONBLOCK)
        return True
    except OSError:
        return os.path.exists(f"/run/kegnet-meter/pin-{{gpio}}")

for _ in range(pours):
    while change_runs() or not is_counted():
        time.sleep(0.02)
    open(f"/run/pours-{{number}}", "w").close()
    for _ in range(pulses):
        pulse()
        time.sleep(0.002)
    time.sleep(pause_s)
"""
"""Pours into the pipe of pourd if that runs, else into the one of kegnet-meter: the kernel gives a line to one of them only.

Nobody begins a pour in the second in which neither of them has the line: what flows then cannot be counted.
"""


def connect_wheel(site: Site, pin: int) -> None:
    """Connects a flow meter to a pin, so that the service is started with it."""
    machine = site.machine
    (machine.share / "turn.py").write_text(_TURN)
    (machine.share / f"edges-{pin}.socket").write_text(_SOCKET.format(pin=pin))
    machine.sh(
        f"cp /share/edges-{pin}.socket /etc/systemd/system/ && systemctl daemon-reload && systemctl -q enable --now edges-{pin}.socket"
    )


def turn(site: Site, pin: int, pulses: int, hertz: int = 1000) -> None:
    """Turns the wheel at a pin."""
    site.machine.run("python3", "/share/turn.py", str(pin), str(pulses), str(hertz))


def configure(site: Site, text: str) -> None:
    """Puts the text into meter.conf."""
    (site.machine.share / "meter.conf").write_text(text)
    site.machine.run("install", "-m", "644", "/share/meter.conf", METER_CONF)


def wait_for_status(site: Site, text: str) -> None:
    """Waits until the status of the service contains `text`."""
    wait_for(lambda: text in site.machine.property("StatusText", METER), limit_s=60)


@contextlib.contextmanager
def people_pour(site: Site, pins: dict[int, int], pours: int, pulses: int, pause_s: int) -> Iterator[None]:
    """While the block runs, people pour at each pin, into what counts: pourd with its number, or kegnet-meter with its pin.

    Returns when the last pour has ended.
    """
    (site.machine.share / "pour.py").write_text(_POUR)
    words = [[str(word) for word in (number, pin, pours, pulses, pause_s)] for number, pin in pins.items()]
    people = [subprocess.Popen(site.machine.command("python3", "/share/pour.py", *pour)) for pour in words]
    try:
        yield
        for person in people:
            assert person.wait(180) == 0
    finally:
        for person in people:
            person.kill()
            person.wait()
