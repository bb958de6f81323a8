"""The limit of serial sending with requests: as bare.py, but each POST is a `requests.Session.post()`.

usage: python3 -m bench.session_post SPOOL KEY UUID PORT [CA]
"""

from __future__ import annotations

from collections.abc import Callable

import requests
from bench.bare import drain


def connected(port: int, ca: str | None) -> Callable[[str], None]:
    """What posts a form, over one session."""
    session = requests.Session()
    session.trust_env = False
    session.headers["Content-Type"] = "application/x-www-form-urlencoded"
    url = f"http{'s' if ca else ''}://127.0.0.1:{port}/rest/v2/pour"

    def post(body: str) -> None:
        answer = session.post(url, body, timeout=30, allow_redirects=False, verify=ca)
        assert answer.status_code == 200, answer

    return post


if __name__ == "__main__":
    drain(connected)
