"""kegnet-client: sends a kegerator's temperature and pours to the KegNet REST API. `lib/client.py` runs it."""
