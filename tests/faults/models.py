"""What the parsers must make of an input: slow models of the contract, one character at a time, and the checks against them.

A check takes any bytes, and raises AssertionError where the client and its model disagree.
"""

from __future__ import annotations

import calendar
import configparser
import ipaddress
import os
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Callable

import requests
from kegnet import api, config, logs, thermometer
from kegnet.messages import LINE_LIMIT_BYTES, Ping, Pour, PourError, canonical_text

PROBE = "28-0000054c9f11"
CLIENT = "6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11"
NOW = datetime(2027, 1, 15, 8, 0, 0, tzinfo=timezone.utc)

DIGITS = "0123456789"
HEX_DIGITS = DIGITS + "abcdef"
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def consists_of(text: str, characters: str, shortest: int = 1, longest: int | None = None) -> bool:
    """Whether `text` has none but these characters, and as many as it should."""
    return len(text) >= shortest and (longest is None or len(text) <= longest) and all(c in characters for c in text)


def is_one_clean_line(text: str) -> bool:
    """Whether an error's text can stand in the log as it is."""
    return text.isprintable() and 0 < len(text) < 300 and "Traceback" not in text


# The pour: one line of four comma-separated decimal integers, with or without a newline at its end.


def pour(content: bytes) -> list[int] | None:
    """The four numbers of a `.pour` file; None if it is not one."""
    line = content.decode("latin-1")
    line = line.removesuffix("\n")
    numbers = line.split(",")
    if len(numbers) != 4 or not all(consists_of(number.removeprefix("-"), DIGITS, longest=19) for number in numbers):
        return None
    return [int(number) for number in numbers]


def check_pour(content: bytes) -> None:
    """The spool reads no more of a file than one byte beyond the longest line."""
    expected = pour(content)
    try:
        parsed = Pour.parse(content[: LINE_LIMIT_BYTES + 1])
    except PourError as error:
        assert expected is None, f"refused ({error}), but it is a pour"
        assert is_one_clean_line(str(error))
        return
    assert expected == [parsed.pin, parsed.pulses, parsed.et, parsed.ts], f"taken for {parsed}, but it is {expected}"
    client, _, signed = canonical_text(parsed.fields(CLIENT)).partition(b",")
    assert (client.decode(), signed) == (CLIENT, ",".join(map(str, expected)).encode())
    assert Pour.parse(signed) == parsed


# The probe: nine bytes and the kernel's verdict on them, then the same bytes and the temperature.


def millicelsius(answer: str) -> int | None:
    """The temperature that the text of `w1_slave` holds; None if it is no reading."""
    lines = answer.split("\n")
    if len(lines) != 3 or lines[2]:
        return None
    scratchpad, colon, verdict = lines[0].partition(": ")
    copy, equals, temperature = lines[1].partition("t=")
    octets = scratchpad.split(" ")
    if not (colon and equals and len(octets) == 10 and octets.pop() == "" and all(consists_of(o, HEX_DIGITS, 2, 2) for o in octets)):
        return None
    if verdict != f"crc={octets[8]} YES" or copy != scratchpad or set(octets) in ({"00"}, {"ff"}):
        return None
    if not consists_of(temperature.removeprefix("-"), DIGITS, longest=9):
        return None
    value = int(temperature)
    return value if -55_000 <= value <= 125_000 and value != 85_000 else None


def check_w1_slave(content: bytes) -> None:
    """The thermometer takes the driver's bytes for ASCII, and whatever is none for a question mark."""
    answer = content.decode("ascii", "replace")
    expected = millicelsius(answer)
    try:
        judged = thermometer.parse_reading(PROBE, answer)
    except thermometer.SensorError as error:
        assert expected is None, f"refused ({error}), but it is a reading of {expected}"
        assert is_one_clean_line(str(error))
        assert PROBE in str(error)
        return
    assert judged == expected, f"taken for {judged}, but it is {expected}"
    assert canonical_text(Ping(judged, 0).fields(CLIENT)) == f"{CLIENT},{expected},0".encode()


# Retry-After: seconds, or a date in one of HTTP's three forms.

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def moment(day: str, month: str, year: str, clock: str) -> datetime | None:
    """The time that a date's parts name; None if there is no such time."""
    times = clock.split(":")
    if len(times) != 3 or month not in MONTHS or not all(consists_of(part, DIGITS, 2, 2) for part in (day, *times)):
        return None
    if not consists_of(year, DIGITS, 4, 4) or year == "0000":
        return None
    number = MONTHS.index(month) + 1
    hour, minute, second = map(int, times)
    # A leap second is the 60th of its minute.
    if not 1 <= int(day) <= calendar.monthrange(int(year), number)[1] or hour > 23 or minute > 59 or second > 60:
        return None
    return datetime(int(year), number, int(day), hour, minute, tzinfo=timezone.utc) + timedelta(seconds=second)


def century(two_digits: str) -> str:
    """A year of two digits as one of four: the one near to now. Half a century off, neither is, and the answer is none."""
    if not consists_of(two_digits, DIGITS, 2, 2):
        return ""
    return next((f"{year}" for year in range(NOW.year - 40, NOW.year + 41) if f"{year}"[2:] == two_digits), "")


def http_date(text: str) -> datetime | None:
    """The time in a date as RFC 9110 §5.6.7 writes it: the form of today, RFC 850's, C's asctime()'s."""
    words = text.split(" ")
    if len(words) == 6 and words[0] in [f"{day[:3]}," for day in DAYS] and words[5] == "GMT":
        return moment(*words[1:5])
    if len(words) == 4 and words[0] in [f"{day}," for day in DAYS] and words[3] == "GMT" and words[1].count("-") == 2:
        day, month, year = words[1].split("-")
        return moment(day, month, century(year), words[2])
    if len(words) == 6 and words[2] == "" and len(words[3]) == 1:
        words[2:4] = ["0" + words[3]]
    if len(words) == 5 and words[0] in [day[:3] for day in DAYS]:
        return moment(words[2], words[1], words[4], words[3])
    return None


def wanted_s(text: str) -> float | None:
    """The seconds to wait, an hour at most; None if it is neither seconds nor a date."""
    text = text.strip(" \t")
    if consists_of(text, DIGITS):
        number = text.lstrip("0") or "0"
        return 3600.0 if len(number) > 4 else min(float(number), 3600.0)
    date = http_date(text)
    return None if date is None else min(max((date - NOW).total_seconds(), 0.0), 3600.0)


def check_retry_after(content: bytes) -> None:
    """HTTP's headers come as Latin-1. What is almost a date may be taken for one, or for nothing."""
    text = content.decode("latin-1")
    expected = wanted_s(text)
    answer = api.retry_after_s(text, NOW.timestamp())
    if expected is not None:
        assert answer == expected, f"taken for {answer}, but it is {expected}"
    assert 0.0 <= answer <= 3600.0, f"taken for {answer}"
    assert answer == 0.0 or any(c in DIGITS for c in text), f"taken for {answer}, but names no number"


# The configuration: INI as configparser reads it, without interpolation.


@dataclass(frozen=True)
class Refusal:
    """The parameters that are at fault with their values, None for one that is missing; no parameter where the file as a whole is."""

    wrong: dict[str, str | None]


def read(path: Path) -> dict[str, str] | None:
    """The section's parameters, their names in small letters; None if the file is not what it should be."""
    reader = configparser.ConfigParser(interpolation=None)
    try:
        reader.read(path, encoding="utf-8-sig")
        return dict(reader["KegNet"])
    except (configparser.Error, UnicodeDecodeError, KeyError):
        return None


def right_uuid(text: str) -> bool:
    """Groups of 8, 4, 4, 4 and 12 hex digits."""
    groups = text.lower().split("-")
    return [len(group) for group in groups] == [8, 4, 4, 4, 12] and consists_of("".join(groups), HEX_DIGITS)


def right_host(host: str) -> bool:
    """A name of labels, or an IPv6 address in brackets, with or without its zone."""
    if host.startswith("[") and host.endswith("]"):
        address, percent, zone = host[1:-1].partition("%")
        try:
            ipaddress.IPv6Address(address)
        except ValueError:
            return False
        name = zone.removeprefix("25")
        looks_escaped = name[:1] in tuple("234567") and consists_of(name[1:2], HEX_DIGITS)
        return not percent or (consists_of(name, LETTERS + DIGITS + "_.-") and not looks_escaped)
    name = host.removesuffix(".")
    return all(consists_of(label, LETTERS + DIGITS + "_-", longest=63) for label in name.split("."))


def right_url(text: str) -> bool:
    """Printable ASCII: http or https, a host, a port or none, a path or none, and nothing else."""
    scheme, separator, rest = text.lower().partition("://")
    if scheme not in ("http", "https") or not separator or any(not "!" <= c <= "~" or c in "?#" for c in text):
        return False
    authority = rest.partition("/")[0]
    host, colon, port = authority.rpartition(":")
    if not colon or port.endswith("]"):
        return right_host(authority)
    return right_host(host) and (port == "" or (consists_of(port, DIGITS, longest=5) and 1 <= int(port) <= 65535))


def right_path(text: str) -> bool:
    """Any that the kernel could take, on one line."""
    return text != "" and "\n" not in text and "\0" not in text


def right_interval(text: str) -> bool:
    """From a second to a day."""
    return consists_of(text, DIGITS) and len(text.lstrip("0")) <= 5 and 1 <= int(text.lstrip("0") or "0") <= 86_400


def right_sensor(text: str) -> bool:
    """A 1-Wire device as the kernel names it: its family, a hyphen, its serial number."""
    return len(text) == 15 and text[2] == "-" and consists_of((text[:2] + text[3:]).lower(), HEX_DIGITS, 14, 14)


RIGHT: dict[str, Callable[[str], bool]] = {
    "uuid": right_uuid,
    "serviceBaseURL": right_url,
    "privateKey": right_path,
    "caBundle": right_path,
    "spool": right_path,
    "pingInterval": right_interval,
    "sensor": right_sensor,
    "w1Devices": right_path,
}


def resolved(folder: Path, text: str) -> Path:
    """A path relative to `folder`, without `.` and `..`. Two slashes at its start stand, for POSIX keeps their meaning open."""
    there: list[str] = []
    for part in (text if text.startswith("/") else f"{folder}/{text}").split("/"):
        if part == "..":
            there = there[:-1]
        elif part not in ("", "."):
            there.append(part)
    return Path("//" if text.startswith("//") and not text.startswith("///") else "/", *there)


def expected_config(path: Path, found: dict[str, str]) -> config.Config | Refusal:
    """What the parameters found say, but for the warnings, or what is wrong with them."""
    texts = {name: found.get(name.lower()) for name in RIGHT}
    required = ("uuid", "serviceBaseURL")
    wrong = {name: text for name, text in texts.items() if (name in required if text is None else not RIGHT[name](text))}
    if wrong:
        return Refusal(wrong)

    def place(name: str, default: str) -> Path:
        return resolved(path.parent, texts[name] or default)

    address = texts["serviceBaseURL"] or ""
    while address.endswith("/"):
        address = address[:-1]
    return config.Config(
        path=path,
        uuid=texts["uuid"] or "",
        base_url=address,
        private_key=place("privateKey", "privkey.pem"),
        ca_bundle=place("caBundle", "") if texts["caBundle"] else None,
        spool=place("spool", "../spool"),
        ping_interval_s=int(texts["pingInterval"].lstrip("0")) if texts["pingInterval"] else 600,
        sensor=texts["sensor"].lower() if texts["sensor"] else None,
        w1_devices=place("w1Devices", "/sys/bus/w1/devices"),
    )


def check_config(content: bytes) -> None:
    """A file is a configuration, or an error that helps. It lies in memory, for there will be many."""
    with os.fdopen(os.memfd_create("client.conf"), "wb") as file:
        file.write(content)
        file.flush()
        check_config_file(Path(f"/proc/self/fd/{file.fileno()}"))


def check_config_file(path: Path) -> None:
    """As `check_config`."""
    found = read(path)
    expected = Refusal({}) if found is None else expected_config(path, found)
    try:
        loaded = config.load(path)
    except config.ConfigError as error:
        assert isinstance(expected, Refusal), f"refused ({error}), but it is right"
        is_helpful(str(error), path, expected)
        return
    assert replace(loaded, warnings=()) == expected, f"taken for {loaded}, but it is {expected}"
    requests.Request("POST", f"{loaded.base_url}/ping").prepare()
    is_told(loaded, set(found or {}) - {name.lower() for name in RIGHT}, path.read_text("utf-8-sig"))
    survives_the_round_trip(loaded)


def is_helpful(text: str, path: Path, refusal: Refusal) -> None:
    """An error, as the log shows it, names the file, the parameter and the value, and its end, the mend, is not cut off."""
    line = logs.escaped(text)
    assert line.startswith(f"{path}: ")
    assert len(text) < 1000
    assert "Traceback" not in line
    assert "INI file" not in line, "that is no owner's word"
    if refusal.wrong:
        assert any(line.startswith(start_of_error(path, name, text)) for name, text in refusal.wrong.items()), line
        assert "it takes " in line


def start_of_error(path: Path, name: str, text: str | None) -> str:
    """How the line about one parameter begins."""
    if text is None:
        return f"{path}: the parameter {name} is missing; "
    return logs.escaped(f"{path}: {name} = {text[:100] or '(empty)'}")


def is_told(loaded: config.Config, unknown: set[str], text: str) -> None:
    """Each unknown parameter has its warning, as the file spells it, and so has an address without a version."""
    version = loaded.base_url.rpartition("/v")[2]
    warnings = [warning for warning in loaded.warnings if "is not known" in warning]
    assert len(warnings) == len(unknown)
    assert all(any(name[:40] in warning.lower() for warning in warnings) for name in unknown)
    assert all(warning.partition(": the parameter ")[2].partition(" is not known")[0].removesuffix("...") in text for warning in warnings)
    assert len(loaded.warnings) - len(warnings) == (0 if "/v" in loaded.base_url and consists_of(version, DIGITS) else 1)
    assert all(len(warning) < 1000 for warning in loaded.warnings)


def survives_the_round_trip(loaded: config.Config) -> None:
    """Written again in plain words, it reads the same."""
    values = asdict(replace(loaded, warnings=()))
    attributes = ("uuid", "base_url", "private_key", "ca_bundle", "spool", "ping_interval_s", "sensor", "w1_devices")
    texts = {name: str(values[attribute]) for name, attribute in zip(RIGHT, attributes) if values[attribute] is not None}
    if any(text != text.strip() for text in texts.values()):
        return  # INI has no way to write it: a path that ends in a space, say, made of one that ends in " /."
    loaded.path.write_text("[KegNet]\n" + "".join(f"{name} = {text}\n" for name, text in texts.items()), encoding="utf-8")
    assert replace(config.load(loaded.path), warnings=()) == replace(loaded, warnings=())


CHECKS: dict[str, Callable[[bytes], None]] = {
    "pour": check_pour,
    "w1_slave": check_w1_slave,
    "config": check_config,
    "retry_after": check_retry_after,
}
