"""Signed messages, made before the server is measured."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from multiprocessing import Pool
from pathlib import Path
from urllib.parse import urlencode

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

_loaded: dict[str, rsa.RSAPrivateKey] = {}


@dataclass(frozen=True)
class Sender:
    """A client with its key; `private` and `public` are PEM texts."""

    uuid: str
    private: str
    public: str


def senders(number: int, keys: int) -> list[Sender]:
    """That many clients, which share `keys` keys, for it takes long to make one."""
    made = [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(keys)]
    private = [
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
        for key in made
    ]
    kind = serialization.PublicFormat.SubjectPublicKeyInfo
    public = [key.public_key().public_bytes(serialization.Encoding.PEM, kind).decode() for key in made]
    return [Sender(str(uuid.uuid4()), private[number % keys], public[number % keys]) for number in range(number)]


def form(sender: Sender, **fields: int) -> str:
    """The form of a message, signed. The order of the fields is that of the signed text."""
    key = _loaded.get(sender.private)
    if key is None:
        loaded = serialization.load_pem_private_key(sender.private.encode(), None)
        assert isinstance(loaded, rsa.RSAPrivateKey)
        key = _loaded[sender.private] = loaded
    whole = {"id": sender.uuid, **{name: str(value) for name, value in fields.items()}}
    signature = key.sign(",".join(whole.values()).encode(), padding.PKCS1v15(), hashes.SHA256())
    return urlencode({**whole, "sig": base64.b64encode(signature).decode()})


def _pour(given: tuple[Sender, int]) -> str:
    sender, ts = given
    return form(sender, pin=ts % 4, pulses=586, et=8213, ts=ts)


def _ping(given: tuple[Sender, int]) -> str:
    sender, ts = given
    return form(sender, temp=4000 + ts % 500, ts=ts)


def _all(make: object, given: Iterable[tuple[Sender, int]]) -> list[str]:
    with Pool(2) as pool:
        return pool.map(make, given, chunksize=50)  # type: ignore[arg-type]


def pours(clients: Sequence[Sender], number: int, last_ms: int) -> list[str]:
    """So many pours, one a millisecond until `last_ms`, of all the clients in turn."""
    return _all(_pour, [(clients[n % len(clients)], last_ms - number + n) for n in range(number)])


def pings(clients: Sequence[Sender], number: int, first_ms: int, every_ms: int = 1) -> list[str]:
    """So many pings, of all the clients in turn."""
    return _all(_ping, [(clients[n % len(clients)], first_ms + n * every_ms) for n in range(number)])


def write(path: Path, forms: Iterable[str]) -> None:
    """One form a line, for `burst.lua`."""
    path.write_text("".join(form + "\n" for form in forms))
