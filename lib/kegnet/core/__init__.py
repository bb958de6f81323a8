"""Modules that several programs use. They import no program."""
