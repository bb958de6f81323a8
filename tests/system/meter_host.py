"""A machine with kegnet-meter. It has no GPIO chip: a line is a pipe that systemd passes to the service, with event records in it."""

from __future__ import annotations

from kegnet.meter import gpio_uapi
from support.wait import wait_for
from system.kegerator import CONF, Site

METER = "kegnet-meter"
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
    wait_for(lambda: text in site.machine.property("StatusText", METER), limit_s=20)
