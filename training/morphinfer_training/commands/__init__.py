"""The commands that the training package adds to the command line, one a file."""
