"""Bad input: the parsers agree with the models of `faults.models`, or raise their own error.

The inputs are made here, by the fuzzer, or were found by it earlier and are kept in `corpus/`.
"""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from faults.conftest import FaultCounts
from faults.models import CHECKS, CLIENT, DAYS, MONTHS, NOW, PROBE
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from kegnet.server.demo import crc8
from system.container import built_once

HERE = Path(__file__).resolve().parent
CORPUS = HERE / "corpus"
WHEELS = ("x86_64", (3, 11), (3, 13))
"""The machine, the oldest and the newest Python for which there are wheels of atheris 3.0.0."""

GARBAGE = [
    *(
        b"",
        b"\0",
        b"\n",
        b"\r\n",
        b"\r",
        b" ",
        b"\t",
        b",",
        b"-",
        b"+",
        b".",
        b":",
        b"=",
        b"%",
        b"%(uuid)s",
        b"#",
        b";",
        b"[",
        b"]",
        b"@",
        b"/",
    ),
    *(
        b"0",
        b"9" * 19,
        b"9" * 20,
        b"0" * 30,
        b"9" * 5000,
        "\u0663\u0967\uff17".encode(),
        b"\xb2",
        b"\xef\xbb\xbf",
        b"\x1b[2J",
        b"\x85",
        b"\xff\xfe",
    ),
    *("\u2028".encode(), "\u212a\u0130".encode(), b"YES", b"NO", b"t=", b"GMT", b"[KegNet]\n", b"\n continued", b"x" * 2000),
]

inputs = settings(max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.fixture(autouse=True)
def far_from_greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Otherwise a time that is wrongly read as local time would pass."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Pacific/Chatham")
        time.tzset()
        yield
    time.tzset()


@st.composite
def damaged(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> bytes:
    """One of the texts; up to three parts of it are dropped, doubled, or replaced by garbage."""
    content = draw(texts).encode()
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.integers(0, 12)))
        instead = draw(st.sampled_from(GARBAGE) | st.just(content[start:end] * 2) | st.binary(max_size=3))
        content = content[:start] + instead + content[end:]
    return content


# The pour.

numbers = st.integers(-(10**19), 10**19).map(str) | st.sampled_from(
    ["0", "-0", "007", "", "-", "9" * 19, "-" + "9" * 19, "9" * 20, "1.5", "1e3"]
)
lines = st.lists(numbers, min_size=4, max_size=4) | st.lists(numbers, max_size=6)
pours = st.builds(lambda line, end: ",".join(line) + end, lines, st.sampled_from(["", "\n", "\r\n", "\n\n", " "]))


@inputs
@given(damaged(pours))
@example(b"")
@example(",".join(["9" * 19] * 4).encode() + b"\r\n")
@example(",".join(["9" * 19] * 4).encode() + b"99")
@example(b"-1,1,1,1")
@example(b"1,1,1,1\r")
def test_a_pour_file_contains_four_integers_or_is_no_pour(counts: FaultCounts, content: bytes) -> None:
    counts.inputs += 1
    CHECKS["pour"](content)


# The probe.


@st.composite
def answers(draw: st.DrawFn) -> str:
    """An answer of the driver, right or wrong in each part."""
    scratchpad = draw(st.sampled_from([bytes(8), b"\xff" * 8, bytes.fromhex("43014b467fff0c10")]) | st.binary(min_size=8, max_size=8))
    crc = draw(st.just(crc8(scratchpad)) | st.integers(0, 255))
    octets = (scratchpad + bytes([crc])).hex(" ")
    again = draw(st.just(octets) | st.binary(min_size=9, max_size=9).map(lambda other: other.hex(" ")))
    verdict = draw(st.sampled_from(["YES", "YES", "NO", "yes"]))
    limits = [0, 85_000, 84_999, 127_937, -55_000, -55_001, 125_000, 125_001, -1]
    value = draw(st.sampled_from(limits) | st.integers(-60_000, 130_000) | st.integers())
    return f"{octets} : crc={draw(st.just(crc) | st.integers(0, 255)):02x} {verdict}\n{again} t={value}\n"


@inputs
@given(damaged(answers()))
@example(b"")
def test_a_probes_answer_is_certainly_a_reading_or_none(counts: FaultCounts, content: bytes) -> None:
    counts.inputs += 1
    CHECKS["w1_slave"](content)


def test_an_answer_that_is_cut_off_anywhere_is_no_reading(counts: FaultCounts) -> None:
    whole = b"43 01 4b 46 7f ff 0c 10 97 : crc=97 YES\n43 01 4b 46 7f ff 0c 10 97 t=20187\n"
    for end in range(len(whole) + 1):
        counts.inputs += 1
        CHECKS["w1_slave"](whole[:end])


# Retry-After.


@st.composite
def dates(draw: st.DrawFn) -> str:
    """A date in one of HTTP's three forms, mostly near now."""
    seconds = draw(st.integers(-7200, 7200) | st.integers(-(10**9), 10**9))
    moment = NOW + timedelta(seconds=seconds)
    day, month = DAYS[moment.weekday()], MONTHS[moment.month - 1]
    clock = draw(st.just(f"{moment:%H:%M:%S}") | st.sampled_from(["23:59:60", "24:00:00", "08:60:00", "8:30:00"]))
    return draw(
        st.sampled_from(
            [
                f"{day[:3]}, {moment.day:02d} {month} {moment.year:04d} {clock} GMT",
                f"{day}, {moment.day:02d}-{month}-{moment.year % 100:02d} {clock} GMT",
                f"{day[:3]} {month} {moment.day:2d} {clock} {moment.year:04d}",
            ]
        )
    )


seconds = st.integers(-10, 5000).map(str) | st.builds(
    lambda zeros, number: "0" * zeros + str(number), st.integers(0, 5000), st.integers(0, 4000)
)


@inputs
@given(damaged(dates() | seconds))
@example(b"")
@example(b"9" * 60_000)
def test_retry_after_is_a_time_within_the_hour(counts: FaultCounts, content: bytes) -> None:
    counts.inputs += 1
    CHECKS["retry_after"](content)


# The response.


@inputs
@given(st.binary(max_size=40))
def test_the_status_of_a_response_decides_whatever_else_is_in_it(counts: FaultCounts, content: bytes) -> None:
    counts.inputs += 1
    CHECKS["response"](content)


# The configuration.

texts = {
    "uuid": [CLIENT, CLIENT.upper(), CLIENT[:-1], CLIENT.replace("-", "")],
    "serviceBaseURL": [
        *(
            "https://www.kegnetwork.com/rest/v2",
            "http://localhost:8000/v1///",
            "HTTP://a_b.c./%7E%zz/@",
            "http://[fe80::1%25eth0]:80",
            "https://a:/",
        ),
        *(
            "http://.a",
            "http://a..b",
            "http://a\\b/",
            "http://*",
            "http://%",
            "http://[::::]",
            "http://[v1.a]",
            "http://a:000080",
            "http://a:0",
        ),
        *(
            "http://a:65536",
            "http://me:secret@a",
            "http://a?b",
            "http://a#b",
            "ftp://a",
            "http://",
            "http:a",
            "https://" + "a" * 64,
            "https://é",
        ),
    ],
    "privateKey": ["k.pem", "/etc/k.pem", "../k", "", "a/../../b/./c//d", "//k", "a\n b", "a\0b"],
    "caBundle": ["ca.pem", "~/ca.pem", "%(uuid)s"],
    "spool": ["/var/spool/kegnet", ".", "/.."],
    "pingInterval": ["600", "1", "86400", "86401", "0", "000600", "0" * 5000 + "5", "9" * 5000, "-5", "1.5", "\u0665", "600 ; often"],
    "sensor": [PROBE, "none", "None", PROBE.upper(), "00-000000000000", "28-0000054c9f1", "28-0000054c9f1g"],
    "w1Devices": ["/sys/bus/w1/devices", "w1"],
}
litter = [
    *(
        "",
        "# a note",
        "; a note",
        "  on a line of its own",
        "uuid",
        "= 5",
        "x" * 3000,
        "[KegNet]",
        "[kegnet]",
        "[other]",
        "[" + "z" * 3000 + "]",
    ),
    *(
        f"UUID: {CLIENT}",
        "interval = 5",
        "PING = 5",
        "y" * 3000 + " = 5",
        "\u212a = 5",
        "[KegNet",
        "\ttab = 1",
        "rem x",
        "uuid == x",
        "[DEFAULT]",
    ),
]


@st.composite
def files(draw: st.DrawFn) -> str:
    """Parameters in any order, one of them perhaps odd, with or without other lines between them."""
    some = draw(st.lists(st.sampled_from(list(texts)[2:]), max_size=3, unique=True))
    values = {name: texts[name][0] for name in ["uuid", "serviceBaseURL", *some]}
    odd = draw(st.sampled_from(list(texts)))
    values[odd] = draw(st.sampled_from(texts[odd]))
    parameters = [f"{name} = {value}" for name, value in values.items()]
    lines = draw(st.permutations(parameters + draw(st.just([]) | st.lists(st.sampled_from(litter), max_size=3))))
    return draw(st.sampled_from(["[KegNet]\n"] * 4 + ["\ufeff[KegNet]\n", "[DEFAULT]\nspool = s\n[KegNet]\n", ""])) + "\n".join(lines)


@inputs
@given(files().map(str.encode) | damaged(files()))
def test_a_file_is_a_configuration_or_an_error_that_names_the_fix(counts: FaultCounts, content: bytes) -> None:
    counts.inputs += 1
    CHECKS["config"](content)


def test_each_value_by_itself_is_right_or_an_error_that_names_the_fix(counts: FaultCounts) -> None:
    right = {name: texts[name][0] for name in ("uuid", "serviceBaseURL")}
    for name, values in texts.items():
        for value in values:
            counts.inputs += 1
            lines = [f"{known} = {text}\n" for known, text in {**right, name: value}.items()]
            CHECKS["config"](("[KegNet]\n" + "".join(lines)).encode())


# The fuzzer.


@pytest.mark.parametrize("parser", CHECKS)
def test_each_input_that_was_found_earlier_passes(counts: FaultCounts, parser: str) -> None:
    kept = sorted((CORPUS / parser).iterdir())
    assert kept
    for file in kept:
        counts.inputs += 1
        CHECKS[parser](file.read_bytes())


@pytest.fixture
def fuzzer() -> list[str | Path]:
    """The command that starts the fuzzer."""
    machine, oldest, newest = WHEELS
    if platform.machine() != machine or not oldest <= sys.version_info[:2] <= newest:
        pytest.skip(f"no atheris for Python {platform.python_version()} on {platform.machine()}")
    environment = built_once(f"atheris-{platform.python_version()}", "build-fuzzer")
    return [environment / "bin" / "python", "-B", HERE / "fuzz.py"]


@pytest.mark.parametrize("parser", CHECKS)
def test_no_input_of_the_fuzzer_fails(
    counts: FaultCounts, fuzzer: list[str | Path], parser: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    wanted = int(request.config.getoption("--inputs"))
    (tmp_path / "found").mkdir()
    shutil.copytree(CORPUS / parser, tmp_path / "kept")
    options = [f"-runs={wanted}", "-max_len=1000", "-timeout=30", "-rss_limit_mb=1000", "-print_final_stats=1"]
    fuzzing = subprocess.run([*fuzzer, parser, *options, "found", "kept"], cwd=tmp_path, capture_output=True)
    output = fuzzing.stderr.decode("utf-8", "replace")
    wrong = [file.read_bytes() for file in tmp_path.glob("*-*")]
    assert fuzzing.returncode == 0, f"{wrong}: keep it in {CORPUS / parser} once it is fixed; {output[-3000:]}"
    (done,) = re.findall(r"stat::number_of_executed_units: *(\d+)", output)
    counts.inputs += int(done)
    assert int(done) >= wanted
    assert "Instrumenting kegnet.core.messages" in output, "the client's code is not instrumented"
