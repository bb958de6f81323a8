"""Real counterparts of the client: a KegNet server, a scripted server, a syslog socket, a thermometer, a keg."""
