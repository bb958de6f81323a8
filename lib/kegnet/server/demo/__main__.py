"""Runs the demo until Ctrl-C, in a temporary folder: python3 -m kegnet.server.demo.

Its page and its client use plain HTTP, so that no browser warns. That is acceptable for sample data only.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import uuid
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from ...core.command_line import discard_output
from . import PASSWORD, PINS
from .beers import BEERS
from .process import Process
from .simulated import PULSES_PER_LITRE, FlowMeter, Fridge, Guest

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PING_INTERVAL_S = 4
PORT = 8080
"""The port of the page for other hosts. On this host alone, any free port is used."""

_LIB = Path(__file__).resolve().parents[3]


def main(words: Sequence[str] | None = None) -> int:
    """Runs the demo until Ctrl-C; the exit status."""
    parser = argparse.ArgumentParser("start-kegnet-client --demo", description="Runs the demo until Ctrl-C. It changes nothing.")
    parser.add_argument("--listen", default="127.0.0.1:0", metavar="ADDRESS[:PORT]", help="0.0.0.0: also for other devices in your network")
    listen = with_port(parser.parse_args(words).listen)
    # SIGINT, too: a shell starts programs in the background with SIGINT ignored.
    for number in _SIGNALS:
        signal.signal(number, _interrupt)
    with tempfile.TemporaryDirectory(prefix="kegnet-demo-") as folder:
        processes: list[Process] = []
        try:
            return _run(Path(folder), listen, processes)
        except KeyboardInterrupt:
            with contextlib.suppress(OSError):
                print("\nThe demo ends.", flush=True)
            return 0
        except OSError as error:
            # The terminal or the reader of the pipe has gone.
            if error.errno not in (errno.EIO, errno.EPIPE):
                raise
            discard_output()
            return 128 + signal.SIGPIPE
        finally:
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_IGN)
            for process in processes:
                process.end()
            for process in reversed(processes):
                process.wait()


def with_port(listen: str) -> str:
    """The address to listen at, with the default port if it has none."""
    has_port = listen.rpartition(":")[1] and not listen.endswith("]")
    return listen if has_port else f"{listen}:{PORT}"


def addresses(listening: str) -> list[str]:
    """The URLs of the page, from the one at which the server listens. The first one is for this host."""
    host, _, port = listening.removeprefix("http://").partition("/")[0].rpartition(":")
    if host not in ("0.0.0.0", "[::]"):  # noqa: S104
        return [f"http://{host}:{port}/"]
    others = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=False).stdout.split()
    return [f"http://{address}:{port}/" for address in ("127.0.0.1", *(other for other in others if ":" not in other))]


def _run(folder: Path, listen: str, processes: list[Process]) -> int:
    print("The demo has a fridge, six taps, the meter, the client and a server. Ctrl-C ends it.", flush=True)
    client_id = str(uuid.uuid4())
    database = _make_database(folder, client_id)
    server = Process("server", _LIB / "server.py", "--database", database, "serve", "--listen", listen)
    processes.append(server)
    listening = server.show_until("listening at http://")
    if not listening:
        return _ended(server)
    page, *others = addresses(listening.split()[-1])
    print(f"The page is at {page} (to try changes, log in with the password {PASSWORD}).", flush=True)
    for other in others:
        print(f"For other devices in your network: {other}", flush=True)
    _open(page)
    taps = [FlowMeter(pin) for pin in PINS]
    meter = _start_meter(folder, taps)
    processes.append(meter)
    if not meter.show_until("started: "):
        return _ended(meter)
    fridge = Fridge(folder / "w1")
    (folder / "client.conf").write_text(
        f"[KegNet]\nuuid = {client_id}\nserviceBaseURL = {page}rest/v2\nspool = spool\nw1Devices = w1\npingInterval = {PING_INTERVAL_S}\n"
    )
    client = Process("client", _LIB / "client.py", "--config", folder / "client.conf")
    processes.append(client)
    with selectors.DefaultSelector() as selector:
        for process in processes:
            selector.register(process, selectors.EVENT_READ, process)
        return _watch(selector, fridge, Guest([tap for tap, beer in zip(taps, BEERS, strict=True) if beer.level > 0]))


def _start_meter(folder: Path, taps: Sequence[FlowMeter]) -> Process:
    """The meter, which reads the pulses of `taps` instead of GPIO lines: descriptors named `edges-<pin>`, see kegnet-meter(8)."""
    (folder / "spool").mkdir()
    pins = "".join(f"[Pin {tap.pin}]\npulsesPerLitre = {PULSES_PER_LITRE}\n" for tap in taps)
    (folder / "meter.conf").write_text(f"[Meter]\nspool = spool\n{pins}")
    program = (sys.executable, "-B", _LIB / "meter.py", "--config", folder / "meter.conf")
    descriptors = [tap.read_end for tap in taps]
    edges = [f"edges-{tap.pin}={tap.read_end}" for tap in taps]
    meter = Process("meter", Path(__file__).parents[1] / "activate.py", *edges, "--", *program, pass_fds=descriptors)
    for descriptor in descriptors:
        os.close(descriptor)
    return meter


def _make_database(folder: Path, client_id: str) -> str:
    """Makes a database with a client, six taps and a month of sample data. The keys are made in `folder`. Returns its URL."""
    # SQLAlchemy takes a second to import on a small machine, and tests use the simulated parts without it.
    from .sample_data import fill

    url = f"sqlite:///{folder}/kegnet.sqlite"
    _openssl("genrsa", "-out", folder / "privkey.pem", "2048")
    _openssl("rsa", "-in", folder / "privkey.pem", "-pubout", "-out", folder / "pubkey.pem")
    fill(url, client_id, (folder / "pubkey.pem").read_text())
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
