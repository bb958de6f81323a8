"""A Debian machine in QEMU, with Debian's own kernel, by software emulation: for tests that a container cannot do."""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path

import pytest
from support.wait import wait_for
from system.container import CLIENT_PACKAGES, LAB, built_once, copy_source, root_file_system

ONE_AT_A_TIME = pytest.mark.xdist_group("guest")
"""Tests in a guest. Emulation needs a whole processor; two guests at a time are so slow that tests fail."""
HOST = "10.0.2.2"
"""The address at which the guest reaches the machine that runs QEMU, and the services on its loopback."""


def gpio_simulator(kernel: Path) -> Path:
    """The folder of the module `gpio-sim` for this kernel; built again for another release."""
    release = next((kernel / "lib/modules").iterdir()).name
    return built_once(f"gpio-sim-{release}", "build-gpio-sim", str(kernel))


class Guest:
    """Boots Debian 12 with the client installed. Its clock starts in 1970."""

    def __init__(self, folder: Path, authority: Path) -> None:
        self._folder = folder
        root = root_file_system("bookworm", *CLIENT_PACKAGES, "iproute2", name="guest")
        kernel = built_once("kernel", "build-kernel")
        self._kernel = kernel
        copy_source(folder / "source")
        self._disk = folder / "disk"
        inputs = (root, kernel, gpio_simulator(kernel), folder / "source", authority, LAB)
        subprocess.run([LAB / "build-disk", *inputs, self._disk], check=True)
        self.boot()

    def boot(self) -> None:
        """Boots from the disk as it is."""
        kernel = self._kernel
        image = next((kernel / "boot").glob("vmlinuz-*"))
        (self._folder / "agent").unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self._folder / "agent"))
        listener.listen()
        listener.settimeout(180)
        command: list[str | Path] = [
            "qemu-system-x86_64", "-M", "pc,usb=off,vmport=off,hpet=off", "-accel", "tcg,thread=multi,tb-size=512", "-cpu", "Nehalem",
            "-smp", "2", "-m", "1024", "-nodefaults", "-display", "none", "-no-reboot", "-kernel", image, "-initrd", kernel / "initrd",
            "-append", "console=ttyS0 panic=-1 quiet mitigations=off nokaslr tsc=reliable random.trust_cpu=on net.ifnames=0",
            "-drive", f"file={self._disk},if=virtio,format=raw,cache=unsafe",
            "-netdev", "user,id=net,restrict=off", "-device", "virtio-net-pci,netdev=net,romfile=",
            "-serial", f"file:{self._folder / 'console'}", "-serial", f"unix:{self._folder / 'agent'}",
        ]  # fmt: skip
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with listener:
            self._port, _ = listener.accept()
        self._port.settimeout(600)
        self._answers = self._port.makefile("rb")
        assert self._answers.readline() == b"ready\n"
        self.sh("until [ -e /sys/class/net/eth0 ]; do sleep 0.1; done; ip link set eth0 up && ip addr add 10.0.2.15/24 dev eth0")

    def sh(self, script: str, check: bool = True) -> str:
        """Runs a shell script inside; its output on both streams."""
        self._port.sendall(json.dumps(script).encode() + b"\n")
        status, output = json.loads(self._answers.readline())
        assert not check or status == 0, f"{script} ended with {status}: {output}"
        return str(output)

    def property(self, name: str, unit: str = "kegnet-client") -> str:
        """A property of a service, as `systemctl show` gives it."""
        return self.sh(f"systemctl show --value --property {name} {unit}").strip()

    def console(self) -> str:
        """What was written to the console, also before a power cut."""
        return (self._folder / "console").read_text(errors="replace")

    def log(self) -> str:
        """The content of /var/log/user.log."""
        return self.sh("cat /var/log/user.log 2>/dev/null || true")

    def wait_for_log(self, text: str, limit_s: float = 90) -> str:
        """Waits until user.log contains `text`; the line."""
        wait_for(lambda: text in self.log(), limit_s, every_s=0.5)
        return next(line for line in self.log().splitlines() if text in line)

    def cut_power(self) -> None:
        """Ends QEMU at once. What the guest has written to its disk is there at the next `boot()`; its memory is lost."""
        self._process.kill()
        self._process.wait()
        self._answers.close()
        self._port.close()

    def close(self) -> None:
        """Ends QEMU, and removes the disk."""
        self.cut_power()
        self._disk.unlink()
