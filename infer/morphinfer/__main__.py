"""``morphinfer`` and ``python -m morphinfer``: the command line, whose signals are watched from the start."""

from __future__ import annotations

import gc
import sys

from morphinfer.signals import SignalWatch, interruption

NEW_OBJECTS = 50_000
"""After so many, not 700, Python looks for unused objects that refer to each other. Imports make many that
stay: looking through them takes 5 % of the time to the first tile."""


def main() -> None:
    """Run the command line and end the process."""
    gc.set_threshold(NEW_OBJECTS)
    watch = SignalWatch()
    code: str | int | None = 0
    try:
        watch.begin()
        from morphinfer.cli import main as run

        run()
    except SystemExit as ended:
        code = ended.code
    except KeyboardInterrupt as stopped:  # while the command line was loaded
        print(f"morphinfer: {interruption(stopped)}", file=sys.stderr)
    watch.end()
    sys.exit(code)


if __name__ == "__main__":
    main()
