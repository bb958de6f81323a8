"""client.conf: what it may contain, and how mistakes in it are reported."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kegnet.client.config import Config, load
from kegnet.core.ini import ConfigError

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
        has_sensor=True,
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
    assert config == loaded(tmp_path, COMPLETE + "caBundle = ca.pem\nsensor = 28-0000054c9f11\n")


def test_an_address_without_a_version_is_taken_with_a_warning(tmp_path: Path) -> None:
    (warning,) = loaded(tmp_path, COMPLETE.replace("/rest/v2", "")).warnings
    assert "serviceBaseURL = https://www.kegnetwork.com: does not end in a version such as /v2" in warning


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


def test_a_keg_without_a_sensor(tmp_path: Path) -> None:
    config = loaded(tmp_path, COMPLETE + "sensor = None\n")
    assert (config.has_sensor, config.sensor) == (False, None)


@pytest.mark.parametrize(
    ("line", "parameter"),
    [("pingInterval = 600 ; ten minutes", "pingInterval"), ("uuid = x # mine", "uuid"), ("sensor = 28-0000054c9f11 # left", "sensor")],
)
def test_a_comment_after_a_value_is_named_as_one(tmp_path: Path, line: str, parameter: str) -> None:
    others = "".join(text + "\n" for text in COMPLETE.splitlines() if not text.startswith(parameter))
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, others + line + "\n")
    assert f"{line}: this value is not valid" in caught.value.problem
    assert "a comment needs a line of its own" in caught.value.fix


def test_a_path_that_seems_to_contain_a_comment_is_a_warning(tmp_path: Path) -> None:
    (warning,) = loaded(tmp_path, COMPLETE + "spool = /spool ; on the USB disk\n").warnings
    assert "the value of spool seems to contain a comment" in warning


def test_a_key_that_others_can_read_is_a_warning(tmp_path: Path) -> None:
    config = loaded(tmp_path, COMPLETE)
    config.private_key.write_text("")
    config.private_key.chmod(0o640)
    (warning,) = loaded(tmp_path, COMPLETE).warnings
    assert f"chmod 600 {config.private_key}" in warning


@pytest.mark.parametrize(
    "host", ["localhost:8080", "kegnet.local", "192.168.1.7", "10.0.0.1:80", "127.0.0.1", "[fe80::1%25eth0]", "[fd00::1]"]
)
def test_plain_http_to_the_local_network_is_no_warning(tmp_path: Path, host: str) -> None:
    assert loaded(tmp_path, COMPLETE.replace("https://www.kegnetwork.com", f"http://{host}")).warnings == ()


@pytest.mark.parametrize("host", ["www.kegnetwork.com", "8.8.8.8", "[2001:4860::1]", "localhost.example"])
def test_plain_http_to_another_machine_is_a_warning(tmp_path: Path, host: str) -> None:
    (warning,) = loaded(tmp_path, COMPLETE.replace("https://www.kegnetwork.com", f"http://{host}")).warnings
    assert "use https" in warning
