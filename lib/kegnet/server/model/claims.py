"""Who may set the first password of a server on its page: somebody in its own network, before anybody else has.

A page of another site cannot do it either: by a name of its own that resolves to this server (DNS rebinding) it is not admitted.
"""

from __future__ import annotations

_LOCAL_ENDINGS = (".local", ".lan", ".home", ".home.arpa", ".internal", ".localdomain", ".localhost")


def is_own_name(host: str, own: str = "") -> bool:
    """Whether `host` of a URL can be a name of a server in the house: an address, a name of the local network, or `own`.

    Nobody outside can let one of these lead to this server.
    """
    name = host.rstrip(".").lower()
    if not name:
        return False
    if name.startswith("[") or name.replace(".", "").isdigit():
        return True
    return "." not in name or name.endswith(_LOCAL_ENDINGS) or name == own.rstrip(".").lower()
