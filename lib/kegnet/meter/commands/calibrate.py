"""--calibrate PIN: finds out the pulses of a litre with a measuring cup, and writes them into meter.conf."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from pathlib import Path

from ...core import new_files
from ...core.ini import ConfigError
from ...core.ini_edit import with_parameter
from ..config import UNIT, MeterConfig, PinConfig, command, load, pin_sections
from .answers import Answers
from .source import REFRESH_S, Source, open_source
from .volume import EXPECTED, Calibration, MeasuredPour, VolumeError, high_minimum, parse_ml


def calibrate(conf: MeterConfig, pin: int) -> int:
    """Asks for pours until the user ends it, then prints and writes the result. Returns the exit status.

    Raises ConfigError if `pin` is not in the configuration, and GpioError if its line cannot be used.
    """
    chosen = next((one for one in conf.pins if one.pin == pin), None)
    if chosen is None:
        known = ", ".join(str(one.pin) for one in conf.pins)
        raise ConfigError(
            f"{conf.path}: has no section [Pin {pin}] (pins: {known})", f"{command(conf.path, '--setup')} --pin {pin} adds it"
        )
    if not os.access(os.path.dirname(os.path.realpath(conf.path)), os.W_OK):
        fix = f"; to have it written: {command(conf.path, f'--calibrate {pin}')}" if os.geteuid() else ""
        print(f"The result cannot be written into {conf.path}, only printed{fix}")
    answers = Answers()
    source = open_source(chosen)
    try:
        pours = _measure(_Dialogue(chosen, source, answers))
    finally:
        source.close()
    if not pours:
        print("Nothing was measured.")
        return os.EX_OK
    result = Calibration.of(pours)
    print(f"\npin {pin}: {result}")
    _offer(conf.path, chosen, result, answers)
    return os.EX_OK


def _measure(dialogue: _Dialogue) -> list[MeasuredPour]:
    """The pours that the user measured."""
    print(f"Calibrates pin {dialogue.pin.pin}: pour into a measuring cup, half a litre or more, and enter what is in it.")
    if dialogue.source.by_service:
        print("The service counts, so these pours are sent to the server like any other.")
    else:
        print("The service does not run, so these pours are not sent.")
    pours: list[MeasuredPour] = []
    while (pulses := dialogue.wait_for_pour(len(pours) + 1)) is not None:
        volume_ml = dialogue.ask_volume(pulses)
        if volume_ml is None:
            print("This pour does not count.")
            continue
        pours.append(MeasuredPour(pulses, volume_ml))
        print(f"Pour {len(pours)}: {pulses} pulses, {volume_ml:g} ml: {pours[-1].pulses_per_litre:.0f} pulses per litre")
        if len(pours) > 1:
            print(f"So far: {Calibration.of(pours)}")
    return pours


def _offer(path: Path, pin: PinConfig, result: Calibration, answers: Answers) -> None:
    """Gives advice, and writes the result into the configuration if the user agrees."""
    if advice := result.advice():
        print(advice)
    if problem_and_fix := high_minimum(replace(pin, pulses_per_litre=result.pulses_per_litre), path):
        print("; fix: ".join(problem_and_fix))
    value = str(result.pulses_per_litre)
    if pin.pulses_per_litre == result.pulses_per_litre:
        print(f"{path} has this value already.")
        return
    old = "" if pin.pulses_per_litre is None else f" instead of {pin.pulses_per_litre}"
    answer = answers.ask(f"Write pulsesPerLitre = {value} into {path}{old}? [Y/n] ")
    if answer is None or answer.lower() not in ("", "y", "yes"):
        print("Nothing was written.")
        return
    section = pin_sections(path)[pin.pin]
    try:
        text = with_parameter(path.read_bytes().decode("utf-8"), section, "pulsesPerLitre", value)
        load(path, text.removeprefix("\ufeff"))
        new_files.replace(path, text.encode("utf-8"))
    except OSError as error:
        fix = f"write pulsesPerLitre = {value} into its section [{section}] with an editor"
        raise ConfigError(f"{path}: cannot be changed ({error.strerror})", fix) from error
    print(f"Let the service use it: sudo systemctl reload-or-restart {UNIT.removesuffix('.service')}")


class _Dialogue:
    """Asks for pours and for their volumes."""

    def __init__(self, pin: PinConfig, source: Source, answers: Answers) -> None:
        self.pin = pin
        self.source = source
        self._answers = answers
        self._shows_progress = sys.stdout.isatty()

    def wait_for_pour(self, number: int) -> int | None:
        """The pulses of the next pour, once it has ended; None if the user ends the calibration."""
        before = self.source.read().pulses
        end = "Enter ends it." if number > 1 else "Enter ends it without a result."
        print(f"\nPour {number}: open the tap now. {end}", flush=True)
        while True:
            count = self.source.read()
            pulses = count.pulses - before
            if count.flow is not None:
                self._show(pulses)
                time.sleep(REFRESH_S)
            elif pulses >= self.pin.minimum_pulses:
                self._show(pulses, "\n")
                return pulses
            elif pulses:
                print(f"\rOnly {pulses} pulses: not a pour (minimumPulses = {self.pin.minimum_pulses}).", flush=True)
                before = count.pulses
            elif not self._sleep():
                return None

    def ask_volume(self, pulses: int) -> float | None:
        """The volume of a pour in millilitres; None if it does not count, or the input has ended."""
        question = f"{pulses} pulses. What is in the cup ({EXPECTED})? Enter without a volume drops this pour: "
        while answer := self._answers.ask(question):
            try:
                return parse_ml(answer)
            except VolumeError as error:
                print(error)
        return None

    def _show(self, pulses: int, end: str = "") -> None:
        if self._shows_progress:
            print(f"\r{pulses} pulses{end}", end="", flush=True)

    def _sleep(self) -> bool:
        """Sleeps until something is new, or a refresh later. False if the user has pressed Enter, or the input has ended."""
        if self._answers.line() == "" or self._answers.has_ended:
            return False
        self._answers.wait(self.source.descriptor, REFRESH_S if self.source.by_service else None)
        return True
