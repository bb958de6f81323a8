"""What more than one program needs. Imports nothing of the programs."""
