"""The command line: parses, calls one workflow function, prints once."""
