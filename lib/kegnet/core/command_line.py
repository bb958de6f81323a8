"""What the programs have in common: standard streams, one line per error, exit statuses."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from . import syslog_handler
from .ini import ConfigError
from .syslog_handler import escape

log = logging.getLogger(__name__)


def repair_streams() -> None:
    """Replaces closed standard streams with /dev/null, and escapes what they cannot encode."""
    sys.stdin = sys.stdin or os.fdopen(os.open(os.devnull, os.O_RDONLY), "r")
    sys.stdout = sys.stdout or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    sys.stderr = sys.stderr or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    for stream, errors in ((sys.stdin, "replace"), (sys.stdout, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)


def complain(program: str, line: str) -> None:
    """Prints an error on stderr, as one printable line. Ignores a stderr that cannot be written."""
    with contextlib.suppress(OSError):
        print(f"{program}: {escape(line)}", file=sys.stderr)


def default_if_same(path: Path, default: Path) -> Path:
    """`default` if `path` is the same file: then messages name commands without --config. Else `path`."""
    with contextlib.suppress(OSError):
        if os.path.samefile(path, default):
            return default
    return path


def discard_output() -> None:
    """Sends what is still in the buffer of stdout nowhere, after its reader has left: Python writes it at its end, and would complain."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), sys.stdout.fileno())


def run_daemon(program: str, daemon: Callable[[], int]) -> int:
    """Runs a daemon, which logs to syslog; an error that ends it is logged. Returns the exit status."""
    syslog_handler.start(program)
    try:
        return daemon()
    except ConfigError as error:
        log.error("%s", error)
        # syslog prints it on a terminal, and the journal shows the log.
        if not sys.stderr.isatty() and "JOURNAL_STREAM" not in os.environ:
            complain(program, str(error))
        return os.EX_CONFIG
    except Exception:
        log.critical("stopped by an unexpected error", exc_info=True)
        traceback.print_exc()
        return os.EX_SOFTWARE
    finally:
        syslog_handler.flush()


def run_mode(program: str, mode: Callable[[], int]) -> int:
    """Runs a mode of the command line; an error is one line on stderr. Returns the exit status."""
    try:
        status = mode()
        sys.stdout.flush()
    except ConfigError as error:
        complain(program, str(error))
        status = os.EX_CONFIG
    except KeyboardInterrupt:
        complain(program, "interrupted")
        status = 128 + signal.SIGINT
    except BrokenPipeError:
        # The reader, such as head(1), has closed the pipe.
        discard_output()
        status = 128 + signal.SIGPIPE
    except OSError as error:
        complain(program, f"{error.filename or 'the output'}: {error.strerror}")
        status = os.EX_IOERR
    with contextlib.suppress(OSError):
        sys.stderr.flush()
    return status
