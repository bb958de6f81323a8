"""The server's certificate and its key, checked before they are used."""

from __future__ import annotations

import ssl
from pathlib import Path

from kegnet.core.problem import ProblemError


class CertificateError(ProblemError):
    """The certificate or its key cannot be used."""


def check_certificate(certificate: Path | None, key: Path | None) -> None:
    """Raises CertificateError if only one of the files is named, one cannot be read, or they do not belong together."""
    if (certificate is None) != (key is None):
        given, missing = ("certificate", "key") if key is None else ("key", "certificate")
        raise CertificateError(f"--{given} is set without --{missing}", f"set --{missing} too for HTTPS, or neither for HTTP")
    if certificate is not None and key is not None:
        load_certificate(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), certificate, key)


def load_certificate(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Lets `context` use the files for its next connections. Raises CertificateError."""
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as error:
        fix = "give PEM files: the certificate with its chain, and its own private key without a password"
        raise CertificateError(f"{certificate} and {key}: {error.reason or error}", fix) from error
    except OSError as error:
        fix = "name files that the user of kegnet-server can read"
        raise CertificateError(f"{certificate} and {key}: cannot be read ({error.strerror or error})", fix) from error


def _no_password() -> str:
    """Instead of OpenSSL's question at the terminal."""
    return ""
