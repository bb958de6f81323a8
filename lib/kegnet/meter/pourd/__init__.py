"""Takes over from pourd, the flow-meter daemon of 2013, pin by pin, and gives back. `python3 -m kegnet.meter.pourd`."""
