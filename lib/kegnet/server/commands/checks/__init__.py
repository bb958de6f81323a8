"""The parts of kegnet-server check."""
