"""``python -m morphinfer`` is the command line."""

from morphinfer.cli import main

main()
