"""What clients send: parse, verify, hand to the writer."""
