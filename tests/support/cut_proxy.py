"""A TCP proxy that can cut one side of its connections only, as a router does that forgets them."""

from __future__ import annotations

import selectors
import socket
import threading
from types import TracebackType

from .ports import free_port


class CutProxy:
    """Listens at `port` and forwards to `target`. After `cut()` the near side is closed, and the far side stays open until `close_far()`."""

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._far: list[socket.socket] = []
        self._lock = threading.Lock()
        self._ended = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while not self._ended:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._target))
            with self._lock:
                self._pairs.append((near, far))
            threading.Thread(target=self._forward, args=(near, far), daemon=True).start()

    def _forward(self, near: socket.socket, far: socket.socket) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(near, selectors.EVENT_READ, far)
            selector.register(far, selectors.EVENT_READ, near)
            while True:
                for key, _ in selector.select():
                    source: socket.socket = key.fileobj  # type: ignore[assignment]
                    try:
                        data = source.recv(65536)
                        with self._lock:
                            if (near, far) not in self._pairs or not data:
                                return
                        key.data.sendall(data)
                    except OSError:
                        return

    def cut(self) -> None:
        """Ends the connections for those who connected; the target does not notice."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
            for near, far in pairs:
                near.shutdown(socket.SHUT_RDWR)
                self._far.append(far)

    def close_far(self) -> None:
        """The target notices at last."""
        with self._lock:
            far, self._far = self._far, []
        for each in far:
            each.close()

    def __enter__(self) -> CutProxy:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended = True
        self._listener.close()
        self.cut()
        self.close_far()
