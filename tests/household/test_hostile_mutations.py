"""What small changes of the code could break unnoticed: the flags of cookies, the unit of a counter."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import requests
from bench.server import signed
from support.kegnet_server import KegnetServer


@pytest.mark.parametrize(("scheme", "secure"), [("http", False), ("https", True)])
def test_the_cookies_of_the_units_are_for_this_site_alone(scheme: str, secure: bool, tmp_path: Path) -> None:
    with KegnetServer(tmp_path, None, "--proxy", "127.0.0.1") as server:
        head = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": scheme}
        answer = requests.post(f"{server.page_url}choices", data={"volume": "pt"}, headers=head, allow_redirects=False, timeout=30)
    assert {cookie.name for cookie in answer.cookies} >= {"temperature", "volume"}
    for cookie in answer.raw.headers.getlist("set-cookie"):
        words = {word.strip().lower() for word in cookie.split(";")}
        assert {"httponly", "samesite=lax", "path=/"} <= words
        assert ("secure" in words) == secure


def test_the_counter_of_what_was_poured_is_in_litres(tmp_path: Path) -> None:
    (sender,) = signed.senders(1, 1)
    with KegnetServer(tmp_path) as server:
        server.add_client(sender.uuid, sender.public, "Garage")
        server.set_tap(sender.uuid, 17, pulses_per_litre=5000)
        form = signed.form(sender, pin=17, pulses=2500, et=8213, ts=time.time_ns() // 10**6)
        head = {"Content-Type": "application/x-www-form-urlencoded"}
        assert requests.post(f"{server.base_url}/pour", data=form, headers=head, timeout=30).status_code == 200
        metrics = requests.get(f"{server.page_url}metrics", timeout=30).text
    (line,) = [line for line in metrics.splitlines() if line.startswith("kegnet_poured_litres_total{")]
    assert line.endswith(" 0.5")
