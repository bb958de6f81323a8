"""A bare ASGI endpoint on uvicorn: reads the body, parses the form, answers. What any server in Python must spend on a message.

usage: bare.py PORT
"""

from __future__ import annotations

import sys
from urllib.parse import parse_qsl

import uvicorn
from starlette.types import Receive, Scope, Send

HEAD = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"9")]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers every request with 200."""
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    dict(parse_qsl(body.decode()))
    await send({"type": "http.response.start", "status": 200, "headers": HEAD})
    await send({"type": "http.response.body", "body": b"accepted\n"})


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), http="h11", access_log=False, log_level="warning")
