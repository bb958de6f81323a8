"""The flow-meter daemon: counts the pulses of flow meters and writes the `.pour` files."""
