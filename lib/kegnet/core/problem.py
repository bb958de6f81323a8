"""The base class of errors that a user can fix."""

from __future__ import annotations


class ProblemError(Exception):
    """An error with its fix. `problem` is what is wrong, `fix` is what to do.

    Both can contain raw text from outside: escape them before printing.
    """

    def __init__(self, problem: str, fix: str) -> None:
        super().__init__(problem, fix)
        self.problem = problem
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.problem}; fix: {self.fix}"
