"""The house: an import only ever points down, and rooms on one floor do not know each other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

LIB = Path(__file__).resolve().parents[2] / "lib"
FLOORS = {
    "client": 4,
    **dict.fromkeys(("uploader", "pinger", "check", "enrol"), 3),
    **dict.fromkeys(("api", "set_aside"), 2),
    **dict.fromkeys(
        (
            "config",
            "messages",
            "signer",
            "spool",
            "thermometer",
            "backoff",
            "schedule",
            "deadline",
            "service_manager",
            "logs",
            "machine",
            "transport",
        ),
        1,
    ),
    **dict.fromkeys(("pourfile", "watch"), 0),
}
ROOMS = [LIB / "client.py", *sorted((LIB / "kegnet").glob("[!_]*.py"))]


def imported_rooms(source: str) -> Iterator[str]:
    """The rooms of the house that a module's source imports, wherever in it."""
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name.removeprefix("kegnet.") for alias in node.names if alias.name.startswith("kegnet.")]
        elif isinstance(node, ast.ImportFrom) and (node.level > 0 or (node.module or "").split(".")[0] == "kegnet"):
            module = (node.module or "").removeprefix("kegnet").lstrip(".")
            names = [module] if module else [alias.name for alias in node.names if not alias.name.isupper() and alias.name[0] != "_"]
        yield from (name.split(".")[0] for name in names)


@pytest.mark.parametrize("path", ROOMS, ids=lambda path: path.stem)
def test_imports_point_down(path: Path) -> None:
    for room in imported_rooms(path.read_text()):
        assert FLOORS[room] < FLOORS[path.stem], f"{path.stem} must not know {room}"


def test_every_room_has_its_floor() -> None:
    assert {path.stem for path in ROOMS} == set(FLOORS)


def test_the_reader_of_imports_sees_them_all() -> None:
    lines = (
        "import kegnet.api",
        "from kegnet.spool import X",
        "from . import logs, __version__",
        "from .config import Y",
        "def f():",
        "    from kegnet import signer",
    )
    source = "\n".join(lines)
    assert list(imported_rooms(source)) == ["api", "spool", "logs", "config", "signer"]


def test_the_client_does_not_know_the_server() -> None:
    assert all("server" not in imported_rooms(path.read_text()) for path in ROOMS)
