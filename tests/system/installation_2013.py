"""An installation of 2013 as its repository had it: the client, and pourd, the flow-meter daemon, in one directory tree."""

from __future__ import annotations

import uuid

from support.pki import openssl
from system.kegerator import SPOOL, Site

HOME = "/usr/share/kegnet-client"
UNIT = "/etc/systemd/system/kegnet-client.service"
CLIENT_UNIT = f"""\
[Unit]
Description=KegNet Client
After=network.target

[Service]
Type=simple
ExecStart={HOME}/bin/client.sh
Restart=always
RestartSec=5s
KillSignal=SIGINT

[Install]
WantedBy=multi-user.target
"""
POURD_UNIT = f"""\
[Unit]
Description=KegNet Pour Daemon for Pin %i
ConditionPathExists={HOME}/conf/pourd%i.conf
After=network.target

[Service]
Type=simple
ExecStart={HOME}/bin/pourd.sh %i
Restart=always
RestartSec=5s

[Install]
WantedBy=multi-user.target
"""
CONF = """\
[KegNet]
uuid={client}
serviceBaseURL={base_url}
"""
POURD_CONF = """\
[pourd]
pour_delay_ms=1200
min_pour_pulses=160
"""
POURD = f"""\
#!/bin/sh
# In the place of the program in C: makes a pour of pin $1 every second, with a count in the place of the milliseconds.
count=0
while sleep 1; do
    count=$((count + 1)) now=$(date +%s)
    printf '%s' "$1,200,$count,$now" > {SPOOL}/$1$now.tmp
    mv {SPOOL}/$1$now.tmp {SPOOL}/$1$now.pour
done
"""
COUNTING_POURD = f"""\
#!/usr/bin/python3
# In the place of the program in C: a thread counts bytes in a pipe, where wiringPi's thread counts edges; a pour ends as in pourd.
import configparser, os, sys, threading, time

pin = sys.argv[1]
conf = configparser.ConfigParser()
conf.read(f"{HOME}/conf/pourd{{pin}}.conf")
delay_ms, minimum = (conf.getint("pourd", name) for name in ("pour_delay_ms", "min_pour_pulses"))
line = os.open(f"/run/line-{{pin}}", os.O_RDWR)
count = 0

def interrupt():
    global count
    while os.read(line, 1):
        count += 1

threading.Thread(target=interrupt, daemon=True).start()
while True:
    while count == 0:
        time.sleep(0.2)
    start, pulses, quiet = time.time_ns() // 10**6, count, 0
    while count > pulses or quiet * 50 < delay_ms:
        quiet = 0 if count > pulses else quiet + 1
        pulses = count
        time.sleep(0.05)
    count = 0
    if pulses >= minimum:
        name = f"{SPOOL}/{{pin}}{{start}}"
        with open(f"{{name}}.tmp", "w") as file:
            file.write(f"{{pin}},{{pulses}},{{time.time_ns() // 10**6 - start}},{{start}}")
        os.rename(f"{{name}}.tmp", f"{{name}}.pour")
"""
PINS = (0, 3)
POURDS_FILES = ("lib/pourd", "bin/pourd.sh", "service/pourd@.service", *(f"conf/pourd{pin}.conf" for pin in PINS))


def lay_out(site: Site) -> None:
    """A running client, with a pour in the queue and one with .fail, both readable by root only."""
    machine, share = site.machine, site.machine.share
    site.client_id = str(uuid.uuid4())
    openssl("genrsa", "-traditional", "-out", share / "privkey.pem", "2048")
    site.kegnet.add_client(site.client_id, openssl("rsa", "-in", share / "privkey.pem", "-pubout").decode())
    assert "BEGIN RSA PRIVATE KEY" in (share / "privkey.pem").read_text()
    (share / "client.conf").write_text(CONF.format(client=site.client_id, base_url=site.kegnet.base_url.replace("/v2", "/v1")))
    (share / "kegnet-client.service").write_text(CLIENT_UNIT)
    (share / "client.sh").write_text("#!/bin/sh\nexec sleep infinity\n")
    machine.sh(f"mkdir -p {HOME}/bin {HOME}/lib {HOME}/conf {HOME}/service {SPOOL}")
    machine.sh(f"install -m 755 /share/client.sh {HOME}/bin/ && echo 'import old' > {HOME}/lib/client.py")
    machine.sh(f"install -m 644 /share/privkey.pem /share/client.conf /share/ca.crt {HOME}/conf/")
    machine.sh(f"install -m 644 /share/kegnet-client.service {HOME}/service/ && cp /share/kegnet-client.service {UNIT}")
    machine.sh(f"umask 077; echo 0,1,8,1372686435 > {SPOOL}/01372686435.pour; echo 0,2,8,1372686436 > {SPOOL}/01372686436.pour.fail")
    machine.sh("systemctl daemon-reload && systemctl -q enable --now kegnet-client")
    # It trusts only its own ca.crt; the system does not trust this authority.
    machine.sh(
        "rm /usr/local/share/ca-certificates/test.crt; if command -v update-ca-certificates; then update-ca-certificates --fresh; fi"
    )
    assert machine.property("ActiveState") == "active"


def lay_out_pourd(site: Site, program: str = POURD) -> None:
    """Running instances of pourd for two pins."""
    machine, share = site.machine, site.machine.share
    (share / "pourd").write_text(program)
    (share / "pourd.sh").write_text(f"#!/bin/bash\nexec {HOME}/lib/pourd $1\n")
    (share / "pourd@.service").write_text(POURD_UNIT)
    (share / "pourd.conf").write_text(POURD_CONF)
    machine.sh(f"mkdir -p {HOME}/bin")
    machine.sh(f"install -m 755 /share/pourd {HOME}/lib/ && install -m 755 /share/pourd.sh {HOME}/bin/")
    machine.sh(f"install -m 644 '/share/pourd@.service' {HOME}/service/ && systemctl -q link '{HOME}/service/pourd@.service'")
    for pin in PINS:
        machine.sh(f"mkfifo -m 600 /run/line-{pin}")
        machine.sh(f"install -m 644 /share/pourd.conf {HOME}/conf/pourd{pin}.conf && systemctl -q enable --now pourd@{pin}")
