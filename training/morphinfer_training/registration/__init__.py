"""Whether spots match the nuclei image, and where they would fit.

`check` compares spots and nuclei as they are placed; `search` tries other places, by `correlation` and
`texture`; `verdict` puts the result into words.
"""

from __future__ import annotations

from morphinfer_training.registration.check import PIXEL_UM, check_registration
from morphinfer_training.registration.search import compare_places
from morphinfer_training.registration.verdict import refuse, registration_findings

__all__ = [
    "PIXEL_UM",
    "check_registration",
    "compare_places",
    "refuse",
    "registration_findings",
]
