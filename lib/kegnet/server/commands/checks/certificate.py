"""check: the certificate, its key, and when it expires."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

from cryptography import x509

from ....core.finding import Finding, Level
from ...certificate import CertificateError, check_certificate
from ...options import ServeOptions

WARNING_S = 14 * 86_400.0
"""A certificate that expires sooner is a warning."""
_RENEW = "renew it, then: systemctl restart kegnet-server"


def examine_certificate(options: ServeOptions) -> Iterator[Finding]:
    """Whether the certificate and its key can be used, and until when."""
    path = options.certificate
    if path is None:
        local = options.listen.startswith(("127.", "[::1]", "localhost:", "unix:"))
        if local or options.proxies:
            return
        fix = "set certificate and key, or put a proxy with HTTPS in front"
        yield Finding("certificate", Level.WARNING, "there is none, so passwords and pages are sent unencrypted", fix)
        return
    try:
        check_certificate(path, options.key)
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except CertificateError as error:
        yield Finding("certificate", Level.FAILURE, error.problem, error.fix)
        return
    expires = _expiry(certificate)
    left_s = (expires - datetime.datetime.now(datetime.UTC)).total_seconds()
    text = f"{path}: for {', '.join(_names(certificate)) or 'no name'}, expires on {expires:%Y-%m-%d}"
    if left_s < 0:
        yield Finding("certificate", Level.FAILURE, f"{text}, which is past", _RENEW)
    else:
        yield Finding("certificate", *((Level.OK, text) if left_s > WARNING_S else (Level.WARNING, text, _RENEW)))


def _names(certificate: x509.Certificate) -> list[str]:
    """The host names and addresses that it is for."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(name.value) for name in names]


def _expiry(certificate: x509.Certificate) -> datetime.datetime:
    """Debian 12's cryptography has only the second of these attributes, the newest only the first."""
    aware: datetime.datetime | None = getattr(certificate, "not_valid_after_utc", None)
    naive: datetime.datetime | None = None if aware else getattr(certificate, "not_valid_after", None)
    return aware or (naive or datetime.datetime.max).replace(tzinfo=datetime.UTC)
