"""Functions of a caller that long work calls."""

from __future__ import annotations

from collections.abc import Callable

OnCount = Callable[[int, int], None]
"""Called with how much is done, and how much there is in all."""
