"""--setup: makes what a client needs and does not have: a key, a UUID, a client.conf. Never overwrites anything."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

from . import config, signer
from .config import Config, ConfigError
from .signer import KeyFileError, Signer

_TEMPLATE = f"""\
# The configuration of kegnet-client; see client.conf(5). After a change: systemctl reload kegnet-client

[{config.SECTION}]
uuid =
serviceBaseURL =
"""
_FOR_THE_KEEPER = """\
This client's UUID:

    {uuid}

Its public key:

{public_key}
Give both to whoever keeps the server {server}
The private key stays here, in {private_key}, and nobody else needs it, ever.
Once the server knows them, see whether all is well, and start:

    sudo kegnet-client --check
    sudo systemctl start kegnet-client
"""


def set_up(path: Path, server: str | None) -> str:
    """Fills in what is missing in the configuration at `path`, and makes the key that it names; what to tell the owner.

    `server` is the serviceBaseURL, if it is known; None asks on the terminal where the file has none. Raises ConfigError,
    also where the file has another one; then nothing, or not all, has been made, and another run goes on from there.
    """
    path = path.absolute()
    there = config.values(path) if os.path.lexists(path) else {}
    missing = {} if there.get("uuid") else {"uuid": str(uuid.uuid4())}
    address = _address(path, there.get("servicebaseurl", ""), server)
    if not there.get("servicebaseurl"):
        missing["serviceBaseURL"] = address
    with _refused_by_the_disk(path):
        _fill_in(path, missing)
    conf = config.load(path)
    with _refused_by_the_disk(conf.private_key):
        if not os.path.lexists(conf.private_key):
            _make(conf.private_key, signer.new_key_pem(), 0o600)
    return _for_the_keeper(conf)


def _for_the_keeper(conf: Config) -> str:
    try:
        public_key = Signer.load(conf.private_key).public_key_pem()
    except KeyFileError as error:
        raise conf.error("privateKey", conf.private_key, str(error)) from error
    return _FOR_THE_KEEPER.format(uuid=conf.uuid, public_key=public_key, server=conf.base_url, private_key=conf.private_key)


@contextlib.contextmanager
def _refused_by_the_disk(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        mend = "run this as root: sudo kegnet-client --setup" if os.geteuid() else "see whether its folder is there and writable"
        raise ConfigError(f"{path}: cannot be made ({error.strerror}); {mend}") from error


# The server's address.


def _address(path: Path, there: str, server: str | None) -> str:
    if server is None:
        return there or _ask(path)
    try:
        config.base_url(server)
    except ValueError as error:
        raise ConfigError(f"--server {server}: {_right(error)}") from error
    if there not in ("", server):
        raise ConfigError(f"{path}: serviceBaseURL = {there}: is there already, and --setup overwrites nothing; edit the file to change it")
    return server


def _ask(path: Path) -> str:
    if not sys.stdin.isatty():
        raise ConfigError(f"{path}: serviceBaseURL is missing; name it: kegnet-client --setup --server https://...")
    print(f"Which server is this client's? It takes {config.BASE_URL_RIGHT}", file=sys.stderr)
    while True:
        print("serviceBaseURL = ", end="", file=sys.stderr, flush=True)
        text = sys.stdin.readline()
        if not text:
            raise ConfigError(f"{path}: serviceBaseURL is missing, and nothing was made")
        try:
            config.base_url(text.strip())
        except ValueError as error:
            print(_right(error), file=sys.stderr)
        else:
            return text.strip()


def _right(error: ValueError) -> str:
    # urlsplit() has words of its own, which are not for owners.
    hint = f"{error}; " if str(error).startswith("a ") else ""
    return f"{hint}it takes {config.BASE_URL_RIGHT}"


# The files.


def _fill_in(path: Path, missing: Mapping[str, str]) -> None:
    """Puts the parameters that are `missing` into the file at `path`. Raises OSError."""
    old = None
    with contextlib.suppress(FileNotFoundError):
        old = path.read_bytes().decode("utf-8")
    new = _TEMPLATE if old is None else old
    for name, value in missing.items():
        new = _with(new, name, value)
    if old is None:
        _make(path, new.encode("utf-8"), 0o644)
    elif new != old:
        _replace(path, new.encode("utf-8"))


def _with(text: str, name: str, value: str) -> str:
    """`text` with `name = value` in our section: where the parameter stands without a value, or else first of all."""
    head = re.search(rf"^\ufeff?[ \t]*\[{config.SECTION}\].*(\n|\Z)", text, re.MULTILINE)
    if head is None:
        return text
    following = re.compile(r"^[ \t]*\[", re.MULTILINE).search(text, head.end())
    end = following.start() if following else len(text)
    empty = re.compile(rf"^([ \t]*{name}[ \t]*[=:])[ \t]*(?=\r?$)", re.IGNORECASE | re.MULTILINE)
    section, filled = empty.subn(lambda match: f"{match[1]} {value}", text[head.end() : end], count=1)
    if not filled:
        newline = "\r\n" if head[0].endswith("\r\n") else "\n"
        section = ("" if head[1] else newline) + f"{name} = {value}{newline}" + section
    return text[: head.end()] + section + text[end:]


def _make(path: Path, content: bytes, mode: int) -> None:
    """A new file, whole or not at all, and on the disk. Raises OSError, FileExistsError among them: nothing is overwritten."""
    temporary = _written(path, content, mode)
    try:
        os.link(temporary, path)
    finally:
        os.unlink(temporary)
    _sync(path.parent)
    print(f"made {path}", file=sys.stderr)


def _replace(path: Path, content: bytes) -> None:
    """The file, whole, with another content, but of the same owner and mode."""
    path = Path(os.path.realpath(path))
    status = path.stat()
    temporary = _written(path, content, status.st_mode & 0o7777)
    try:
        if os.geteuid() == 0:
            os.chown(temporary, status.st_uid, status.st_gid)
        os.rename(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise
    _sync(path.parent)
    print(f"filled in {path}", file=sys.stderr)


def _written(path: Path, content: bytes, mode: int) -> str:
    """A temporary file beside `path`."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
    except OSError:
        os.unlink(name)
        raise
    return name


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
