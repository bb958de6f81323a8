"""The queue directory: which pours wait, in which order, and how each one leaves."""

from .files import Content, NotAFileError
from .queue import Entry
from .spool import FileError, Spool

__all__ = ["Content", "Entry", "FileError", "NotAFileError", "Spool"]
