"""The stand-in KegNet: receives messages, verifies their signatures, and keeps them."""
