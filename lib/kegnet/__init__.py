"""kegnet: the programs of a kegerator. `core` is shared; `client` and `server` are one program each."""

__version__ = "0.1.0"
