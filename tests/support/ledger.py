"""What a server has accepted, so that a test can tell what was lost and what was sent twice."""

from __future__ import annotations

from .scripted_server import Connection, Request


class Ledger:
    """The accepted pours by their `ts`, with all repeats."""

    def __init__(self) -> None:
        self.accepted: dict[str, list[dict[str, str]]] = {}

    def accept(self, request: Request) -> None:
        """Records a pour."""
        self.accepted.setdefault(request.fields["ts"], []).append(request.fields)

    def answer(self, connection: Connection, request: Request) -> None:
        """Accepts a pour: a server's answer."""
        self.accept(request)
        connection.answer(200)

    @property
    def doubled(self) -> int:
        """How many pours came more than once."""
        return sum(len(copies) > 1 for copies in self.accepted.values())

    @property
    def repeats_are_identical(self) -> bool:
        """Whether each repeat is identical."""
        return all(repeat == copies[0] for copies in self.accepted.values() for repeat in copies)
