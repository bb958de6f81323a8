#!/usr/bin/env python3
"""Interrupts requests of the real RestApi at chosen instructions, each in a process of its own, and reports what became of them.

SIGALRM is really sent. CPython runs the handler at the next instruction where it may do that, as it would if the kernel
had sent the signal at that moment. The program prints one JSON object: how many different instructions a request executes, how many
were tried, and a problem for each that had one.

usage: interrupts.py URL KEY CA_BUNDLE {cold|kept} POINTS SEED      POINTS 0 are all
"""

from __future__ import annotations

import ctypes
import faulthandler
import gc
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any

sys.path.insert(0, os.environ.get("KEGNET_TEST_LIB") or str(Path(__file__).resolve().parents[2] / "lib"))

import requests
from kegnet.client import deadline
from kegnet.client.config import Config
from kegnet.client.outcome import Outcome, Result
from kegnet.client.rest_api import REQUEST_LIMIT_S, RestApi
from kegnet.core.messages import Pour
from kegnet.core.signing import SigningKey

HARD_LIMIT_S = 120
"""A process that has not ended by then hangs."""
LATE_S = 60.0
REPEAT_S = 0.25
"""The timer of a time limit repeats like this once it has expired."""
LOCKING = ("queue.py", "threading.py", "_collections.py", "connectionpool.py", "rest_api.py", "deadline.py")
"""Files whose code holds locks, or manages the time limit: half of a sample is taken from them."""
REASON = f"no answer within {REQUEST_LIMIT_S:.0f} s"
UNDECIDED = (Result(Outcome.FAILED, REASON), Result(Outcome.NO_CONNECTION, REASON))
"""After and before the request was sent."""

_raise = ctypes.CDLL(None)["raise"]
"""raise(3) itself: signal.raise_signal() would run the handler before it returns."""


class Interrupter:
    """A trace function, see sys.settrace(), that counts instructions and sends SIGALRM at number `at`."""

    def __init__(self, at: int = -1) -> None:
        self.at = at
        self.count = 0
        self.places: dict[tuple[str, int, int], list[int]] = {}
        self.place = ""

    def __call__(self, frame: FrameType, event: str, _: Any) -> Callable[..., Any]:
        frame.f_trace_lines = False
        frame.f_trace_opcodes = True
        if event == "opcode":
            self.count += 1
            code = frame.f_code
            if self.at < 0:
                self.places.setdefault((Path(code.co_filename).name, code.co_firstlineno, frame.f_lasti), []).append(self.count)
            if self.count == self.at:
                return self._interrupt(frame)
        return self

    def _interrupt(self, frame: FrameType) -> Callable[..., Any]:
        sys.settrace(None)
        self.place = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno} {frame.f_code.co_name}, instruction {frame.f_lasti}"
        if signal.getitimer(signal.ITIMER_REAL)[0]:
            signal.setitimer(signal.ITIMER_REAL, REPEAT_S, REPEAT_S)
        # After a call, the interpreter would run the handler in here. After an iterator's next it does not.
        for _ in map(_raise, (signal.SIGALRM,)):
            return self
        raise AssertionError("map() gives a result")


def traced_post(api: RestApi, interrupter: Interrupter) -> Result:
    """Posts a pour under `interrupter`."""
    sys.settrace(interrupter)
    try:
        return api.post(Pour(0, 586, 8213, 1))
    finally:
        sys.settrace(None)


def connected_api(config: Config, key: SigningKey, kept: bool) -> RestApi:
    """An API without a connection, or with one that is kept."""
    api = RestApi(config, key)
    if kept:
        assert api.post(Pour(0, 586, 8213, 2)).outcome is Outcome.ACCEPTED
    return api


def problem_at(config: Config, key: SigningKey, kept: bool, interrupter: Interrupter) -> str:
    """What went wrong with a request that was interrupted, and with what came after it; empty if nothing did."""
    api = connected_api(config, key, kept)
    start = time.monotonic()
    result = traced_post(api, interrupter)
    if result.outcome is not Outcome.ACCEPTED and result not in UNDECIDED:
        return f"the request came to {result}"
    later = api.post(Pour(0, 586, 8213, 3))
    if later.outcome is not Outcome.ACCEPTED:
        return f"the next request came to {later}"
    gc.collect()
    api.close()
    if signal.getitimer(signal.ITIMER_REAL)[0]:
        return "the timer still runs"
    late_s = time.monotonic() - start
    return f"it took {late_s:.1f} s" if late_s > LATE_S else ""


def in_a_child(work: Callable[[], object]) -> object:
    """What `work` returns, in a forked process that ends by os._exit(); a text if it does not end or crashes."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read_end)
        os.dup2(write_end, 2)
        faulthandler.dump_traceback_later(HARD_LIMIT_S, exit=True)
        try:
            answer = json.dumps(work())
        except BaseException as error:
            answer = json.dumps(f"{type(error).__name__}: {error}")
        os.write(write_end, answer.encode())
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end, encoding="utf-8", errors="replace") as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    try:
        return json.loads(text)
    except ValueError:
        return f"ended with {status}: {text}"


def sample(places: list[tuple[str, list[int]]], size: int, source: random.Random) -> list[int]:
    """The numbers of `size` instructions that are executed, half of them from `LOCKING` files; one of each place if `size` is 0."""
    if size:
        locking = [place for place in places if place[0] in LOCKING]
        places = source.sample(locking, min(size // 2, len(locking))) + source.sample(places, min(size, len(places)) // 2)
    return sorted({source.choice(numbers) for _, numbers in places})


def main() -> None:
    """Interrupts at a sample of the points, and prints the report."""
    url, key_file, ca_bundle, mode, points, seed = sys.argv[1:]
    config = Config(
        path=Path("/nonexistent"), uuid="6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11", base_url=url, private_key=Path(key_file),
        ca_bundle=Path(ca_bundle), spool=Path("/nonexistent"), ping_interval_s=600,
        sensor=None, has_sensor=False, w1_devices=Path("/nonexistent"),
    )  # fmt: skip
    key = SigningKey.load(config.private_key)
    deadline.install()
    kept = mode == "kept"
    connected_api(config, key, kept=True).close()
    gc.collect()
    gc.freeze()

    def find_places() -> list[tuple[str, list[int]]]:
        api, counter = connected_api(config, key, kept), Interrupter()
        assert traced_post(api, counter).outcome is Outcome.ACCEPTED
        return [(file, numbers) for (file, _, _), numbers in counter.places.items()]

    def interrupt(at: int) -> str:
        interrupter = Interrupter(at)
        problem = problem_at(config, key, kept, interrupter)
        return f"{interrupter.place}: {problem}" if problem else ""

    places: Any = in_a_child(find_places)
    assert isinstance(places, list), places
    chosen = sample(places, int(points), random.Random(int(seed)))
    problems = {at: problem for at in chosen if (problem := in_a_child(partial(interrupt, at)))}
    versions = {"requests": requests.__version__, "urllib3": version("urllib3")}
    print(json.dumps({**versions, "instructions": len(places), "tried": len(chosen), "problems": problems}))


if __name__ == "__main__":
    main()
