"""The commands of the README, run on a fresh machine as a new owner runs them; the manual pages and the completion."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support.daemon import PYTHON
from support.keg import REPOSITORY
from support.wait import wait_for
from system.kegerator import SPOOL, Site

README = (REPOSITORY / "README.md").read_text()
MAN = REPOSITORY / "service/man"


def command(fragment: str) -> str:
    """The first command of the README with `fragment` in it, without the comment after it."""
    lines = [re.sub(r"\s+#.*", "", line) for line in re.findall("^    (.*)$", README, re.MULTILINE)]
    return next(line for line in lines if fragment in line)


def program() -> str:
    """The program that writes a pour."""
    programs = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return str(next(text for text in programs if ".pour" in text))


def test_from_the_package_to_a_pour_that_arrives_by_the_readmes_commands(fresh: Site, package: Path) -> None:
    machine = fresh.machine
    (machine.share / "sudo").write_text('#!/bin/sh\nexec "$@"\n')
    machine.sh("install -m 755 /share/sudo /usr/local/bin/sudo && echo 'APT::Get::Assume-Yes \"true\";' > /etc/apt/apt.conf.d/yes")
    shutil.copy(package, machine.share)
    machine.sh("apt-get -q update")

    def paste(line: str) -> str:
        output = machine.sh(f"cd /share && {line}")
        print(f"$ {line}\n{output}")
        return output

    paste(command("apt install ./"))
    # The reboot that enables 1-Wire starts the service with the template.
    machine.sh("systemctl start kegnet-client || true")
    wait_for(lambda: machine.property("ActiveState") == "failed")
    set_up = command("kegnet-client --setup --server")
    fresh.register(paste(re.sub(r"http://\S+ --code \S+", fresh.kegnet.base_url, set_up)))
    output = paste(command("kegnet-client --check"))
    assert "\nfailure" not in output
    assert re.search(r"^ok       ping: .*4\.187 °C", output, re.MULTILINE)
    assert re.search(r"^warning  service: it has not been started .*systemctl restart kegnet-client", output, re.MULTILINE)
    paste(command("systemctl start kegnet-client"))
    paste(command("systemctl status"))
    wait_for(lambda: "last ping accepted" in machine.property("StatusText"))
    for fragment in ("spool/x.tmp", "spool/x.pour"):
        paste(command(fragment))
    (pour,) = fresh.wait_for_messages("pour")
    assert (pour["pin"], pour["pulses"], pour["et"]) == (17, 586, 8213)
    wait_for(lambda: not fresh.waiting())
    machine.wait_for_log("pour accepted: ")
    assert "pour accepted: " in paste(command("tail -n"))
    (machine.share / "meter.py").write_text(program())
    paste("python3 /share/meter.py")
    fresh.wait_for_messages("pour", 2)
    wait_for(lambda: machine.sh(f"ls {SPOOL}") == "")


@pytest.mark.parametrize("page", ["kegnet-client.8", "client.conf.5", "kegnet-meter.8", "meter.conf.5"])
def test_the_manual_pages_have_no_formatting_error_and_the_right_version(page: str) -> None:
    done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z", MAN / page], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    head = (MAN / page).read_text().splitlines()[0]
    version = subprocess.run([PYTHON, "-B", REPOSITORY / "lib/client.py", "--version"], capture_output=True, text=True, check=True).stdout
    assert f'"{version.strip()}"' in head


@pytest.mark.parametrize(
    ("name", "expected", "parameters"),
    [
        ("client", {"--setup", "--check", "--requeue", "--config", "--server", "--json", "--version", "--help"}, 8),
        (
            "meter",
            {"--setup", "--watch", "--calibrate", "--check", "--config", "--pin", "--spool", "--report-as", "--pulses-per-litre"},
            10,
        ),
    ],
)
def test_the_manual_and_the_completion_have_every_option_and_every_parameter(name: str, expected: set[str], parameters: int) -> None:
    output = subprocess.run([PYTHON, "-B", REPOSITORY / f"lib/{name}.py", "--help"], capture_output=True, text=True, check=True).stdout
    options = set(re.findall("--[a-z]+(?:-[a-z]+)*", output))
    assert expected <= options
    manual = (MAN / f"kegnet-{name}.8").read_text().replace("\\-", "-")
    completion = (REPOSITORY / f"service/completion/kegnet-{name}").read_text()
    assert [option for option in options if option not in manual] == []
    assert [option for option in options - {"--now"} if option not in completion] == []
    found = re.findall(r"^#?(\w+) =", (REPOSITORY / f"conf/{name}.conf").read_text(), re.MULTILINE)
    manual = (MAN / f"{name}.conf.5").read_text()
    assert [parameter for parameter in found if f".B {parameter}\n" not in manual] == []
    assert len(found) == parameters


def completed(line: str) -> list[str]:
    """The words that bash offers at the end of `line`."""
    name = line.split()[0]
    script = (
        f"source {REPOSITORY}/service/completion/{name}; COMP_WORDS=({line} ''); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); "
        f'_{name.replace("-", "_")} {name} "" "${{COMP_WORDS[COMP_CWORD - 1]}}"; printf "%s\\n" "${{COMPREPLY[@]}}"'
    )
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout.split()


def test_the_completion_offers_the_options_of_each_mode() -> None:
    assert "--check" in completed("kegnet-client")
    assert completed("kegnet-client --check") == ["--config", "--json"]
    assert completed("kegnet-client --setup") == ["--config", "--server", "--code"]
    assert "--watch" in completed("kegnet-meter")
    assert completed("kegnet-meter --check") == ["--config", "--json"]
    assert completed("kegnet-meter --calibrate 17") == ["--config"]
