"""The import rules of the architecture: programs do not import each other, layers import downwards, one module per outside thing."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

LIB = Path(__file__).resolve().parents[2] / "lib"
KEGNET = LIB / "kegnet"
PROGRAMS = ("client", "meter", "server")
LAYERED = ("client.", "meter.", "server.")

LAYERS = (
    ("client.commands.modes",),
    ("client.commands.register",),
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
    ("server.demo",),
    ("server.commands.main",),
    tuple(
        f"server.commands.{name}"
        for name in ("serve", "check", "clients", "taps", "kegs", "beers", "pours", "boards", "settings", "password", "transfer")
    ),
    ("server.commands.checks",),
    ("server.commands.lookup",),
    ("server.commands.arguments", "server.commands.account", "server.commands.terminal"),
    ("server.commands.errors",),
    ("server.serving",),
    ("server.app",),
    ("server.background", "server.health", "server.wire", "server.tls", "server.body", "server.proxies"),
    ("server.leader_work",),
    ("server.web", "server.ingest", "server.integrations", "server.watch", "server.maintenance"),
    (
        "server.alarm_rounds",
        "server.overview",
        "server.limits",
        "server.context",
        "server.restarts",
        "server.signature",
        "server.shared_work",
    ),
    ("server.beer_import",),
    ("server.client_directory",),
    ("server.storage", "server.recipes"),
    ("server.model",),
    (
        "server.config",
        "server.certificate",
        "server.listening",
        "server.memory",
        "server.transport",
        "server.workers",
        "server.counters",
        "server.log_limit",
        "server.outage",
    ),
    ("server.environment_file",),
    ("server.parameters",),
    ("server.options", "server.activate"),
    ("core",),
)
"""The modules of the programs from the top to the bottom. In a sub-package that is one entry, they may import each other."""

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
SERVER_FILES = [*sorted((KEGNET / "server").rglob("*.py")), LIB / "server.py"]
ONLY_IN_OF_THE_SERVER = {
    "defusedxml": ("recipes/",),
    "xml": (),
    "sqlalchemy": ("storage/",),
    "alembic": ("storage/",),
    "sqlite3": ("storage/",),
    "psycopg2": ("storage/",),
    "fastapi": ("web/",),
    "jinja2": ("web/",),
    "itsdangerous": ("web/",),
    "segno": ("web/",),
    "starlette": ("web/", "integrations/prometheus.py"),
    "uvicorn": ("serving.py",),
    "prometheus_client": ("counters.py", "integrations/prometheus.py"),
    "paho": ("integrations/mqtt_connection.py",),
    "cryptography": ("signature.py", "ingest/keys.py", "commands/checks/certificate.py"),
    "requests": (),
    "M2Crypto": (),
}
"""Which modules of the server import a library: folders with a slash at their end, or files."""
PURE = {"__future__", "collections", "dataclasses", "datetime", "enum", "itertools", "math", "statistics", "typing", "zoneinfo"}
"""What the modules of `server.model` may import: nothing that does input or output, or reads a clock."""


@functools.cache
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


def outside_imports(path: Path) -> set[str]:
    """The packages outside of `kegnet` that the file imports, wherever in it."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    names |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return {name.split(".")[0] for name in names} - {"kegnet"}


@pytest.mark.parametrize(("library", "places"), ONLY_IN_OF_THE_SERVER.items())
def test_one_package_of_the_server_per_outside_thing(library: str, places: tuple[str, ...]) -> None:
    found = [str(path.relative_to(KEGNET / "server")) for path in SERVER_FILES if library in outside_imports(path)]
    assert [name for name in found if not name.startswith(places)] == []


def test_the_model_of_the_server_is_pure() -> None:
    files = sorted((KEGNET / "server/model").rglob("*.py"))
    assert len(files) > 5
    for path in files:
        assert outside_imports(path) <= PURE, path.name
        calls = [
            node.func.attr
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        ]
        assert not {"now", "today", "utcnow"} & set(calls), f"{path.name} reads a clock"


def test_modules_are_short() -> None:
    lines = {str(path.relative_to(LIB)): len(path.read_text().splitlines()) for path in [*FILES, *SERVER_FILES]}
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


def test_no_line_of_a_template_is_longer_than_140_characters() -> None:
    long = [
        f"{path.name}:{number}"
        for path in sorted((KEGNET / "server/web/templates").iterdir())
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > 140
    ]
    assert long == []
