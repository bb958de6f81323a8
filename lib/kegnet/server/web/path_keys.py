"""The key of a row in the path of a route. A longer number is none, so there is no such page."""

from __future__ import annotations

from starlette.convertors import Convertor, register_url_convertor


class KeyConvertor(Convertor[int]):
    """Up to 10 digits. Starlette's `int` takes any number of them, and `int()` raises ValueError for more than 4300."""

    regex = "[0-9]{1,10}"

    def convert(self, value: str) -> int:
        """The number."""
        return int(value)

    def to_string(self, value: int) -> str:
        """The digits in the path."""
        return str(value)


register_url_convertor("key", KeyConvertor())

KEY = "{key:key}"
"""For the path of a route; `request.path_params["key"]` is then the number."""
