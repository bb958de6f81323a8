"""Changes one parameter in the text of an INI file, and keeps everything else, comments included."""

from __future__ import annotations

import re
from collections.abc import Mapping


def with_parameter(text: str, section: str, name: str, value: str) -> str:
    """`text` with `name = value` in the section: in the line that has the parameter, or else in the section's first line.

    `section` is spelled as in the file. Without that section, `text` stays as it is.
    """
    head = re.search(rf"^\ufeff?[ \t]*\[{re.escape(section)}\].*(\n|\Z)", text, re.MULTILINE)
    if head is None:
        return text
    following = re.compile(r"^[ \t]*\[", re.MULTILINE).search(text, head.end())
    end = following.start() if following else len(text)
    line = re.compile(rf"^([ \t]*{name}[ \t]*[=:])[^\r\n]*", re.IGNORECASE | re.MULTILINE)
    content, changed = line.subn(lambda match: f"{match[1]} {value}", text[head.end() : end], count=1)
    if not changed:
        newline = "\r\n" if head[0].endswith("\r\n") else "\n"
        content = ("" if head[1] else newline) + f"{name} = {value}{newline}" + content
    return text[: head.end()] + content + text[end:]


def with_section(text: str, section: str, parameters: Mapping[str, str]) -> str:
    """`text` with a new section at its end."""
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = [f"[{section}]", *(f"{name} = {value}" for name, value in parameters.items())]
    gap = "" if not text or text.endswith("\n") else newline
    return text + gap + "".join(line + newline for line in ["", *lines])
