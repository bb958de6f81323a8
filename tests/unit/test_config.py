"""client.conf: what it may say, and how it is told that it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kegnet.config import Config, ConfigError, load

REPOSITORY = Path(__file__).resolve().parents[2]
UUID = "6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11"
COMPLETE = f"[KegNet]\nuuid = {UUID}\nserviceBaseURL = https://www.kegnetwork.com/rest/v2\n"


def loaded(folder: Path, text: str) -> Config:
    (folder / "conf").mkdir(exist_ok=True)
    (folder / "conf/client.conf").write_text(text, encoding="utf-8")
    return load(folder / "conf/client.conf")


def test_two_parameters_are_complete(tmp_path: Path) -> None:
    config = loaded(tmp_path, COMPLETE)
    assert config == Config(
        path=tmp_path / "conf/client.conf",
        uuid=UUID,
        base_url="https://www.kegnetwork.com/rest/v2",
        private_key=tmp_path / "conf/privkey.pem",
        ca_bundle=None,
        spool=tmp_path / "spool",
        ping_interval_s=600,
        sensor=None,
        w1_devices=Path("/sys/bus/w1/devices"),
    )


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    config = loaded(tmp_path, COMPLETE + "privateKey = ../k.pem\ncaBundle = /ca.pem\nspool = s\nw1Devices = ../w1\n")
    assert (config.private_key, config.ca_bundle) == (tmp_path / "k.pem", Path("/ca.pem"))
    assert (config.spool, config.w1_devices) == (tmp_path / "conf/s", tmp_path / "w1")


def test_a_percent_sign_is_a_percent_sign(tmp_path: Path) -> None:
    text = COMPLETE.replace("/rest", "/%7Ekeg/%(uuid)s/rest")
    assert loaded(tmp_path, text).base_url == "https://www.kegnetwork.com/%7Ekeg/%(uuid)s/rest/v2"


@pytest.mark.parametrize("end", ["/", "//", ""])
def test_a_slash_at_the_end_of_the_address_makes_no_double_slash(tmp_path: Path, end: str) -> None:
    assert loaded(tmp_path, COMPLETE.replace("/rest/v2", "/rest/v2" + end)).base_url.endswith("/rest/v2")


def test_capitals_of_parameters_and_a_byte_order_mark_do_not_matter(tmp_path: Path) -> None:
    text = "\ufeff" + COMPLETE.replace("serviceBaseURL", "servicebaseurl").replace("uuid", "UUID")
    assert loaded(tmp_path, text).warnings == ()


def test_the_shipped_template_names_every_parameter_and_wants_but_the_two_that_are_required(tmp_path: Path) -> None:
    template = (REPOSITORY / "conf/client.conf").read_text()
    with pytest.raises(ConfigError, match=r"uuid = \(empty\)"):
        loaded(tmp_path, template)
    with pytest.raises(ConfigError, match=r"serviceBaseURL = \(empty\)"):
        loaded(tmp_path, template.replace("uuid =", f"uuid = {UUID}"))
    filled = template.replace("uuid =", f"uuid = {UUID}").replace("serviceBaseURL =", "serviceBaseURL = https://www.kegnetwork.com/rest/v2")
    everything = filled.replace("\n#", "\n").replace("\n ", "\n# ")
    lines = [line for line in everything.splitlines() if " = " in line or line.startswith("[")]
    config = loaded(tmp_path, "\n".join(lines))
    assert config.warnings == ()
    assert config == loaded(tmp_path, COMPLETE + "caBundle = /etc/ssl/certs/ca-certificates.crt\nsensor = 28-0000054c9f11\n")


def test_an_address_without_a_version_is_taken_with_a_warning(tmp_path: Path) -> None:
    (warning,) = loaded(tmp_path, COMPLETE.replace("/rest/v2", "")).warnings
    assert "serviceBaseURL = https://www.kegnetwork.com: does not end in the API's version" in warning


def test_an_unknown_parameter_is_named(tmp_path: Path) -> None:
    (warning,) = loaded(tmp_path, COMPLETE + "PingIntervall = 5\n").warnings
    assert "PingIntervall" in warning


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=200) | st.text("[KegNt]=uidserviBaURL:/\n %#;0123456789-", max_size=200).map(lambda text: COMPLETE + text))
def test_any_text_is_a_configuration_or_a_config_error_that_names_the_file(tmp_path: Path, text: str) -> None:
    try:
        config = loaded(tmp_path, text)
    except ConfigError as error:
        assert str(tmp_path / "conf/client.conf") in str(error)
    else:
        assert config.base_url.startswith("http")
