"""What a server has accepted, so that a test can say what was lost and what came twice."""

from __future__ import annotations

from .scripted_server import Connection, Request


class Ledger:
    """Keeps each accepted pour by its `ts`, with all its repeats."""

    def __init__(self) -> None:
        self.accepted: dict[str, list[dict[str, str]]] = {}

    def accept(self, request: Request) -> None:
        """Enters a pour."""
        self.accepted.setdefault(request.fields["ts"], []).append(request.fields)

    def answer(self, connection: Connection, request: Request) -> None:
        """The first_answer that accepts, and says so."""
        self.accept(request)
        connection.answer(200)

    @property
    def doubled(self) -> int:
        """How many pours came more often than once."""
        return sum(len(copies) > 1 for copies in self.accepted.values())

    @property
    def repeats_are_identical(self) -> bool:
        """Whether each repeat is the same to the letter."""
        return all(repeat == copies[0] for copies in self.accepted.values() for repeat in copies)
