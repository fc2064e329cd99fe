"""``morphinfer view``: results in the browser of this machine."""

from __future__ import annotations

import os
import sys

import click

from morphinfer.cli.console import Verbosity, echo, say, verbosity_options


@click.command()
@click.argument("results", metavar="RESULT...", nargs=-1, required=True, type=click.Path())
@click.option("--slide", type=click.Path(), metavar="SLIDE.zarr",
              help="Present path of the slide of a result.  [default: that in the run record]")  # fmt: skip
@click.option("--at", "place", metavar="PLACE", default="",
              help="Begin at a place: what follows # in a link that the page copied.")  # fmt: skip
@click.option("--port", type=click.IntRange(0, 65535), default=0, metavar="PORT",
              help="Port to listen on.  [default: a free one]")  # fmt: skip
@click.option(
    "--browser/--no-browser", default=True, help="Open the page in the browser.  [default: open]"
)
@verbosity_options
def view(
    results: tuple[str, ...],
    slide: str | None,
    place: str,
    port: int,
    browser: bool,
    verbosity: Verbosity,
) -> None:
    """Show label images over their nuclei in the browser.

    Several lie side by side; Ctrl-C ends it. The page is served to this machine alone. It pans and zooms,
    switches classes off, and shows outlines, uncertainty, areas and a scale bar. Tiles are drawn from the
    slide as they are needed; nothing is written.
    """
    from morphinfer.viewers import ViewServer, open_scenes

    with ViewServer(open_scenes(results, slide), port) as server:
        url = server.url + (f"#{place.removeprefix('#')}" if place else "")
        echo(f"view     {url}")
        sys.stdout.flush()
        say(verbosity, "Ctrl-C ends it")
        if browser and _has_screen():
            import webbrowser

            webbrowser.open(url)
        try:
            server.serve_forever()
        except KeyboardInterrupt as stopped:
            stopped.add_note("the page is no longer served")
            raise


def _has_screen() -> bool:
    """Whether a browser has where to open; without, Python may start one in the terminal."""
    known = ("DISPLAY", "WAYLAND_DISPLAY")
    return sys.platform in ("win32", "darwin") or any(map(os.environ.get, known))
