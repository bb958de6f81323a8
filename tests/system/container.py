"""A Debian machine in namespaces: a real systemd as PID 1 over a throw-away overlay."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

from kegnet.server.demo import w1_slave
from support.keg import PROBE, REPOSITORY
from support.wait import wait_for

LAB = Path(__file__).resolve().parent / "lab"
CACHE = Path(os.environ.get("KEGNET_LAB", "/var/tmp/kegnet-client-lab"))
CLIENT_PACKAGES = ("python3", "python3-pyinotify", "python3-m2crypto", "python3-requests", "openssl", "rsyslog")
SERVER_PACKAGES = (
    "python3", "python3-alembic", "python3-cryptography", "python3-defusedxml", "python3-fastapi", "python3-itsdangerous",
    "python3-jinja2", "python3-paho-mqtt", "python3-prometheus-client", "python3-segno", "python3-sqlalchemy", "python3-uvicorn",
    "tzdata", "python3-m2crypto", "openssl",
)  # fmt: skip
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def root_file_system(suite: str, *packages: str, name: str) -> Path:
    """The root file system of a Debian `suite` with `packages`. Another list of packages is another one."""
    digest = hashlib.sha256(" ".join(packages).encode()).hexdigest()[:8]
    return built_once(f"{suite}-{name}-{digest}", "build-root", suite, *packages)


def built_once(name: str, builder: str, *words: str) -> Path:
    """The result of `builder`, a script of lab/, under `name`: built once on this machine, also if several processes ask for it."""
    made = CACHE / name
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            built = subprocess.run([LAB / builder, made, *words], stderr=subprocess.PIPE, text=True, errors="replace")
            if built.returncode:
                raise OSError(f"{builder} ended with {built.returncode}: {built.stderr}")
    return made


def copy_source(target: Path) -> None:
    """Copies the files that a clone of the working tree has, without .git."""
    names = subprocess.run(
        ["git", "-C", REPOSITORY, "ls-files", "-z", "--cached", "--others", "--exclude-standard"], check=True, capture_output=True
    ).stdout.split(b"\0")
    for name in filter(None, names):
        source = REPOSITORY / os.fsdecode(name)
        if source.exists():
            (target / os.fsdecode(name)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / os.fsdecode(name))


class Machine:
    """Boots `root`. `folder/share` is `/share` in it, with the project in `/share/source`; a probe reads 4.187 °C."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root = root
        self.folder = folder
        self.share = folder / "share"
        self.devices = folder / "w1"
        (self.share / "source").mkdir(parents=True)
        self.devices.mkdir()
        copy_source(self.share / "source")
        self.temperature(4187)
        self.boot()

    def temperature(self, millicelsius: int) -> None:
        """Sets the temperature that the probe reads."""
        (self.devices / PROBE).mkdir(exist_ok=True)
        (self.devices / PROBE / "w1_slave").write_text(w1_slave(millicelsius))

    def boot(self) -> None:
        """Boots, and waits until systemd has started everything."""
        with (self.folder / "console").open("a") as console:
            self._outer = subprocess.Popen(
                [LAB / "boot", self.root, self.folder / "upper", self.share, self.devices], stdout=console, stderr=console
            )
        self._leader = wait_for(self._find_leader)
        wait_for(lambda: self.run("systemctl", "is-system-running", check=False).strip() in ("running", "degraded"), limit_s=180)

    def _find_leader(self) -> int:
        assert self._outer.poll() is None, (self.folder / "console").read_text()
        children = Path(f"/proc/{self._outer.pid}/task/{self._outer.pid}/children").read_text().split()
        try:
            name = Path(f"/proc/{children[0]}/comm").read_text() if children else ""
        except (FileNotFoundError, ProcessLookupError):  # An earlier child, which has ended.
            return 0
        return int(children[0]) if name == "systemd\n" else 0

    def command(self, *command: str | Path) -> list[str]:
        """The command line that runs `command` inside."""
        enter = ["nsenter", "--target", str(self._leader), "--mount", "--uts", "--ipc", "--pid", "--cgroup"]
        return [*enter, "env", "-i", f"PATH={PATH}", "HOME=/root", "LANG=C.UTF-8", *map(str, command)]

    def run(self, *command: str | Path, check: bool = True) -> str:
        """Runs `command` inside; its output on both streams."""
        done = subprocess.run(self.command(*command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert not check or done.returncode == 0, f"{command} ended with {done.returncode}: {done.stdout}"
        return done.stdout

    def sh(self, script: str, check: bool = True) -> str:
        """Runs a line of shell inside."""
        return self.run("sh", "-c", script, check=check)

    def property(self, name: str, unit: str = "kegnet-client") -> str:
        """A property of a unit, as `systemctl show` gives it."""
        return self.run("systemctl", "show", "--value", "--property", name, unit).strip()

    def log(self) -> str:
        """The content of /var/log/user.log."""
        return self.sh("cat /var/log/user.log 2>/dev/null || true")

    def wait_for_log(self, text: str, limit_s: float = 60) -> None:
        """Waits until user.log contains `text`."""
        wait_for(lambda: text in self.log(), limit_s)

    def power_off(self) -> None:
        """Ends it at once, like `poweroff -f` of a container."""
        cgroup = Path(next(line.split()[1] for line in Path("/proc/mounts").read_text().splitlines() if line.split()[2] == "cgroup2"))
        cgroup /= f"kegnet-{self._outer.pid}"
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._leader, signal.SIGRTMIN + 14)
        try:
            self._outer.wait(20)
        except subprocess.TimeoutExpired:
            self._outer.kill()
            self._outer.wait()
        wait_for(lambda: not (cgroup / "cgroup.procs").read_text())
        for folder, _, _ in os.walk(cgroup, topdown=False):
            Path(folder).rmdir()

    def scrap(self) -> None:
        """Ends it, and deletes what it has written."""
        self.power_off()
        shutil.rmtree(self.folder / "upper")
