"""The command line: a file per command; each parses, calls one library function and prints."""
