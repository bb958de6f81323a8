"""What --check examines, one module for each part of a client's surroundings."""
