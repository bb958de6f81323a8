"""The applications behind: the web pages and the metrics, where this installation has them."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from .context import Context
from .ingest.rest import send_text


def create_web(context: Context) -> Any:
    """The web application."""
    return _made("web.app", "create_web", context)


def create_metrics(context: Context) -> Any:
    """The metrics."""
    return _made("integrations.prometheus", "create_metrics", context)


def create_kegboard(context: Context) -> Any:
    """The receiver of the Kegboard Event Protocol."""
    return _made("ingest.kegboard", "create_kegboard", context)


def _made(module: str, name: str, context: Context) -> Any:
    try:
        make: Callable[[Context], Any] = getattr(import_module(f"kegnet.server.{module}"), name)
    except ModuleNotFoundError:
        return _nothing
    return make(context)


async def _nothing(_scope: Any, _receive: Any, send: Any) -> None:
    await send_text(send, 404, "not found")
