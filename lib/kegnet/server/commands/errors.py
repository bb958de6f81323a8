"""The error of a command that cannot do what it is asked for."""

from __future__ import annotations

from ...core.problem import ProblemError


class CommandError(ProblemError):
    """A mistake in what was asked for, such as a client that does not exist. The command ends with status 1."""
