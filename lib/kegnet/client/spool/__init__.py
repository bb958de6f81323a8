"""The spool directory: which pours wait, in which order, and how they are removed."""

from .files import Content, NotAFileError
from .queue import Entry
from .spool import Spool
from .watch import Report

__all__ = ["Content", "Entry", "NotAFileError", "Report", "Spool"]
