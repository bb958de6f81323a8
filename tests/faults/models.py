"""Slow models of the contract, which look at one character at a time, and checks of the client's parsers against them.

A check takes any bytes, and raises AssertionError where the parser and its model disagree.
"""

from __future__ import annotations

import calendar
import configparser
import ipaddress
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import requests
from kegnet.client import config, http_result, thermometer
from kegnet.client.outcome import Outcome, Result
from kegnet.core import ini, syslog_handler
from kegnet.core.messages import LINE_LIMIT_BYTES, Ping, Pour, PourError, canonical_text

PROBE = "28-0000054c9f11"
CLIENT = "6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11"
NOW = datetime(2027, 1, 15, 8, 0, 0, tzinfo=UTC)

DIGITS = "0123456789"
HEX_DIGITS = DIGITS + "abcdef"
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def consists_of(text: str, characters: str, shortest: int = 1, longest: int | None = None) -> bool:
    """Whether `text` consists of `characters`, and has the right length."""
    return len(text) >= shortest and (longest is None or len(text) <= longest) and all(c in characters for c in text)


def is_one_clean_line(text: str) -> bool:
    """Whether an error's text can be logged as it is."""
    return text.isprintable() and 0 < len(text) < 300 and "Traceback" not in text


# The pour: one line of four comma-separated decimal integers without a sign, with or without LF or CRLF at its end.


def pour(content: bytes) -> list[int] | None:
    """The four numbers of a `.pour` file; None if it is not one."""
    line = content.decode("latin-1")
    line = line.removesuffix("\n").removesuffix("\r") if line.endswith("\n") else line
    numbers = line.split(",")
    if len(numbers) != 4 or not all(consists_of(number, DIGITS, longest=19) for number in numbers):
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
    assert expected == [parsed.pin, parsed.pulses, parsed.et, parsed.ts], f"read as {parsed}, but it is {expected}"
    client, _, signed = canonical_text(parsed.fields(CLIENT)).partition(b",")
    assert (client.decode(), signed) == (CLIENT, ",".join(map(str, expected)).encode())
    assert Pour.parse(signed) == parsed


# The probe: nine bytes and the kernel's verdict on them, then the same bytes and the temperature.


def millicelsius(answer: str) -> int | None:
    """The temperature in the text of `w1_slave`; None if it is no reading."""
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
    return value if -55_000 <= value <= 125_000 and value not in (85_000, 127_937) else None


def check_w1_slave(content: bytes) -> None:
    """The thermometer decodes the driver's bytes as ASCII, with a replacement character for others."""
    answer = content.decode("ascii", "replace")
    expected = millicelsius(answer)
    try:
        judged = thermometer.parse_reading(PROBE, answer)
    except thermometer.SensorError as error:
        assert expected is None, f"refused ({error}), but it is a reading of {expected}"
        assert is_one_clean_line(str(error))
        assert PROBE in str(error)
        return
    assert judged == expected, f"read as {judged}, but it is {expected}"
    assert canonical_text(Ping(judged, 0).fields(CLIENT)) == f"{CLIENT},{expected},0".encode()


# Retry-After: seconds, or a date in one of HTTP's three forms.

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def moment(day: str, month: str, year: str, clock: str) -> datetime | None:
    """The time with these parts; None if there is no such time, or a parser need not know it."""
    times = clock.split(":")
    if len(times) != 3 or month not in MONTHS or not all(consists_of(part, DIGITS, 2, 2) for part in (day, *times)):
        return None
    if not consists_of(year, DIGITS, 4, 4) or year == "0000":
        return None
    number = MONTHS.index(month) + 1
    hour, minute, second = map(int, times)
    # A leap second, and a year before Unix time, may be read as nothing.
    if not 1 <= int(day) <= calendar.monthrange(int(year), number)[1] or hour > 23 or minute > 59 or second > 59 or int(year) < 1970:
        return None
    return datetime(int(year), number, int(day), hour, minute, tzinfo=UTC) + timedelta(seconds=second)


def century(two_digits: str) -> str:
    """The year near now that ends in these two digits; empty if two are equally near."""
    if not consists_of(two_digits, DIGITS, 2, 2):
        return ""
    return next((f"{year}" for year in range(NOW.year - 40, NOW.year + 41) if f"{year}"[2:] == two_digits), "")


def http_date(text: str) -> datetime | None:
    """The time in a date as RFC 9110 §5.6.7 writes it: IMF-fixdate, RFC 850 or asctime()."""
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
    """HTTP headers are Latin-1. Something like a date may be read as one, or as nothing."""
    text = content.decode("latin-1")
    expected = wanted_s(text)
    answer = http_result.retry_after_s({"Retry-After": text}, NOW.timestamp())
    if expected is not None:
        assert answer == expected, f"read as {answer}, but it is {expected}"
    assert 0.0 <= answer <= 3600.0, f"read as {answer}"
    assert answer == 0.0 or any(c in DIGITS for c in text), f"read as {answer}, but names no number"


# The response: its status decides.


def outcome(status: int) -> Outcome:
    """What a response with this status and the standard phrase means."""
    if 200 <= status <= 299:
        return Outcome.ACCEPTED
    if status in (401, 403):
        return Outcome.REFUSED
    if status in (408, 425, 429, 503):
        return Outcome.BUSY
    if status in (404, 405, 407, 421, 426) or not 400 <= status <= 499:
        return Outcome.FAILED
    return Outcome.INVALID


def check_response(content: bytes) -> None:
    """The first two bytes are the status, the next line the headers, the rest the body. The status decides, whatever else there is."""
    status = int.from_bytes(content[:2], "big") % 700 + 100
    head, _, body = content[2:].partition(b"\n")
    headers = {"Server": "x", "Retry-After": head.decode("latin-1"), "Location": head.decode("latin-1")}
    result: Result = http_result.judge_response(status, "Whatever", headers, body, NOW.timestamp())
    assert result.outcome is outcome(status)
    assert is_one_clean_line(result.reason) or len(result.reason) < 700
    assert result.reason.isprintable()
    assert result.reason.startswith(str(status))
    assert 0.0 <= result.retry_after_s <= 3600.0
    assert result.retry_after_s == 0.0 or result.outcome is Outcome.BUSY


# The configuration: INI as configparser reads it, without interpolation.


@dataclass(frozen=True)
class Refusal:
    """The wrong parameters with their values, None for one that is missing; empty if the file as a whole is wrong."""

    wrong: dict[str, str | None]


def read(path: Path) -> dict[str, str] | None:
    """The section's parameters, their names in lower case; None if the file is not valid."""
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
    """Any one that the kernel could use, on one line."""
    return text != "" and "\n" not in text and "\0" not in text


def right_interval(text: str) -> bool:
    """From a second to a day."""
    return consists_of(text, DIGITS) and len(text.lstrip("0")) <= 5 and 1 <= int(text.lstrip("0") or "0") <= 86_400


def right_sensor(text: str) -> bool:
    """`none`, or a 1-Wire device as the kernel names it: its family, a hyphen, its serial number."""
    return text.lower() == "none" or (len(text) == 15 and text[2] == "-" and consists_of((text[:2] + text[3:]).lower(), HEX_DIGITS, 14, 14))


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
    """A path relative to `folder`, without `.` and `..`. Two slashes at its start remain: POSIX leaves their meaning open."""
    there: list[str] = []
    for part in (text if text.startswith("/") else f"{folder}/{text}").split("/"):
        if part == "..":
            there = there[:-1]
        elif part not in ("", "."):
            there.append(part)
    return Path("//" if text.startswith("//") and not text.startswith("///") else "/", *there)


def expected_config(path: Path, found: dict[str, str]) -> config.Config | Refusal:
    """The configuration that the parameters make, without warnings, or what is wrong with them."""
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
        sensor=texts["sensor"].lower() if texts["sensor"] and texts["sensor"].lower() != "none" else None,
        has_sensor=(texts["sensor"] or "").lower() != "none",
        w1_devices=place("w1Devices", "/sys/bus/w1/devices"),
    )


def check_config(content: bytes) -> None:
    """A file is a configuration, or an error with a fix. It is in memory, because there are many."""
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
    except ini.ConfigError as error:
        assert isinstance(expected, Refusal), f"refused ({error}), but it is right"
        check_error(str(error), path, expected)
        return
    assert replace(loaded, warnings=()) == expected, f"read as {loaded}, but it is {expected}"
    requests.Request("POST", f"{loaded.base_url}/ping").prepare()
    check_warnings(loaded, set(found or {}) - {name.lower() for name in RIGHT}, path.read_text("utf-8-sig"))
    check_round_trip(loaded)


def check_error(text: str, path: Path, refusal: Refusal) -> None:
    """An error, as it is logged, names the file, the parameter and the value, and its end, the fix, is not cut off."""
    line = syslog_handler.escape(text)
    assert line.startswith(f"{path}: ")
    assert len(text) < 1000
    assert "; fix: " in line
    assert "Traceback" not in line
    assert "INI file" not in line, "not in the user's terms"
    if refusal.wrong:
        assert any(line.startswith(start_of_error(path, name, text)) for name, text in refusal.wrong.items()), line
        assert "it takes " in line or "use " in line


def start_of_error(path: Path, name: str, text: str | None) -> str:
    """How the line about one parameter begins."""
    if text is None:
        return f"{path}: the parameter {name} is missing; "
    return syslog_handler.escape(f"{path}: {name} = {text[:200] or '(empty)'}")


def check_warnings(loaded: config.Config, unknown: set[str], text: str) -> None:
    """There is one warning for each unknown parameter, as it is spelt in the file."""
    warnings = [warning for warning in loaded.warnings if "is unknown" in warning]
    assert len(warnings) == len(unknown)
    assert all(any(name[:40] in warning.lower() for warning in warnings) for name in unknown)
    assert all(warning.partition(": the parameter ")[2].partition(" is unknown")[0].removesuffix("...") in text for warning in warnings)
    assert all(len(warning) < 1000 for warning in loaded.warnings)


def check_round_trip(loaded: config.Config) -> None:
    """Written again, it reads the same."""
    values = asdict(replace(loaded, warnings=()))
    attributes = ("uuid", "base_url", "private_key", "ca_bundle", "spool", "ping_interval_s", "sensor", "w1_devices")
    values["sensor"] = values["sensor"] if loaded.has_sensor else "none"
    texts = {name: str(values[attribute]) for name, attribute in zip(RIGHT, attributes, strict=False) if values[attribute] is not None}
    if any(text != text.strip() for text in texts.values()):
        return  # INI cannot express it: for instance a path that ends in a space, made of one that ends in " /."
    loaded.path.write_text("[KegNet]\n" + "".join(f"{name} = {text}\n" for name, text in texts.items()), encoding="utf-8")
    assert replace(config.load(loaded.path), warnings=()) == replace(loaded, warnings=())


CHECKS: dict[str, Callable[[bytes], None]] = {
    "pour": check_pour,
    "w1_slave": check_w1_slave,
    "config": check_config,
    "retry_after": check_retry_after,
    "response": check_response,
}
