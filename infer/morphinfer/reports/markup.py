"""Texts from files in HTML and SVG."""

from __future__ import annotations

import html

from morphinfer.names import printable


def escaped(text: str) -> str:
    r"""A text as HTML and XML show it: neither a tag nor a character that they do not allow.

    >>> escaped("a<b> & " + chr(27) + "[2J")
    'a&lt;b&gt; &amp; \\x1b[2J'
    """
    return html.escape(printable(text))
