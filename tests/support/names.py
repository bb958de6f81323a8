"""A real name server, which answers, or fails to, as a test says."""

from __future__ import annotations

import random
import socket
import threading
from typing import Union

import dnslib

NAME = "kegnet.test"
Reply = Union[str, int, None]
"""An IPv4 address, a failure's number (`dnslib.RCODE`), or None for silence."""


class NameServer:
    """Listens on the DNS port of a loopback address of its own. `reply` is what it says of `NAME`; others do not exist."""

    def __init__(self) -> None:
        self.reply: Reply = "127.0.0.1"
        self.queries = 0
        self.address = f"127.{random.randint(1, 250)}.{random.randint(1, 250)}.53"
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((self.address, 53))
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops listening."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"", (self.address, 53))
        self._thread.join()
        self._socket.close()

    def _listen(self) -> None:
        while True:
            packet, client = self._socket.recvfrom(4096)
            if not packet:
                return
            self.queries += 1
            question = dnslib.DNSRecord.parse(packet)
            if self.reply is not None:
                self._socket.sendto(self._answer(question, self.reply).pack(), client)

    @staticmethod
    def _answer(question: dnslib.DNSRecord, reply: str | int) -> dnslib.DNSRecord:
        answer = question.reply()
        if isinstance(reply, int):
            answer.header.rcode = reply
        elif str(question.q.qname).rstrip(".") != NAME:
            answer.header.rcode = dnslib.RCODE.NXDOMAIN
        elif question.q.qtype == dnslib.QTYPE.A:
            answer.add_answer(dnslib.RR(NAME, dnslib.QTYPE.A, rdata=dnslib.A(reply), ttl=0))
        return answer
