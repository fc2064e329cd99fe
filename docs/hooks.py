"""Links of the site: those out of docs/ lead to the repository."""

from __future__ import annotations

import re
from typing import Any

OUTSIDE = re.compile(r"\]\(\.\./([^)\s]+)\)")


def on_page_markdown(markdown: str, config: Any, **event: Any) -> str:
    """The page with the address of the repository in links such as ../SECURITY.md."""
    return OUTSIDE.sub(rf"]({config.repo_url}/blob/main/\1)", markdown)
