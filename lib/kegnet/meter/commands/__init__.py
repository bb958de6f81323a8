"""The command line of the flow-meter daemon, and its modes."""
