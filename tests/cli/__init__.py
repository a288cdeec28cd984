"""The command line, as scripts use it."""
