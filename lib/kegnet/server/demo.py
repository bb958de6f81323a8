"""The demo: the real client against the stand-in KegNet, with a make-believe fridge and flow meter.

All of it lives in a temporary folder and ends with Ctrl-C.
"""

from __future__ import annotations

import os
import pty
import random
import selectors
import signal
import subprocess
import sys
import tempfile
import time
import uuid
import webbrowser
from pathlib import Path
from types import FrameType

PROBE = "28-0000054c9f11"
PING_INTERVAL_S = 4
PULSES_PER_LITRE = 5600
PINS = (0, 2)

_LIB = Path(__file__).resolve().parents[2]


def w1_slave(millicelsius: int) -> str:
    """What `w1_therm` prints for a DS18B20 at 12 bit: the scratchpad, its CRC, the temperature."""
    raw = round(millicelsius * 16 / 1000)
    scratchpad = (raw & 0xFFFF).to_bytes(2, "little") + bytes.fromhex("4b467fff0c10")
    crc = crc8(scratchpad)
    text = (scratchpad + bytes([crc])).hex(" ")
    return f"{text} : crc={crc:02x} YES\n{text} t={raw * 1000 // 16}\n"


def crc8(data: bytes) -> int:
    """The CRC of the 1-Wire bus: x^8 + x^5 + x^4 + 1, reflected (Maxim application note 27)."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x8C if crc & 1 else 0)
    return crc


class Fridge:
    """A thermometer tree below `devices` whose temperature goes up and down as a fridge's does."""

    def __init__(self, devices: Path) -> None:
        self._file = devices / PROBE / "w1_slave"
        self._file.parent.mkdir(parents=True)
        self._millicelsius = 4200.0
        self._cooling = False
        self._due = time.monotonic()
        self.maybe_drift()

    def maybe_drift(self) -> None:
        """Each second: warmer with the compressor off, colder with it on."""
        if time.monotonic() < self._due:
            return
        self._due += 1
        self._cooling = self._millicelsius > 5000 or (self._cooling and self._millicelsius > 2800)
        self._millicelsius += random.uniform(-150, -50) if self._cooling else random.uniform(0, 100)
        fresh = self._file.with_suffix(".new")
        fresh.write_text(w1_slave(round(self._millicelsius)))
        fresh.rename(self._file)


class FlowMeter:
    """Drops a pour into `spool` now and then, as a flow-meter daemon does: a temporary name, then a rename."""

    def __init__(self, spool: Path) -> None:
        self._spool = spool
        self._spool.mkdir()
        self._due = time.monotonic() + 3

    def maybe_pour(self) -> None:
        """A pour, if somebody is thirsty."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + random.uniform(2, 10)
        pin, ts_ms, litres = random.choice(PINS), time.time_ns() // 10**6, random.uniform(0.1, 0.5)
        temporary = self._spool / f"{pin}{ts_ms}.tmp"
        temporary.write_text(f"{pin},{litres * PULSES_PER_LITRE:.0f},{litres * 14000:.0f},{ts_ms}\n")
        temporary.rename(temporary.with_suffix(".pour"))
        print(f"tap    | somebody pours {litres:.2f} litres: {pin}{ts_ms}.pour", flush=True)


class Process:
    """A child whose lines are shown behind `label`. It speaks into a pseudo-terminal, as to a person."""

    def __init__(self, label: str, *command: str | Path) -> None:
        self._label = label
        self._unfinished = b""
        self._terminal, theirs = pty.openpty()
        self.child = subprocess.Popen(
            [sys.executable, "-B", *command], stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)

    def fileno(self) -> int:
        """The descriptor to poll before `show()`."""
        return self._terminal

    def show(self) -> list[str]:
        """Waits for the child to say something, shows it, and gives the lines; none once it has ended."""
        lines: list[bytes] = []
        while not lines:
            try:
                said = os.read(self._terminal, 4096)
            except OSError:  # A pseudo-terminal's way to say end of file.
                return []
            *lines, self._unfinished = (self._unfinished + said).split(b"\n")
        texts = [line.decode("utf-8", "replace").rstrip() for line in lines]
        for text in texts:
            print(f"{self._label} | {text}", flush=True)
        return texts

    def stop(self) -> None:
        """Ends the child and shows its last words."""
        self.child.terminate()
        while self.show():
            continue
        self.child.wait()
        os.close(self._terminal)


def main() -> int:
    """Runs the demo until Ctrl-C; the exit status."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    with tempfile.TemporaryDirectory(prefix="kegnet-demo-") as folder:
        processes: list[Process] = []
        try:
            return _run(Path(folder), processes)
        except KeyboardInterrupt:
            print("\nThe demo ends.", flush=True)
            return 0
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            for process in reversed(processes):
                process.stop()


def _run(folder: Path, processes: list[Process]) -> int:
    print("A fridge, a tap, the client and a KegNet of its own. Ctrl-C ends it.", flush=True)
    client_id = str(uuid.uuid4())
    database = _database(folder, client_id)
    _openssl(
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=KegNet demo",
        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "tls.key", "-out", folder / "tls.pem",
    )  # fmt: skip
    files = ("--certificate", folder / "tls.pem", "--key", folder / "tls.key")
    server = Process("server", _LIB / "server.py", "--database", database, "serve", "--listen", "127.0.0.1:0", *files)
    processes.append(server)
    first_words = " ".join(server.show()).split()
    if not first_words or not first_words[-1].startswith("https://"):
        return 1
    page = first_words[-1].removesuffix("rest/v2")
    print(f"The page is at {page} (its certificate is of the demo's own making; the browser will ask).", flush=True)
    _open(page)
    fridge, meter = Fridge(folder / "w1"), FlowMeter(folder / "spool")
    (folder / "client.conf").write_text(
        f"[KegNet]\nuuid = {client_id}\nserviceBaseURL = {first_words[-1]}\ncaBundle = tls.pem\n"
        f"spool = spool\nw1Devices = w1\npingInterval = {PING_INTERVAL_S}\n"
    )
    client = Process("client", _LIB / "client.py", "--config", folder / "client.conf")
    processes.append(client)
    with selectors.DefaultSelector() as selector:
        for process in processes:
            selector.register(process, selectors.EVENT_READ, process)
        return _watch(selector, fridge, meter)


def _database(folder: Path, client_id: str) -> str:
    """A database that knows the client and its two taps, with a week of made-up history; its URL."""
    from .history import make_up
    from .store import Store

    url = f"sqlite:///{folder}/kegnet.sqlite"
    _openssl("genrsa", "-out", folder / "privkey.pem", "2048")
    _openssl("rsa", "-in", folder / "privkey.pem", "-pubout", "-out", folder / "pubkey.pem")
    store = Store(url)
    store.set_client(client_id, name="Garage", public_key=(folder / "pubkey.pem").read_text(), coldest=2000, warmest=6500)
    now_ms = time.time_ns() // 10**6
    for pin, name in zip(PINS, ("IPA", "Stout"), strict=True):
        store.set_tap(client_id, pin, name=name, keg_ml=19_000, tapped_ms=now_ms - 4 * 86_400_000)
    make_up(store, client_id, PINS, now_ms)
    store.close()
    return url


def _open(page: str) -> None:
    """Shows the page in a browser, where there is a screen for one."""
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        webbrowser.open(page)


def _watch(selector: selectors.BaseSelector, fridge: Fridge, meter: FlowMeter) -> int:
    while True:
        for key, _ in selector.select(timeout=1):
            process: Process = key.data
            if not process.show():
                return 1
        fridge.maybe_drift()
        meter.maybe_pour()


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
