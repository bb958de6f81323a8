"""The modes of the command line. The daemon imports only the argument parser."""
