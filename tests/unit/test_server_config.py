"""The configuration of kegnet-server: its two forms, the command line, and one line for each mistake."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from kegnet.core.ini import ConfigError
from kegnet.server import config
from kegnet.server.options import ServeOptions

OLD = """\
# The configuration of kegnet-server. After a change: systemctl restart kegnet-server
KEGNET_DATABASE=postgresql://kegnet:secret@db/kegnet
KEGNET_SERVER_OPTIONS="--listen 0.0.0.0:8443 --certificate /c/tls.pem --key=/c/tls.key --proxy 10.0.0.5 --mqtt mqtt://u:secret@broker"
"""


def load(folder: Path, text: str, **overrides: str) -> config.Config:
    (folder / "server.conf").write_text(text)
    return config.load(folder / "server.conf", overrides)


def error(folder: Path, text: str, **overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(folder, text, **overrides)
    assert str(caught.value).count("\n") == 0
    return str(caught.value)


def test_every_parameter_is_read(tmp_path: Path) -> None:
    text = """\
[Server]
database = postgresql://kegnet:secret@db/kegnet
listen = [::1]:8443
certificate = tls/server.pem
key = /etc/ssl/server.key
proxy = 10.0.0.5, fd00::5 unix
mqtt = mqtts://u:secret@broker:8884
notify = ntfy://topic
    mailto://u:secret@host
url = https://kegs.example/
names = kegs.example beer
"""
    assert load(tmp_path, text).options == ServeOptions(
        listen="[::1]:8443", certificate=tmp_path / "tls/server.pem", key=Path("/etc/ssl/server.key"),
        proxies=("10.0.0.5", "fd00::5", "unix"), mqtt="mqtts://u:secret@broker:8884", notify=("ntfy://topic", "mailto://u:secret@host"),
        database="postgresql://kegnet:secret@db/kegnet", url="https://kegs.example", names=("kegs.example", "beer"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("ntfy://a,ntfy://b", ("ntfy://a", "ntfy://b")),
        ("ntfy://a, tgram://token/chat1/chat2 ,\n  ntfy://b", ("ntfy://a", "tgram://token/chat1/chat2", "ntfy://b")),
        ("mailto://u:secret@host?to=a@x,b@y ntfy://b", ("mailto://u:secret@host?to=a@x,b@y", "ntfy://b")),
    ],
)
def test_a_comma_before_a_url_divides_receivers_and_another_is_part_of_the_url(tmp_path: Path, text: str, urls: tuple[str, ...]) -> None:
    assert load(tmp_path, f"[Server]\nnotify = {text}\n").options.notify == urls


def test_the_installed_template_is_valid_and_names_every_parameter(tmp_path: Path) -> None:
    template = (Path(__file__).parents[2] / "service/kegnet-server.conf").read_text()
    loaded = load(tmp_path, template)
    assert (loaded.options, loaded.warnings) == (ServeOptions("0.0.0.0:8080", database=config.DEFAULTS["database"]), ())
    uncommented = template.replace("\n# certificate", "\ncertificate").replace("\n# key", "\nkey").replace("\n# proxy", "\nproxy")
    uncommented = uncommented.replace("\n# database", "\ndatabase").replace("\n# mqtt", "\nmqtt").replace("\n# notify", "\nnotify")
    full = load(tmp_path, uncommented.replace("\n# url", "\nurl").replace("\n# names", "\nnames"))
    assert full.warnings == ()
    assert None not in (full.options.certificate, full.options.key, full.options.mqtt, full.options.url)
    assert full.options.proxies
    assert full.options.notify
    assert full.options.names == ("kegs.example", "beer.example")


def test_the_older_form_goes_on_working(tmp_path: Path) -> None:
    loaded = load(tmp_path, OLD)
    assert loaded.warnings == ()
    assert loaded.options == ServeOptions(
        listen="0.0.0.0:8443", certificate=Path("/c/tls.pem"), key=Path("/c/tls.key"), proxies=("10.0.0.5",),
        mqtt="mqtt://u:secret@broker", database="postgresql://kegnet:secret@db/kegnet",
    )  # fmt: skip


def test_the_older_form_is_read_as_systemd_reads_it(tmp_path: Path) -> None:
    text = "; a comment\n\nTZ=Europe/Berlin\nKEGNET_SERVER_OPTIONS='--listen \\\n127.0.0.1:1 --cert a --key b'\n"
    loaded = load(tmp_path, text)
    assert (loaded.options.listen, loaded.options.certificate) == ("127.0.0.1:1", tmp_path / "a")
    assert loaded.options.database == config.DEFAULTS["database"]
    assert loaded.warnings == (f"{tmp_path}/server.conf: the variable TZ is unknown and ignored; is it misspelt?",)


def test_the_command_line_has_precedence(tmp_path: Path) -> None:
    text = "[Server]\nlisten = 127.0.0.1:1\nmqtt = mqtt://broker\n"
    options = load(tmp_path, text, listen="127.0.0.1:2", database="sqlite:////x").options
    assert (options.listen, options.mqtt, options.database) == ("127.0.0.1:2", "mqtt://broker", "sqlite:////x")


def test_another_database_alone_means_that_no_file_is_read(tmp_path: Path) -> None:
    default = tmp_path / "server.conf"
    assert load(tmp_path, "[Server]\nlisten = 127.0.0.1:1\n") == config.load(None, {}, default)
    loaded = config.load(None, {"database": "sqlite:////x"}, default)
    assert (loaded.path, loaded.options) == (None, ServeOptions(config.DEFAULTS["listen"], database="sqlite:////x"))


def test_unknown_parameters_are_named(tmp_path: Path) -> None:
    warnings = load(tmp_path, "[Server]\nlissten = 1\nlisten = 127.0.0.1:1\n[Other]\n").warnings
    assert warnings == (
        f"{tmp_path}/server.conf: the parameter lissten is unknown and ignored; is it misspelt?",
        f"{tmp_path}/server.conf: the section [Other] is unknown and ignored",
    )


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("listen = localhost:port", "listen = localhost:port: this value is not valid; fix: use HOST:PORT"),
        ("listen = 0.0.0.0:65536", "the port is above 65535"),
        ("listen = 0.0.0.0:80 # all", "a comment needs a line of its own"),
        ("listen = ::1:80", "this value is not valid"),
        ("key = tls.key", "there is no certificate; fix: set certificate, too"),
        ("certificate = tls.pem", "there is no key; fix: set key, too"),
        ("proxy = localhost", "proxy = localhost: this value is not valid"),
        ("mqtt = http://broker", "mqtt = http://broker: this value is not valid; fix: use mqtt://"),
        ("mqtt = mqtt://u:secret@broker:99999", "mqtt = mqtt://u:***@broker:99999: the port is not a number from 1 to 65535"),
        ("mqtt = mqtt://broker:0", "the port is not a number from 1 to 65535"),
        ("database = mysql://u:secret@h/x", "database = mysql://u:***@h/x: this value is not valid; fix: use sqlite:"),
        ("database = kegnet.sqlite", "this value is not valid"),
        ("notify = ntfy://secret,46elks://secret", "notify = ntfy://…: this value is not valid"),
        ("database = sqlite:///kegnet.sqlite", "the path of the file is not absolute; fix: use sqlite:////absolute/path/of/file or"),
        ("database = sqlite+pysqlite:///kegnet.sqlite", "the path of the file is not absolute; fix: use sqlite:////absolute"),
        ("notify = ntfy", "this value is not valid; fix: use URLs of Apprise"),
        ("url = kegs.example", "this value is not valid"),
        ("names = http://kegs.example", "a name has no port and no http://; fix: use names by which browsers"),
        ("names = kegs,beer", "this value is not valid"),
    ],
)
def test_a_bad_value_gets_one_line_with_file_parameter_value_and_fix(tmp_path: Path, line: str, problem: str) -> None:
    said = error(tmp_path, f"[Server]\n{line}\n")
    assert said.startswith(f"{tmp_path}/server.conf: {line.split()[0]} = ")
    assert problem in said
    assert "secret" not in said


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("mqtt = mqtt://u:sec/ret@broker:1883", "mqtt = mqtt://u:***@broker:1883: "),
        ("mqtt = mqtt://u:sec@ret@broker/x", "mqtt = mqtt://u:***@broker/x: "),
        ("mqtt = mqtt://sec@ret:sec/ret@broker", "mqtt = mqtt://***@broker: "),
        ("mqtt = mqtt://sec/ret@broker", "mqtt = mqtt://***@broker: "),
        ("mqtt = mqtt:/u:sec/ret@broker", "mqtt = ***@broker: "),
        ("mqtt = mqtt://broker?password=sec@ret", "mqtt = mqtt://broker?password=***: "),
        ("mqtt = mqtt://u:sec-ret", "mqtt = mqtt://u:***: "),
        ("mqtt = mqtt://broker:99999", "mqtt = mqtt://broker:99999: "),
        ("database = postgres://u:sec/ret", "database = postgres://u:***: "),
        ("database = postgres://u:sec/ret@h/x", "database = postgres://u:***@h/x: "),
        ("database = postgres://h/x?user=u&password=sec&ret", "database = postgres://h/x?user=u&password=***: "),
        ("database = postgres://h/x?sslpassword=sec/ret", "database = postgres://h/x?sslpassword=***: "),
        ("database = host=h password = 'sec ret'", "database = host=h password=***: "),
        ("notify = tgram://123:sec/ret ntfy:/topic", "notify = tgram://… …: "),
        ("notify = tgram://123: sec/ret", "notify = tgram://… …: "),
        ("url = kegs://u:sec/ret@kegs.example", "url = kegs://u:***@kegs.example: "),
    ],
)
def test_the_error_of_a_bad_value_shows_no_secret(tmp_path: Path, line: str, shown: str) -> None:
    said = error(tmp_path, f"[Server]\n{line}\n")
    assert said.startswith(f"{tmp_path}/server.conf: {shown}")
    assert "; fix: use " in said
    assert not re.search("sec|ret", said.removeprefix(str(tmp_path)))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("KEGNET_DATABASE=sqlite:////x\nnonsense\n", "is not NAME=VALUE: nonsense"),
        ('KEGNET_SERVER_OPTIONS="--listen 1:1\n', "KEGNET_SERVER_OPTIONS: a quotation mark is missing"),
        ("KEGNET_SERVER_OPTIONS=--port 80\n", "KEGNET_SERVER_OPTIONS: --port is no option"),
        ("KEGNET_SERVER_OPTIONS=--listen 80\n", "KEGNET_SERVER_OPTIONS: --listen = 80: this value is not valid"),
        ("listen = 1\n", "put the line [Server] first"),
        ("", "has no section [Server]"),
    ],
)
def test_a_file_that_cannot_be_read_as_configuration_gets_one_line(tmp_path: Path, text: str, problem: str) -> None:
    assert problem in error(tmp_path, text)


def test_a_relative_path_of_the_database_is_of_the_command_line_only(tmp_path: Path) -> None:
    assert config.load(None, {"database": "sqlite:///kegnet.sqlite"}).options.database == "sqlite:///kegnet.sqlite"
    said = error(tmp_path, "KEGNET_DATABASE=sqlite:///kegnet.sqlite\n")
    assert said.startswith(f"{tmp_path}/server.conf: KEGNET_DATABASE = sqlite:///kegnet.sqlite: the path of the file is not absolute; ")


def test_a_wrong_option_of_the_command_line_is_named(tmp_path: Path) -> None:
    assert error(tmp_path, "[Server]\n", listen="80").startswith("--listen = 80: this value is not valid")


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        config.load(tmp_path / "none.conf", {})
