"""The modes of the command line. The daemon imports none of them but the argument parser."""
