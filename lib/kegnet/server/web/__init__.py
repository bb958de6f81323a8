"""Pages, JSON API, event stream, log-in."""
