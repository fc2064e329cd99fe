"""Whether segmentation works on this machine, and if not, what mends it.

`installed` looks at Python and the packages, `devices` at execution providers and graphics cards, `places`
at folders, and `trials` segments an image; `diagnosis` runs them all. Each imports what it checks only when
it runs, so that a part that is missing is one finding and not the end.
"""

from __future__ import annotations

from morphinfer.doctor.diagnosis import diagnose

__all__ = [
    "diagnose",
]
