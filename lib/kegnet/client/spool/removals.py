"""Removes finished pours from the spool directory, and retries if the directory does not permit it."""

from __future__ import annotations

import logging
from collections.abc import Set
from dataclasses import dataclass, replace

from ...core.syslog_handler import escape_name
from ..outcome import Fate
from . import files
from .files import Content

PENDING_LIMIT = 100
"""Upper bound on finished pours whose unlink or rename is being retried."""
REMOVE_AGAIN_S = 60.0
"""Interval at which it is retried."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Finished:
    """A pour with this `content` that must be deleted, or set aside for `reason`. Not retried before `due`."""

    fate: Fate
    content: Content
    reason: str
    due: float


@dataclass(frozen=True)
class RemovalResult:
    """The result of a removal. `set_aside`: a file was set aside. `waits_as`: the name of another pour that took the place, and waits."""

    set_aside: bool = False
    waits_as: str | None = None


class Removals:
    """Finished pours by name. Only their removal is retried."""

    def __init__(self) -> None:
        self._pending: dict[str, Finished] = {}

    def __contains__(self, name: object) -> bool:
        return name in self._pending

    def __len__(self) -> int:
        return len(self._pending)

    def names(self) -> Set[str]:
        """The current names of the files."""
        return self._pending.keys()

    @property
    def full(self) -> bool:
        """Whether so many are pending that no more pours should be sent."""
        return len(self._pending) >= PENDING_LIMIT

    @property
    def due(self) -> float:
        """When the next retry is due."""
        return min((finished.due for finished in self._pending.values()), default=float("inf"))

    def retry_at(self, name: str, due: float) -> None:
        """Retries `name` at `due`."""
        self._pending[name] = replace(self._pending[name], due=due)

    def retry(self, directory: int, now: float) -> list[RemovalResult]:
        """Retries the removals that are due."""
        return [self.remove(directory, name, finished, now) for name, finished in list(self._pending.items()) if finished.due <= now]

    def remove(self, directory: int, name: str, finished: Finished, now: float) -> RemovalResult:
        """Removes the pour `name` unless another file has that name now. Never raises OSError: a failure is logged once and retried."""
        is_retry = self._pending.pop(name, None) is not None
        place = name
        try:
            if files.is_unchanged(directory, name, finished.content):
                place = files.rename_to_leaving(directory, name)
                if files.has_content(directory, place, finished.content):
                    return _finish(directory, place, name, finished)
            return RemovalResult(waits_as=place)
        except FileNotFoundError:
            return RemovalResult()
        except OSError as error:
            if not is_retry:
                log.error(
                    "%s is to be %s, but the spool does not permit it (%s): only that is retried, the pour is not sent again",
                    escape_name(name), finished.fate.value, error.strerror,
                )  # fmt: skip
            self._pending[place] = replace(finished, due=now + REMOVE_AGAIN_S)
            return RemovalResult()


def _finish(directory: int, place: str, name: str, finished: Finished) -> RemovalResult:
    if finished.fate is Fate.DELETE:
        files.delete(directory, place)
        return RemovalResult()
    failed = files.set_aside(directory, place, name)
    log.error("%s is set aside as %s: %s", escape_name(name), escape_name(failed), finished.reason)
    return RemovalResult(set_aside=True)
