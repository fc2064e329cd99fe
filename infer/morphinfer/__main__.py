"""``morphinfer`` and ``python -m morphinfer``: the command line, whose signals are watched from the start."""

from __future__ import annotations

import sys

from morphinfer.signals import SignalWatch, interruption


def main() -> None:
    """Run the command line and end the process."""
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
