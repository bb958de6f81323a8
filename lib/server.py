#!/usr/bin/python3
"""kegnet-server: the KegNet server of a household or a bar. This file starts the command line."""

from __future__ import annotations

import signal
import sys

_PACKAGES = {"paho": "python3-paho-mqtt", "prometheus_client": "python3-prometheus-client", "apprise": "apprise"}


def main() -> int:
    """Runs the command line. Returns the exit status."""
    try:
        from kegnet.server.commands.main import main as run

        return run()
    except KeyboardInterrupt:
        # While the modules are imported, which takes seconds on a slow computer.
        print("kegnet-server: interrupted", file=sys.stderr)
        return 128 + signal.SIGINT
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if module in ("", "kegnet"):
            raise
        package = _PACKAGES.get(module, f"python3-{module}")
        print(f"kegnet-server: the Python module {module} is missing; fix: sudo apt install {package}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
