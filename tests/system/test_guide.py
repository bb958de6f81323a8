"""The commands of the README, run on a fresh machine as a new owner runs them; the manual pages and the completion."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support.keg import PYTHON, REPOSITORY
from support.wait import wait_for
from system.kegerator import SPOOL, Site

README = (REPOSITORY / "README.md").read_text()
MAN = REPOSITORY / "service/man"


def command(fragment: str) -> str:
    """The first command of the README with `fragment` in it, without the comment after it."""
    lines = [re.sub(r"\s+#.*", "", line) for line in re.findall("^    (.*)$", README, re.MULTILINE)]
    return next(line for line in lines if fragment in line)


def program(language: str) -> str:
    """The program in that language that writes a pour."""
    programs = re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
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
    set_up = command("kegnet-client --setup --server")
    fresh.register(paste(re.sub(r"https://\S+", fresh.kegnet.base_url, set_up)))
    output = paste(command("kegnet-client --check"))
    assert "\nfailure" not in output
    assert re.search(r"^ok       ping: .*4\.187 °C", output, re.MULTILINE)
    paste(command("systemctl start kegnet-client"))
    paste(command("systemctl status"))
    wait_for(lambda: "last ping accepted" in machine.property("StatusText"))
    for fragment in ("spool/x.tmp", "spool/x.pour"):
        paste(command(fragment))
    (pour,) = fresh.wait_for_messages("pour")
    assert (pour["pin"], pour["pulses"], pour["et"]) == (0, 586, 8213)
    wait_for(lambda: not fresh.waiting())
    machine.wait_for_log("pour accepted: ")
    assert "pour accepted: " in paste(command("tail -n"))
    (machine.share / "meter.py").write_text(program("python"))
    (machine.share / "meter.sh").write_text(program("sh"))
    paste("python3 /share/meter.py && sh /share/meter.sh")
    fresh.wait_for_messages("pour", 3)
    wait_for(lambda: machine.sh(f"ls {SPOOL}") == "")


@pytest.mark.parametrize("page", ["kegnet-client.8", "client.conf.5"])
def test_the_manual_pages_have_no_formatting_error_and_the_right_version(page: str) -> None:
    done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z", MAN / page], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    head = (MAN / page).read_text().splitlines()[0]
    version = subprocess.run([PYTHON, "-B", REPOSITORY / "lib/client.py", "--version"], capture_output=True, text=True, check=True).stdout
    assert f'"{version.strip()}"' in head


def test_the_manual_and_the_completion_have_every_option_and_every_parameter() -> None:
    output = subprocess.run([PYTHON, "-B", REPOSITORY / "lib/client.py", "--help"], capture_output=True, text=True, check=True).stdout
    options = set(re.findall("--[a-z]+", output))
    assert {"--setup", "--check", "--requeue", "--config", "--server", "--json", "--version", "--help"} <= options
    manual = (MAN / "kegnet-client.8").read_text().replace("\\-", "-")
    completion = (REPOSITORY / "service/completion/kegnet-client").read_text()
    assert [option for option in options if option not in manual] == []
    assert [option for option in options if option not in completion] == []
    parameters = re.findall(r"^#?(\w+) =", (REPOSITORY / "conf/client.conf").read_text(), re.MULTILINE)
    manual = (MAN / "client.conf.5").read_text()
    assert [name for name in parameters if f".B {name}\n" not in manual] == []
    assert len(parameters) == 8


def completed(line: str) -> list[str]:
    """The words that bash offers at the end of `line`."""
    script = (
        f"source {REPOSITORY}/service/completion/kegnet-client; COMP_WORDS=({line} ''); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); "
        '_kegnet_client kegnet-client "" "${COMP_WORDS[COMP_CWORD - 1]}"; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout.split()


def test_the_completion_offers_the_options_of_each_mode() -> None:
    assert "--check" in completed("kegnet-client")
    assert completed("kegnet-client --check") == ["--config", "--json"]
    assert completed("kegnet-client --setup") == ["--config", "--server"]
