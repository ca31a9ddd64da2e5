"""What a person at the terminal can put right."""


class LocalError(Exception):
    """Says in one line what is wrong and what to do. The command line prints it and exits with 2."""
