"""The import rules of the architecture: programs do not import each other, layers import downwards, one module per outside thing."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

LIB = Path(__file__).resolve().parents[2] / "lib"
KEGNET = LIB / "kegnet"
PROGRAMS = ("client", "meter", "server")
LAYERED = ("client.", "meter.")

LAYERS = (
    ("client.commands.modes",),
    ("client.commands.check", "client.commands.setup", "client.commands.requeue", "client.commands.flow_meter"),
    ("client.commands.checks",),
    ("client.commands.quarantine",),
    ("client.status",),
    ("client.uploader", "client.pinger"),
    ("client.rest_api", "client.spool", "client.thermometer"),
    ("client.retry", "client.http_result", "client.commands.arguments"),
    ("client.refusals", "client.outcome", "client.deadline", "client.config", "client.commands.one_wire"),
    ("meter.pourd",),
    ("meter.commands.modes",),
    ("meter.commands.setup", "meter.commands.watch", "meter.commands.calibrate", "meter.commands.check"),
    ("meter.commands.checks",),
    (
        "meter.commands.source",
        "meter.commands.gauge",
        "meter.commands.rate",
        "meter.commands.volume",
        "meter.commands.answers",
        "meter.commands.arguments",
    ),
    ("meter.report",),
    ("meter.recorder",),
    ("meter.tap", "meter.state_files"),
    ("meter.writer", "meter.leftovers"),
    ("meter.lines", "meter.pour_session", "meter.state", "meter.wall_clock", "meter.files"),
    ("meter.gpio", "meter.checkpoint"),
    ("meter.config", "meter.flow", "meter.gpio_line", "meter.single"),
    ("meter.gpio_uapi",),
    ("core",),
)
"""The modules of the client and of the meter from the top to the bottom. In a sub-package that is one entry, they may import each other."""

ONLY_IN = {
    "requests": ("kegnet/client/rest_api.py",),
    "pyinotify": ("kegnet/client/spool/watch.py",),
    "M2Crypto": ("kegnet/core/signing.py",),
    "syslog": ("kegnet/core/syslog_handler.py",),
    "configparser": ("kegnet/core/ini.py",),
    "fcntl": ("kegnet/client/spool/directory.py", "kegnet/meter/gpio.py", "kegnet/meter/gpio_line.py", "kegnet/meter/single.py"),
}
FILES = sorted(
    [*(path for folder in ("core", "client", "meter") for path in (KEGNET / folder).rglob("*.py")), LIB / "client.py", LIB / "meter.py"]
)
"""The modules of the client and of the meter."""


def modules() -> dict[str, Path]:
    """Each module of the package `kegnet` by its dotted name below it."""
    return {
        ".".join(path.relative_to(KEGNET).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted(KEGNET.rglob("*.py"))
        if path != KEGNET / "__init__.py"
    }


def imports(name: str, path: Path) -> Iterator[str]:
    """The modules that the file imports, wherever in it, as dotted names; those of the package without `kegnet.`."""
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.removeprefix("kegnet.") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            origin = ".".join([*base, *(node.module or "").split(".")]).strip(".").removeprefix("kegnet").strip(".")
            known = modules()
            for alias in node.names:
                candidate = f"{origin}.{alias.name}".strip(".")
                yield candidate if candidate in known else origin


def layer(name: str) -> int | None:
    """The number of the layer of a module, counted from the top."""
    for number, entries in enumerate(LAYERS):
        if any(name == entry or name.startswith(entry + ".") for entry in entries):
            return number
    return None


def entry(name: str) -> str | None:
    """The entry of `LAYERS` to which a module belongs."""
    return next((entry for entries in LAYERS for entry in entries if name == entry or name.startswith(entry + ".")), None)


@pytest.mark.parametrize("name", modules())
def test_programs_import_only_the_core_and_themselves(name: str) -> None:
    program = name.split(".")[0]
    for imported in imports(name, modules()[name]):
        other = imported.split(".")[0]
        if other in (*PROGRAMS, "core") and imported in modules():
            assert other == program or (other == "core" and program != "core"), f"{name} must not import {imported}"


@pytest.mark.parametrize("name", [name for name in modules() if name.startswith(LAYERED) and layer(name) is not None])
def test_imports_point_down(name: str) -> None:
    for imported in imports(name, modules()[name]):
        if imported in modules() and layer(imported) is not None and entry(imported) != entry(name):
            assert layer(imported) > layer(name), f"{name} must not import {imported}"  # type: ignore[operator]


def test_every_module_has_its_layer() -> None:
    assert [name for name in modules() if name.startswith(LAYERED) and layer(name) is None and not name.endswith(".commands")] == []


@pytest.mark.parametrize(("library", "places"), ONLY_IN.items())
def test_one_module_per_outside_thing(library: str, places: tuple[str, ...]) -> None:
    found = []
    for path in FILES:
        names = {node.module or "" for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom) and not node.level}
        names |= {alias.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Import) for alias in node.names}
        if any(name.split(".")[0] == library for name in names):
            found.append(str(path.relative_to(LIB)))
    assert tuple(found) == places


def test_modules_are_short() -> None:
    lines = {str(path.relative_to(LIB)): len(path.read_text().splitlines()) for path in FILES}
    assert {name: count for name, count in lines.items() if count > 250} == {}
    assert lines["kegnet/client/rest_api.py"] <= 200
    assert lines["client.py"] <= 220
    assert lines["meter.py"] <= 220


def test_no_private_interfaces_are_used() -> None:
    for path in FILES:
        text = path.read_text()
        for word in ("import http.client", "import urllib3", "sys.modules", "_distutils_hack", "_srcfile"):
            assert word not in text, f"{path.name} uses {word}"


def test_the_reader_of_imports_sees_them_all(tmp_path: Path) -> None:
    file = tmp_path / "example.py"
    file.write_text(
        "import kegnet.client.retry\nfrom kegnet.client.spool import Spool\nfrom .. import core\nfrom ..core.ini import Section\n"
        "def f():\n    from kegnet.core import signing\n"
    )
    assert list(imports("client.example", file)) == ["client.retry", "client.spool", "core", "core.ini", "core.signing"]
