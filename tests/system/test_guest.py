"""The service under Debian's own kernel: its w1_therm driver, its limits, a clock that starts in 1970."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Iterator

import pytest
from support.kegnet_server import KegnetServer
from support.pki import Certificate
from support.wait import wait_for
from system.guest import HOST, ONE_AT_A_TIME, Guest

pytestmark = ONE_AT_A_TIME

HOME = "/usr/share/kegnet-client"
PROBE = "28-0000075bcd15"
CLIENT = str(uuid.uuid4())


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory, kegnet: KegnetServer, ca: Certificate) -> Iterator[Guest]:
    """The guest, its client configured for the test server, with an emulated bus master; its clock is not set."""
    machine = Guest(tmp_path_factory.mktemp("guest"), ca.certificate)
    base_url = kegnet.base_url.replace("127.0.0.1", HOST)
    machine.sh(f"sed -i -e 's|^uuid =.*|uuid = {CLIENT}|' -e 's|^serviceBaseURL =.*|serviceBaseURL = {base_url}|' {HOME}/conf/client.conf")
    machine.sh(f"echo pingInterval = 2 >> {HOME}/conf/client.conf")
    public = machine.sh(f"openssl rsa -in {HOME}/conf/privkey.pem -pubout 2>/dev/null")
    kegnet.add_client(CLIENT, public)
    # By default the driver notices a probe that appears or disappears only after minutes.
    machine.sh("modprobe wire timeout=1 slave_ttl=2 && modprobe -a vhci_hcd w1_therm ds2490")
    set_probe(machine, t=21.5)
    plug(machine)
    machine.sh("systemctl restart kegnet-client")
    yield machine
    machine.close()


def set_probe(guest: Guest, **what: object) -> None:
    """Sets what the emulated probe does."""
    guest.sh(f"echo '{json.dumps({PROBE: what})}' > /run/w1.new && mv /run/w1.new /run/w1.json")


def plug(guest: Guest) -> None:
    """Connects the emulated bus master, and waits until the kernel shows the probe."""
    guest.sh("systemd-run --quiet --unit=ds2490 --collect /usr/bin/python3 /share/ds2490.py /run/w1.json")
    wait_for_probe(guest, True)


def wait_for_probe(guest: Guest, there: bool) -> None:
    """Waits until the kernel shows the probe, or no longer shows it."""
    path = f"/sys/bus/w1/devices/{PROBE}/w1_slave"
    wait_for(lambda: guest.sh(f"test -e {path} && echo there || echo gone", check=False) == ("there\n" if there else "gone\n"), 90, 0.5)


def temperatures(kegnet: KegnetServer) -> list[object]:
    return [ping["temp"] for ping in kegnet.messages_of("ping", CLIENT)]


def sent(kegnet: KegnetServer, millicelsius: int) -> None:
    """Waits until a ping with that temperature has arrived."""
    wait_for(lambda: millicelsius in temperatures(kegnet), 60)


def test_a_cold_boot_in_1970_sends_nothing_until_the_time_is_set(guest: Guest, kegnet: KegnetServer) -> None:
    print(guest.wait_for_log("1970-01-01"))
    assert guest.property("ActiveState") == "active"
    wait_for(lambda: guest.property("StatusText").startswith("the clock is not set"), 60)
    output = guest.sh("/usr/local/sbin/kegnet-client --check || true")
    (line,) = [line for line in output.splitlines() if line.startswith("failure  clock: ")]
    assert re.search("1970-01-01.*timedatectl set-ntp true", line), line
    print(line)
    assert temperatures(kegnet) == []
    guest.sh(f"date --set=@{time.time():.0f}")
    sent(kegnet, 21_500)
    assert abs(int(str(kegnet.messages_of("ping", CLIENT)[0]["ts"])) / 1000 - time.time()) < 60


@pytest.mark.parametrize("degrees", [-3.25, 0.0, 4.1875])
def test_a_temperature_read_by_the_kernels_driver_arrives(guest: Guest, kegnet: KegnetServer, degrees: float) -> None:
    set_probe(guest, t=degrees)
    sent(kegnet, int(degrees * 1000))
    print(guest.sh(f"cat /sys/bus/w1/devices/{PROBE}/w1_slave"))


@pytest.mark.parametrize(("mode", "logged"), [("zero", "shorted to ground"), ("por", "lost power"), ("crc", "gave an empty answer")])
def test_a_fault_on_the_bus_sends_nothing_and_is_logged(guest: Guest, kegnet: KegnetServer, mode: str, logged: str) -> None:
    before = guest.log().count(logged)
    degrees = 5.0 + len(mode) / 16
    # One temperature for both: a conversion during the fault can be read after it, and is correct.
    set_probe(guest, t=degrees, mode=mode)
    wait_for(lambda: guest.log().count(logged) == before + 1, 60, every_s=0.5)
    print(guest.wait_for_log(logged))
    number = len(temperatures(kegnet))
    wait_for(lambda: logged in guest.property("StatusText"), 30)
    guest.sh("sleep 5")
    assert temperatures(kegnet)[number:] == []
    assert guest.log().count(logged) == before + 1
    set_probe(guest, t=degrees)
    wait_for(lambda: len(temperatures(kegnet)) > number, 60)
    assert set(temperatures(kegnet)[number:]) == {int(degrees * 1000)}


@pytest.mark.parametrize("degrees", [6.5, 6.75, 7.0])
def test_a_probe_unplugged_and_plugged_again(guest: Guest, kegnet: KegnetServer, degrees: float) -> None:
    set_probe(guest, mode="absent")
    # The kernel waits for readers here: a client that reads without a pause keeps an unplugged probe in the list.
    wait_for_probe(guest, False)
    print(guest.wait_for_log("no thermometer on the 1-Wire bus"))
    set_probe(guest, t=degrees)
    wait_for_probe(guest, True)
    sent(kegnet, int(degrees * 1000))


def test_the_bus_master_is_removed_and_connected_again(guest: Guest, kegnet: KegnetServer) -> None:
    # It logs ten lines an hour about its thermometer: the tests before have used some.
    guest.sh("systemctl restart kegnet-client")
    before = guest.log().count("no temperature, so no ping")
    guest.sh("systemctl stop ds2490")
    wait_for_probe(guest, False)
    wait_for(lambda: guest.log().count("no temperature, so no ping") > before, 60)
    print(guest.log().splitlines()[-1])
    set_probe(guest, t=8.5)
    plug(guest)
    sent(kegnet, 8500)


def hog(guest: Guest, program: str) -> str:
    """Runs a Python program with the limits of the service; its result and its output."""
    guest.sh(f"echo '{program}' > {HOME}/hog.py")
    keep = "-e 's|^ExecStart=.*|ExecStart=/usr/bin/python3 %s/hog.py|' -e s/^Type=.*/Type=oneshot/ -e /^Restart=/d" % HOME  # noqa: UP031
    guest.sh(f"sed {keep} {HOME}/service/kegnet-client.service > /etc/systemd/system/hog.service && systemctl daemon-reload")
    guest.sh("systemctl start hog", check=False)
    output = guest.sh("systemctl show --property Result hog; journalctl --sync; journalctl --unit hog --no-pager --output=cat")
    guest.sh(f"rm {HOME}/hog.py /etc/systemd/system/hog.service; systemctl daemon-reload")
    return output


def test_a_process_above_the_memory_limit_is_killed(guest: Guest) -> None:
    assert "Result=oom-kill" in hog(guest, "x = bytearray(200 * 2**20)")


def test_tasks_above_the_limit_are_refused(guest: Guest) -> None:
    program = (
        "import os, time\nfor n in range(20):\n    try:\n        os.fork() or time.sleep(5) or os._exit(0)\n    except OSError as e:\n"
    )
    output = hog(guest, program + '        print("refused after", n, e.strerror)\n        break\n')
    assert "refused after 7 Resource temporarily unavailable" in output, output
