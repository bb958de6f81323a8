"""Real counterparts for the daemon: a KegNet, a misbehaving server, a syslog, a thermometer tree, a home."""
