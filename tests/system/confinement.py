"""What the unit of a service permits: a script that runs in its place, and systemd's figure."""

from __future__ import annotations

import re

from support.wait import wait_for
from system.container import Machine

HOME = "/usr/share/kegnet-client"

_START = """
def attempt(what, action):
    try:
        action()
    except OSError as error:
        print(what, "refused:", error.strerror)
    else:
        print(what, "ALLOWED")

def write(path):
    with open(path, "w") as file:
        file.write("x")
"""


_END = "the probe has ended"
"""Its last line. The journal can have it a moment after its end."""


def run_confined(machine: Machine, program: str, script: str) -> str:
    """What `script`, a Python program, prints in the place of the service `program`. `attempt()` and `write()` are defined."""
    (machine.share / "probe.py").write_text(_START + script + f'\nprint("{_END}")\n')
    oneshot = f"-e 's|^ExecStart=.*|ExecStart=/usr/bin/python3 {HOME}/probe.py|' -e s/^Type=.*/Type=oneshot/ -e /^Restart=/d"
    machine.sh(f"sed {oneshot} {HOME}/service/{program}.service > /etc/systemd/system/probe.service")
    machine.sh(f"cp /share/probe.py {HOME}/probe.py; systemctl daemon-reload")
    machine.run("systemctl", "start", "probe")
    journal = ("journalctl", "--unit", "probe", "--no-pager", "--output=cat")
    output = wait_for(lambda: text if _END in (text := machine.run(*journal)) else "")
    machine.sh(f"rm /etc/systemd/system/probe.service {HOME}/probe.py; systemctl daemon-reload")
    return output


def exposure(machine: Machine, program: str) -> float:
    """The overall exposure level of the service; systemd-analyze(1)."""
    output = machine.run("systemd-analyze", "security", "--no-pager", program)
    figure = re.search(rf"Overall exposure level for {program}.service: ([0-9.]+)", output)
    assert figure, output
    print("exposure", figure.group(1))
    return float(figure.group(1))
