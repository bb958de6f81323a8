"""The README as a new owner reads it: its commands, pasted on a fresh machine, one after the other."""

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


def section(title: str) -> str:
    """The text below a heading, up to the next."""
    found = re.search(rf"^##+ {re.escape(title)}\n(.*?)(?=^##+ |\Z)", README, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def commands(title: str) -> list[str]:
    """The commands below a heading: what is set off by four blanks, without what stands behind a #."""
    return [re.sub(r"\s+#.*", "", line.strip()) for line in re.findall("^    (.*)$", section(title), re.MULTILINE)]


def program(title: str, language: str) -> str:
    """The program below a heading."""
    found = re.search(rf"^```{language}\n(.*?)^```$", section(title), re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def test_from_the_package_to_a_pour_that_arrives_as_the_readme_has_it(fresh: Site, package: Path) -> None:
    machine = fresh.machine
    (machine.share / "sudo").write_text('#!/bin/sh\nexec "$@"\n')
    machine.sh("install -m 755 /share/sudo /usr/local/bin/sudo && echo 'APT::Get::Assume-Yes \"true\";' > /etc/apt/apt.conf.d/yes")
    shutil.copy(package, machine.share)
    machine.sh("apt-get -q update")

    def paste(command: str, check: bool = True) -> str:
        said = machine.sh(f"cd /share && {command}", check)
        print(f"$ {command}\n{said}")
        return said

    (install,) = [command for command in commands("Installing") if "apt install" in command]
    paste(install)
    (set_up,) = [command for command in commands("Setting up") if "--server" in command]
    fresh.register(paste(set_up.replace("https://www.kegnetwork.com/rest/v2", fresh.kegnet.base_url)))
    (check,) = commands("Checking")
    said = paste(check)
    assert "\nfailure" not in said
    assert "ok       ping: the server has taken one, with 4.187 °C" in said
    for command in commands("Starting"):
        paste(command)
    wait_for(lambda: "last ping accepted" in machine.property("StatusText"))
    *drop, look = commands("Watching a pour go out")
    for command in drop:
        paste(command)
    (pour,) = fresh.wait_for_messages("pour")
    assert (pour["pin"], pour["pulses"], pour["et"]) == (0, 586, 8213)
    wait_for(lambda: not fresh.waiting())
    machine.wait_for_log("pour accepted: ")
    assert "pour accepted: " in paste(look)
    (machine.share / "meter.py").write_text(program("Handing over a pour", "python"))
    (machine.share / "meter.sh").write_text(program("Handing over a pour", "sh"))
    paste("python3 /share/meter.py && sh /share/meter.sh")
    fresh.wait_for_messages("pour", 3)
    wait_for(lambda: machine.sh(f"ls {SPOOL}") == "")


@pytest.mark.parametrize("page", ["kegnet-client.8", "client.conf.5"])
def test_the_manual_pages_are_without_fault_and_up_to_date(page: str) -> None:
    done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z", MAN / page], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    head = (MAN / page).read_text().splitlines()[0]
    version = subprocess.run([PYTHON, "-B", REPOSITORY / "lib/client.py", "--version"], capture_output=True, text=True, check=True).stdout
    assert f'"{version.strip()}"' in head


def test_manual_and_completion_know_every_option_and_every_parameter() -> None:
    said = subprocess.run([PYTHON, "-B", REPOSITORY / "lib/client.py", "--help"], capture_output=True, text=True, check=True).stdout
    options = set(re.findall("--[a-z]+", said))
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
    """What bash offers at the end of `line`."""
    script = (
        f"source {REPOSITORY}/service/completion/kegnet-client; COMP_WORDS=({line} ''); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); "
        '_kegnet_client kegnet-client "" "${COMP_WORDS[COMP_CWORD - 1]}"; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout.split()


def test_the_completion_offers_what_goes_with_what() -> None:
    assert "--check" in completed("kegnet-client")
    assert completed("kegnet-client --check") == ["--config", "--json"]
    assert completed("kegnet-client --setup") == ["--config", "--server"]
