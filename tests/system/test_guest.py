"""The service under Debian's own kernel: its w1_therm driver, its limits, a clock that starts in 1970."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Iterator

import pytest
from support.pki import Certificate
from support.standin import StandIn
from support.wait import wait_for
from system.guest import HOST, ONE_AT_A_TIME, Guest

pytestmark = ONE_AT_A_TIME

HOME = "/usr/share/kegnet-client"
PROBE = "28-0000075bcd15"
CLIENT = str(uuid.uuid4())


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory, kegnet: StandIn, ca: Certificate) -> Iterator[Guest]:
    """The guest, its client configured for the stand-in KegNet, an emulated bus master plugged in; its clock not yet set."""
    machine = Guest(tmp_path_factory.mktemp("guest"), ca.certificate)
    base_url = kegnet.base_url.replace("127.0.0.1", HOST)
    machine.sh(f"sed -i -e 's|^uuid =.*|uuid = {CLIENT}|' -e 's|^serviceBaseURL =.*|serviceBaseURL = {base_url}|' {HOME}/conf/client.conf")
    machine.sh(f"echo pingInterval = 2 >> {HOME}/conf/client.conf")
    public = machine.sh(f"openssl rsa -in {HOME}/conf/privkey.pem -pubout 2>/dev/null")
    kegnet.know(CLIENT, public)
    # Slow to believe in what comes and goes, as it is by default, the driver would make this test take minutes.
    machine.sh("modprobe wire timeout=1 slave_ttl=2 && modprobe -a vhci_hcd w1_therm ds2490")
    sets(machine, t=21.5)
    plug(machine)
    machine.sh("systemctl restart kegnet-client")
    yield machine
    machine.close()


def sets(guest: Guest, **what: object) -> None:
    """What the emulated probe does from now on."""
    guest.sh(f"echo '{json.dumps({PROBE: what})}' > /run/w1.new && mv /run/w1.new /run/w1.json")


def plug(guest: Guest) -> None:
    """Plugs the emulated bus master in, and waits until the kernel shows the probe."""
    guest.sh("systemd-run --quiet --unit=ds2490 --collect /usr/bin/python3 /share/ds2490.py /run/w1.json")
    shown(guest, True)


def shown(guest: Guest, there: bool) -> None:
    """Waits until the kernel shows the probe, or does not any more."""
    path = f"/sys/bus/w1/devices/{PROBE}/w1_slave"
    wait_for(lambda: guest.sh(f"test -e {path} && echo there || echo gone", check=False) == ("there\n" if there else "gone\n"), 90, 0.5)


def temperatures(kegnet: StandIn) -> list[object]:
    return [ping["temp"] for ping in kegnet.messages_of("ping", CLIENT)]


def sent(kegnet: StandIn, millicelsius: int) -> None:
    """Waits until a ping with that temperature has arrived."""
    wait_for(lambda: millicelsius in temperatures(kegnet), 60)


def test_a_cold_boot_in_1970_sends_nothing_until_the_time_is_set(guest: Guest, kegnet: StandIn) -> None:
    print(guest.wait_for_log("the clock stands at 1970-01-01"))
    assert guest.property("ActiveState") == "active"
    assert guest.property("StatusText").startswith("the clock is not set")
    said = guest.sh("/usr/local/sbin/kegnet-client --check || true")
    (line,) = [line for line in said.splitlines() if line.startswith("failure  clock: ")]
    assert re.search("it stands at 1970-01-01 .*nothing is sent before it is set; mend: .*timedatectl set-ntp true", line), line
    print(line)
    assert temperatures(kegnet) == []
    guest.sh(f"date --set=@{time.time():.0f}")
    sent(kegnet, 21_500)
    assert abs(int(str(kegnet.messages_of("ping", CLIENT)[0]["ts"])) / 1000 - time.time()) < 60


@pytest.mark.parametrize("degrees", [-3.25, 0.0, 4.1875])
def test_what_the_kernels_driver_reads_arrives(guest: Guest, kegnet: StandIn, degrees: float) -> None:
    sets(guest, t=degrees)
    sent(kegnet, int(degrees * 1000))
    print(guest.sh(f"cat /sys/bus/w1/devices/{PROBE}/w1_slave"))


@pytest.mark.parametrize(("mode", "said"), [("zero", "shorted to ground"), ("por", "lost power"), ("crc", "gave an empty answer")])
def test_a_fault_on_the_bus_sends_nothing_and_is_said(guest: Guest, kegnet: StandIn, mode: str, said: str) -> None:
    before = guest.log().count(said)
    degrees = 5.0 + len(mode) / 16
    # The temperature is one for both: a conversion under the fault may be read after it, and is none the worse.
    sets(guest, t=degrees, mode=mode)
    wait_for(lambda: guest.log().count(said) == before + 1, 60, every_s=0.5)
    print(guest.wait_for_log(said))
    number = len(temperatures(kegnet))
    wait_for(lambda: said in guest.property("StatusText"), 30)
    guest.sh("sleep 5")
    assert temperatures(kegnet)[number:] == []
    assert guest.log().count(said) == before + 1
    sets(guest, t=degrees)
    wait_for(lambda: len(temperatures(kegnet)) > number, 60)
    assert set(temperatures(kegnet)[number:]) == {int(degrees * 1000)}


@pytest.mark.parametrize("degrees", [6.5, 6.75, 7.0])
def test_a_probe_unplugged_and_plugged_again(guest: Guest, kegnet: StandIn, degrees: float) -> None:
    sets(guest, mode="absent")
    # The kernel waits for its readers here: a client that read on and on would keep the dead probe there for ever.
    shown(guest, False)
    print(guest.wait_for_log("no thermometer on the 1-Wire bus"))
    sets(guest, t=degrees)
    shown(guest, True)
    sent(kegnet, int(degrees * 1000))


def test_the_bus_master_gone_and_back(guest: Guest, kegnet: StandIn) -> None:
    before = guest.log().count("no temperature, so no ping")
    guest.sh("systemctl stop ds2490")
    shown(guest, False)
    wait_for(lambda: guest.log().count("no temperature, so no ping") > before, 60)
    print(guest.log().splitlines()[-1])
    sets(guest, t=8.5)
    plug(guest)
    sent(kegnet, 8500)


def hog(guest: Guest, program: str) -> str:
    """Runs a Python program with the service's limits; how it ended, and what it said."""
    guest.sh(f"echo '{program}' > {HOME}/hog.py")
    keep = "-e 's|^ExecStart=.*|ExecStart=/usr/bin/python3 %s/hog.py|' -e s/^Type=.*/Type=oneshot/ -e /^Restart=/d" % HOME  # noqa: UP031
    guest.sh(f"sed {keep} {HOME}/service/kegnet-client.service > /etc/systemd/system/hog.service && systemctl daemon-reload")
    guest.sh("systemctl start hog", check=False)
    said = guest.sh("systemctl show --property Result hog; journalctl --unit hog --no-pager --output=cat")
    guest.sh(f"rm {HOME}/hog.py /etc/systemd/system/hog.service; systemctl daemon-reload")
    return said


def test_more_memory_than_its_limit_ends_it(guest: Guest) -> None:
    assert "Result=oom-kill" in hog(guest, "x = bytearray(200 * 2**20)")


def test_more_tasks_than_its_limit_it_does_not_get(guest: Guest) -> None:
    program = (
        "import os, time\nfor n in range(20):\n    try:\n        os.fork() or time.sleep(5) or os._exit(0)\n    except OSError as e:\n"
    )
    said = hog(guest, program + '        print("refused after", n, e.strerror)\n        break\n')
    assert "refused after 7 Resource temporarily unavailable" in said, said
