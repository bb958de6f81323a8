"""The demo: the real meter and the real client against the stand-in KegNet, with a simulated fridge and simulated flow meters.

All of it lives in a temporary folder and ends with Ctrl-C.
"""

from __future__ import annotations

import contextlib
import os
import pty
import random
import select
import selectors
import signal
import struct
import subprocess
import sys
import tempfile
import time
import uuid
import webbrowser
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

PROBE = "28-0000054c9f11"
PING_INTERVAL_S = 4
PULSES_PER_LITRE = 5600
PINS = (0, 2)
TICK_S = 0.1
"""Interval at which the pulses of a running pour are written."""
EVENT = struct.Struct("=QIIII24x")
"""struct gpio_v2_line_event of `include/uapi/linux/gpio.h`: timestamp_ns, id, offset, seqno, line_seqno."""
FALLING_EDGE = 2
"""GPIO_V2_LINE_EVENT_FALLING_EDGE."""
EVENTS_AT_ONCE = select.PIPE_BUF // EVENT.size
"""A pipe takes this many events in one piece, see pipe(7)."""

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
    """A simulated flow meter: event records in a pipe, as the kernel writes them for a GPIO line. The meter reads `read_end`."""

    def __init__(self, pin: int) -> None:
        self.pin = pin
        self.read_end, self._write_end = os.pipe()
        self._seqno = 0
        self._stamps_ns: deque[int] = deque()

    @property
    def is_turning(self) -> bool:
        """Whether a pour runs."""
        return bool(self._stamps_ns)

    def pour(self, pulses: int, duration_s: float, start_ns: int) -> None:
        """Spreads `pulses` evenly over a pour that begins at `start_ns` of CLOCK_MONOTONIC."""
        self._stamps_ns.extend(start_ns + round(number * duration_s * 1e9 / pulses) for number in range(pulses))

    def turn(self, now_ns: int) -> None:
        """Writes the pulses up to `now_ns`."""
        records = []
        while self._stamps_ns and self._stamps_ns[0] <= now_ns:
            self._seqno += 1
            records.append(EVENT.pack(self._stamps_ns.popleft(), FALLING_EDGE, self.pin, self._seqno, self._seqno))
        for first in range(0, len(records), EVENTS_AT_ONCE):
            os.write(self._write_end, b"".join(records[first : first + EVENTS_AT_ONCE]))


class Guest:
    """Pours a glass now and then, at one of the taps."""

    def __init__(self, taps: Sequence[FlowMeter]) -> None:
        self._taps = taps
        self._tap = taps[0]
        self._due = time.monotonic() + 3

    def maybe_pour(self) -> float:
        """Goes on with a pour, or begins one. Returns after how many seconds to call this again."""
        now = time.monotonic()
        if now >= self._due and not self._tap.is_turning:
            self._begin(now)
        # A meter that has ended is reported by the loop.
        with contextlib.suppress(BrokenPipeError):
            self._tap.turn(time.monotonic_ns())
        return TICK_S if self._tap.is_turning else 1

    def _begin(self, now: float) -> None:
        self._tap = random.choice(self._taps)
        pulses, duration_s = round(random.uniform(0.3, 0.5) * PULSES_PER_LITRE), random.uniform(6, 8)
        self._due = now + duration_s + random.uniform(2, 10)
        self._tap.pour(pulses, duration_s, time.monotonic_ns())
        print(f"tap    | pin {self._tap.pin}: somebody pours {pulses / PULSES_PER_LITRE:.2f} litres, {pulses} pulses", flush=True)


class Process:
    """A child whose lines are shown behind `label`. It speaks into a pseudo-terminal, as to a person."""

    def __init__(self, label: str, *command: str | Path, pass_fds: Sequence[int] = ()) -> None:
        self.label = label
        self._unfinished = b""
        self._terminal, theirs = pty.openpty()
        self.child = subprocess.Popen(
            [sys.executable, "-B", *command],
            stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, start_new_session=True, pass_fds=pass_fds,
        )  # fmt: skip
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
            print(f"{self.label:6} | {text}", flush=True)
        return texts

    def show_until(self, text: str) -> str:
        """Shows what the child says until a line contains `text`, and gives that line; an empty one if the child has ended before."""
        while lines := self.show():
            for line in lines:
                if text in line:
                    return line
        return ""

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
    print("A fridge, two taps, the meter, the client and a KegNet of its own. Ctrl-C ends it.", flush=True)
    client_id = str(uuid.uuid4())
    database = _database(folder, client_id)
    _openssl(
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=KegNet demo",
        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "tls.key", "-out", folder / "tls.pem",
    )  # fmt: skip
    files = ("--certificate", folder / "tls.pem", "--key", folder / "tls.key")
    server = Process("server", _LIB / "server.py", "--database", database, "serve", "--listen", "127.0.0.1:0", *files)
    processes.append(server)
    listening = server.show_until("listening at https://")
    if not listening:
        return _ended(server)
    base_url = listening.split()[-1]
    page = base_url.removesuffix("rest/v2")
    print(f"The page is at {page} (its certificate is of the demo's own making; the browser will ask).", flush=True)
    _open(page)
    taps = [FlowMeter(pin) for pin in PINS]
    meter = _start_meter(folder, taps)
    processes.append(meter)
    if not meter.show_until("started: "):
        return _ended(meter)
    fridge = Fridge(folder / "w1")
    (folder / "client.conf").write_text(
        f"[KegNet]\nuuid = {client_id}\nserviceBaseURL = {base_url}\ncaBundle = tls.pem\n"
        f"spool = spool\nw1Devices = w1\npingInterval = {PING_INTERVAL_S}\n"
    )
    client = Process("client", _LIB / "client.py", "--config", folder / "client.conf")
    processes.append(client)
    with selectors.DefaultSelector() as selector:
        for process in processes:
            selector.register(process, selectors.EVENT_READ, process)
        return _watch(selector, fridge, Guest(taps))


def _start_meter(folder: Path, taps: Sequence[FlowMeter]) -> Process:
    """The meter, which reads the pulses of `taps` instead of GPIO lines: descriptors named `edges-<pin>`, see kegnet-meter(8)."""
    (folder / "spool").mkdir()
    pins = "".join(f"[Pin {tap.pin}]\npulsesPerLitre = {PULSES_PER_LITRE}\n" for tap in taps)
    (folder / "meter.conf").write_text(f"[Meter]\nspool = spool\n{pins}")
    program = (sys.executable, "-B", _LIB / "meter.py", "--config", folder / "meter.conf")
    descriptors = [tap.read_end for tap in taps]
    edges = [f"edges-{tap.pin}={tap.read_end}" for tap in taps]
    meter = Process("meter", Path(__file__).with_name("activate.py"), *edges, "--", *program, pass_fds=descriptors)
    for descriptor in descriptors:
        os.close(descriptor)
    return meter


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


def _watch(selector: selectors.BaseSelector, fridge: Fridge, guest: Guest) -> int:
    timeout_s = 1.0
    while True:
        for key, _ in selector.select(timeout_s):
            process: Process = key.data
            if not process.show():
                return _ended(process)
        fridge.maybe_drift()
        timeout_s = guest.maybe_pour()


def _ended(process: Process) -> int:
    """Reports a process that has ended by itself. Returns the exit status of the demo."""
    print(f"The demo ends, because the {process.label} has ended with status {process.child.wait()}.", flush=True)
    return 1


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
